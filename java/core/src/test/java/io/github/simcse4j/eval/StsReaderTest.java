package io.github.simcse4j.eval;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.github.simcse4j.files.InputException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class StsReaderTest {

  private static final String STS_B = "news\tf\t2012\t1\t4.5\tone \"quoted\tb\n";

  @TempDir Path folder;

  @Test
  void yearsConcatenateTheirSubsetsAndSkipPairsWithoutScore() throws IOException {
    Path year = Files.createDirectory(folder.resolve("STS16-en-test"));
    write(year.resolve("STS.input.b.txt"), "c\td\ne\tf\n");
    write(year.resolve("STS.gs.b.txt"), "\n2.5\n");
    write(year.resolve("STS.input.a.txt"), "a\tb\tfrom\tfrom\n");
    write(year.resolve("STS.gs.a.txt"), "5\n");
    write(year.resolve("STS.gs.ALL.txt"), "5\n\n2.5\n");
    ScoredPairs pairs = StsReader.readFolder(year);
    assertEquals("STS16", pairs.name());
    assertEquals(List.of("a", "e"), pairs.left());
    assertEquals(List.of("b", "f"), pairs.right());
    assertArrayEquals(new double[] {5, 2.5}, pairs.scores());
    assertEquals(1, pairs.skipped());
  }

  @Test
  void stsBHasSevenOrNineColumnsAndBareQuotes() throws IOException {
    Path file = folder.resolve("sts-test.csv");
    write(file, STS_B + "news\tf\t2012\t1\t0\t\"x\ty\"\ts\tt\n\n");
    ScoredPairs pairs = StsReader.read(file);
    assertEquals("STS-B test", pairs.name());
    assertEquals(List.of("one \"quoted", "\"x"), pairs.left());
    assertEquals(List.of("b", "y\""), pairs.right());
    assertEquals(1, pairs.skipped());
  }

  @Test
  void byteOrderMarkAndCarriageReturnsAreNoText() throws IOException {
    Path file = folder.resolve("SICK_test_annotated.txt");
    write(
        file,
        "\uFEFFpair_ID\tsentence_A\tsentence_B\trelatedness_score\tentailment_judgment\r\n"
            + "1\ta\u2028b\tc\t3.2\tNEUTRAL\r\n");
    ScoredPairs pairs = StsReader.read(file);
    assertEquals("SICK-R test", pairs.name());
    assertEquals(List.of("a\u2028b"), pairs.left());
    assertArrayEquals(new double[] {3.2}, pairs.scores());
  }

  @Test
  void anyTableIsReadByColumnNumbers() throws IOException {
    Path file = folder.resolve("any.tsv");
    write(file, "text\ttext\tgold\n" + "a\tb\t1\tmore\nc\td\t-.5e0\n");
    ScoredPairs pairs = StsTasks.readOne(file + ":score=2,left=1,right=0,header=yes");
    assertEquals("any.tsv", pairs.name());
    assertEquals(List.of("b", "d"), pairs.left());
    assertArrayEquals(new double[] {1, -0.5}, pairs.scores());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        ":score=1,left=0",
        ":score=1,left=0,right=1",
        ":score=x,left=0,right=2",
        ":score=1,left=0,right=2,header=maybe",
        ":score=1,left=0,right=2,right=3",
        ":left=0,other=2"
      })
  void malformedColumnsAreRefused(String columns) {
    String message =
        assertThrows(InputException.class, () -> StsTasks.readOne("any.tsv" + columns))
            .getMessage();
    assertTrue(message.contains("score=4,left=5,right=6"), message);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "STS-B line too short | sts-dev.csv | 4\\t5\\n | line 1 | columns",
        "eight columns | sts-dev.csv | 0\\t1\\t2\\t3\\t4\\t5\\t6\\t7\\n | line 1 | 7 or 9",
        "word for score | sts-dev.csv | 0\\t1\\t2\\t3\\thigh\\t5\\t6\\n | line 1 | 'high'",
        "NaN | sts-dev.csv | 0\\t1\\t2\\t3\\tNaN\\t5\\t6\\n | line 1 | 'NaN'",
        "infinite | sts-dev.csv | 0\\t1\\t2\\t3\\t1e999\\t5\\t6\\n | line 1 | '1e999'",
        "unknown layout | some.tsv | a\\tb\\n | line 1 | no known layout",
        "nothing | some.tsv | \\n\\n | some.tsv | no scored pair",
        "header only | SICK_trial.txt | sentence_A\\tsentence_B\\tscore\\n | SICK | no scored pair",
        "no score column | SICK_test.txt | pair_ID\\tsentence_A\\tsentence_B\\n | line 1 | header",
        "row too short | g.tsv | score\\tsentence1\\tsentence2\\n1\\ta\\n | line 2 | expected 3"
      })
  void faultyFilesAreNamedWithTheirLine(
      String fault, String name, String content, String place, String expected) throws IOException {
    Path file = folder.resolve(name);
    write(file, content.replace("\\t", "\t").replace("\\n", "\n"));
    String message =
        assertThrows(InputException.class, () -> StsReader.read(file), fault).getMessage();
    assertTrue(message.contains(name), message);
    assertTrue(message.contains(place), message);
    assertTrue(message.contains(expected), message);
  }

  @Test
  void invalidUtf8IsNamedWithItsLine() throws IOException {
    Path file = folder.resolve("sts-dev.csv");
    Files.write(file, (STS_B + "caf\u00e9").getBytes(StandardCharsets.ISO_8859_1));
    String message = assertThrows(InputException.class, () -> StsReader.read(file)).getMessage();
    assertTrue(message.contains("sts-dev.csv, line 2: invalid UTF-8"), message);
  }

  @Test
  void subsetsMustHaveAsManyScoresAsTexts() throws IOException {
    write(folder.resolve("STS.input.a.txt"), "a\tb\nc\td\n");
    assertTrue(folderFault().contains("STS.gs.a.txt"));
    write(folder.resolve("STS.gs.a.txt"), "1\n");
    assertTrue(folderFault().contains("1 lines of scores, expected 2"));
    write(folder.resolve("STS.gs.a.txt"), "1\n2\n");
    write(folder.resolve("STS.input.a.txt"), "a\tb\nc\n");
    assertTrue(folderFault().contains("line 2"));
  }

  @Test
  void missingFilesAndEmptyFoldersAreNamed() {
    String missing = folder.resolve("none.tsv").toString();
    String message =
        assertThrows(InputException.class, () -> StsTasks.read(List.of(missing))).getMessage();
    assertTrue(message.contains("no such file"), message);
    assertThrows(InputException.class, () -> StsTasks.read(List.of(folder.toString())));
  }

  @Test
  void foldersAreSearchedForKnownTasks() throws IOException {
    Path year = Files.createDirectories(folder.resolve("STS/STS13-en-test"));
    write(year.resolve("STS.input.a.txt"), "a\tb\n");
    write(year.resolve("STS.gs.a.txt"), "5\n");
    Path benchmark = Files.createDirectories(folder.resolve("STS/STSBenchmark"));
    write(benchmark.resolve("sts-train.csv"), STS_B);
    write(benchmark.resolve("sts-dev.csv"), STS_B);
    write(benchmark.resolve("sts-test.csv"), STS_B);
    Path sick = Files.createDirectories(folder.resolve("SICK"));
    write(sick.resolve("SICK_test.txt"), "pair_ID\tsentence_A\tsentence_B\n1\ta\tb\n");
    write(
        sick.resolve("SICK_test_annotated.txt"),
        "sentence_A\tsentence_B\trelatedness_score\na\tb\t2\n");
    List<String> names =
        StsTasks.read(List.of(folder.toString())).stream().map(ScoredPairs::name).toList();
    assertEquals(List.of("STS13", "STS-B test", "SICK-R test", "STS-B dev"), names);
    assertThrows(InputException.class, () -> StsTasks.readOne(folder.toString()));
    assertEquals(
        "STS-B train", StsTasks.readOne(benchmark.resolve("sts-train.csv").toString()).name());
  }

  @Test
  void publishedFilesHaveTheirPublishedNumberOfPairs() {
    String shared = System.getProperty("simcse.shared");
    assumeTrue(shared != null, "simcse.shared names no folder of published data");
    Path sts = Path.of(shared, "data", "sts");
    Map<String, Integer> found = new TreeMap<>();
    for (ScoredPairs task : StsTasks.read(List.of(sts.toString()))) {
      found.put(task.name(), task.size());
    }
    assertEquals(
        Map.of("STS12", 3108, "STS14", 3750, "STS-B dev", 1500, "SICK-R trial", 500), found);
    assertEquals(5749, StsReader.read(sts.resolve("STSBenchmark/sts-train.csv")).size());
    assertEquals(4500, StsReader.read(sts.resolve("SICK/SICK_train.txt")).size());
  }

  private String folderFault() {
    return assertThrows(InputException.class, () -> StsReader.readFolder(folder)).getMessage();
  }

  private static void write(Path file, String text) throws IOException {
    Files.writeString(file, text);
  }
}
