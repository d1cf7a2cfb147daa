package io.github.simcse4j.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.simcse4j.files.InputException;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class RowReadersTest {

  @TempDir Path folder;

  private Path file(String name, String content) {
    return file(name, content.getBytes(StandardCharsets.UTF_8));
  }

  private Path file(String name, byte[] content) {
    try {
      return Files.write(folder.resolve(name), content);
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  private static byte[] gzip(byte[] content) throws IOException {
    var bytes = new ByteArrayOutputStream();
    try (var out = new GZIPOutputStream(bytes)) {
      out.write(content);
    }
    return bytes.toByteArray();
  }

  private static List<List<String>> rows(RowReader reader) {
    List<List<String>> rows = new ArrayList<>();
    try (reader) {
      while (reader.next()) {
        List<String> row = new ArrayList<>();
        for (int i = 0; i < reader.columns(); i++) {
          row.add(reader.text(i));
        }
        rows.add(row);
      }
    }
    return rows;
  }

  private static List<List<String>> rows(Path file, String columns) {
    return rows(RowReaders.open(file, columns.isEmpty() ? Columns.all() : Columns.parse(columns)));
  }

  private static void assertFault(Path file, String columns, String... parts) {
    var fault = assertThrows(InputException.class, () -> rows(file, columns));
    for (String part : parts) {
      assertTrue(fault.getMessage().contains(part), fault.getMessage());
    }
    assertTrue(fault.getMessage().contains(file.toString()), fault.getMessage());
  }

  @Test
  void textHasOneSentencePerLine() {
    var expected = List.of(List.of("one"), List.of(""), List.of("zwei ß"), List.of("three"));
    assertEquals(expected, rows(file("a.txt", "one\n\nzwei ß\nthree"), ""));
    assertEquals(expected, rows(file("b.txt", "\uFEFFone\r\n\r\nzwei ß\r\nthree\r\n"), ""));
    assertEquals(List.of(), rows(file("c.txt", ""), ""));
    assertEquals(List.of(), rows(file("d.txt", "\uFEFF"), ""));
    assertEquals(List.of(List.of("a")), rows(file("e.txt", "a"), "0"));
    assertFault(file("f.txt", "a"), "sentence", "column sentence is not there");
  }

  @Test
  void aLineMayBeLongerThanTheBuffer() {
    String million = "word ".repeat(200_000);
    var rows = rows(file("long.txt", "a\n" + million + "\nb\n"), "");
    assertEquals(List.of(List.of("a"), List.of(million), List.of("b")), rows);
  }

  @Test
  void linesSplitAnywhereByTheStreamStayWhole() {
    byte[] bytes = "\uFEFFfirst\r\nsecond ä\n\nlast".getBytes(StandardCharsets.UTF_8);
    var drip =
        new ByteArrayInputStream(bytes) {
          @Override
          public synchronized int read(byte[] into, int offset, int length) {
            return super.read(into, offset, Math.min(1, length));
          }
        };
    var expected = List.of(List.of("first"), List.of("second ä"), List.of(""), List.of("last"));
    assertEquals(expected, rows(RowReaders.lines(drip, "standard input", Columns.all())));
  }

  @Test
  void csvIsQuotedAsInRfc4180() {
    String csv =
        "sent0,sent1,hard_neg\n"
            + "plain,\"with, comma\",\"with \"\"quotes\"\"\"\n"
            + "\"two\r\nlines\",a \"bare\" quote,\"\"\r\n"
            + "\n"
            + "last,,\"x\"";
    var expected =
        List.of(
            List.of("plain", "with, comma", "with \"quotes\""),
            List.of("two\r\nlines", "a \"bare\" quote", ""),
            List.of("", "", ""),
            List.of("last", "", "x"));
    assertEquals(expected, rows(file("a.csv", csv), ""));
    var swapped = expected.stream().map(row -> List.of(row.get(2), row.get(0))).toList();
    assertEquals(swapped, rows(file("a.csv", csv), "hard_neg,sent0"));
    assertEquals(swapped, rows(file("a.csv", csv), "2,0"));
  }

  @Test
  void firstRowOfATableIsAHeaderWhenItNamesColumns() {
    assertEquals(List.of(List.of("a b", "c")), rows(file("a.csv", "a b,c\n"), ""));
    assertEquals(List.of(List.of("same", "same")), rows(file("b.csv", "same,same\n"), ""));
    assertEquals(List.of(List.of("x", "y")), rows(file("c.csv", "sent0,sent1\nx,y\n"), ""));
    assertEquals(
        List.of(List.of("y")), rows(file("d.csv", "das Erste,das Zweite\nx,y\n"), "das Zweite"));
  }

  @Test
  void faultsOfCsvNameTheLine() {
    assertFault(
        file("a.csv", "x y,b\n\"1\n2\",b\nc\n"), "", "line 4", "expected 2 cells", "found 1");
    assertFault(file("b.csv", "x y,b\nc,\"open\nto the end\n"), "", "line 2", "never closed");
    assertFault(file("c.csv", "x y,\"b\" c\n"), "", "line 1", "closing quote");
    assertFault(file("d.csv", "a,b,c,d\n1,2,3,4\n"), "", "found 4", "--columns");
    assertFault(file("e.csv", "a,b\n1,2\n"), "c", "column c is not there", "[a, b]");
    assertFault(file("f.csv", "a,a\n1,2\n"), "a", "two columns");
    assertFault(file("g.csv", "a,b\n1,2\n"), "2", "column 2 is not there");
    assertFault(file("h.csv", ""), "", "no row");
    assertFault(file("i.csv", "a b,c\n1,2,3\n"), "", "line 2", "found 3");
  }

  @Test
  void tabSeparatedQuotesAreLetters() {
    String tsv = "he said \"yes\tb, c\n\"x\t\"y\"\n";
    var expected = List.of(List.of("he said \"yes", "b, c"), List.of("\"x", "\"y\""));
    assertEquals(expected, rows(file("a.tsv", tsv), ""));
    assertFault(file("b.tsv", "a b\tc\nonly one\n"), "", "line 2", "one tab");
  }

  @Test
  void jsonLinesAreObjectsOrArrays() {
    String objects =
        "\uFEFF{\"id\": 1, \"text\": \"a \\u00e9 \\\"q\\\"\", \"other\": \"b\", \"x\": {\"y\":"
            + " [1]}}\n\n"
            + "{\"other\": null, \"text\": \"c\", \"id\": 2}\r\n";
    assertEquals(
        List.of(List.of("a é \"q\"", "b"), List.of("", ""), List.of("c", "")),
        rows(file("a.jsonl", objects), ""));
    assertEquals(
        List.of(List.of("b"), List.of(""), List.of("")), rows(file("a.jsonl", objects), "other"));
    assertEquals(
        List.of(List.of("a é \"q\""), List.of(""), List.of("c")),
        rows(file("a.jsonl", objects), "1"));
    assertEquals(
        List.of(List.of("q", "p"), List.of("r", "s")),
        rows(file("b.jsonl", "[\"q\", \"p\"]\n[\"r\", \"s\"]\n"), ""));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "{\"b\": \"x\"}|column a is missing",
        "{\"a\": 3}|column a is no string",
        "{\"a\": \"x\"|no valid JSON",
        "{\"a\": \"x\"} {}|text follows",
        "{\"a\": \"x\", \"a\": \"y\"}|Duplicate field 'a'",
        "\"a\"|expected a JSON object",
        "{\"a\": \"\\ud800\"}|surrogate",
        "nonsense|no valid JSON",
      })
  void faultsOfJsonNameTheLine(String line, String problem) {
    assertFault(file("a.jsonl", "{\"a\": \"x\"}\n" + line + "\n"), "a", "line 2", problem);
  }

  @Test
  void gzipIsReadAsItIs() throws IOException {
    byte[] text = "one\ntwo\n".getBytes(StandardCharsets.UTF_8);
    assertEquals(List.of(List.of("one"), List.of("two")), rows(file("a.txt.gz", gzip(text)), ""));
    byte[] table = "a,b\n1,2\n".getBytes(StandardCharsets.UTF_8);
    assertEquals(List.of(List.of("1", "2")), rows(file("a.csv.gz", gzip(table)), ""));
  }

  @Test
  void truncatedOrFalseGzipIsAFault() throws IOException {
    byte[] whole = gzip("some words\n".repeat(5).getBytes(StandardCharsets.UTF_8));
    for (int length = 10; length < whole.length; length++) {
      assertFault(file("cut.txt.gz", Arrays.copyOf(whole, length)), "", "line", "truncated");
    }
    assertFault(file("no.txt.gz", "plain text"), "", "gzip");
    assertFault(file("empty.txt.gz", ""), "", "gzip");
  }

  @Test
  void missingAndForeignFilesAreFaults() {
    assertFault(folder.resolve("none.txt"), "", "no such file");
    assertFault(folder, "", "folder");
    assertFault(file("data.bin", "x"), "", ".jsonl");
  }

  @Test
  void bytesThatAreNoUtf8AreAFault() {
    byte[] latin = "gut\nsch\u00f6n\n".getBytes(StandardCharsets.ISO_8859_1);
    assertFault(file("latin.txt", latin), "", "line 2", "UTF-8");
    byte[] json = "{\"a\": \"sch\u00f6n\"}\n".getBytes(StandardCharsets.ISO_8859_1);
    assertFault(file("latin.jsonl", json), "", "line 1", "UTF-8");
  }

  @Test
  void columnOptionsAreNamesOrPositions() {
    assertEquals(new Columns(List.of("0", "2"), false), Columns.parse("0, 2"));
    assertEquals(new Columns(List.of("a", "2"), true), Columns.parse("a,2"));
    assertThrows(InputException.class, () -> Columns.parse("a,,b"));
    assertThrows(InputException.class, () -> Columns.parse("0,1,2,3"));
    assertThrows(InputException.class, () -> Columns.parse(""));
  }
}
