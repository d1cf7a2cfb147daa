package io.github.simcse4j.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import io.github.simcse4j.data.Columns;
import io.github.simcse4j.data.RowReader;
import io.github.simcse4j.data.RowReaders;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class CommandsTest {

  private static final int WIDTH = 128;
  private static final int SENTENCES = Sandbox.SENTENCES;

  @TempDir private static Path shared;
  private static Sandbox sandbox;

  @TempDir private Path folder;

  @BeforeAll
  static void make() throws IOException {
    sandbox = Sandbox.make(shared);
  }

  @Test
  void trainingWritesAModelAndItsCourse() throws IOException {
    Path out = folder.resolve("out");
    Path metrics = folder.resolve("runs/metrics.jsonl");
    CommandRun run =
        train(sandbox.text(), "--dev", sandbox.pairs(), "--eval-steps", 1, "--metrics", metrics);
    assertTrue(run.err().startsWith("kernels: reference on cpu"), run.err());
    assertTrue(run.err().contains(" " + SENTENCES + " sentences, "), run.err());
    assertTrue(run.err().contains("step 2/2  loss "), run.err());
    assertTrue(run.out().startsWith("trained 2 steps on 8 rows"), run.out());
    assertTrue(run.out().contains("saved " + out), run.out());

    List<Map<String, Object>> lines = jsonLines(metrics);
    assertEquals(
        List.of("step", "evaluation", "step", "evaluation", "summary"),
        lines.stream().map(line -> line.get("event")).toList());
    Set<String> step =
        Set.of(
            "event",
            "step",
            "loss",
            "learningRate",
            "gradNorm",
            "sentencesPerSecond",
            "tokensPerSecond",
            "chunks",
            "tokensPerChunk");
    assertEquals(step, lines.get(0).keySet());
    assertEquals(step, lines.get(2).keySet());
    assertEquals(2.0, lines.get(2).get("step"));
    assertEquals(Set.of("event", "step", "spearman", "best", "seconds"), lines.get(1).keySet());
    Map<String, Object> summary = lines.getLast();
    assertEquals(8.0, summary.get("sentences"));
    double seconds = (Double) summary.get("seconds");
    assertEquals(8 / seconds, (Double) summary.get("sentencesPerSecond"), 1e-6 / seconds);

    Sandbox.run("eval", "--model", out, "--tasks", sandbox.pairs()).succeeded();
  }

  @Test
  void equalSeedsGiveEqualBytes() throws IOException {
    Path first = folder.resolve("first");
    Path second = folder.resolve("second");
    Sandbox.train(sandbox.model(), sandbox.text(), first, "--seed", 7).succeeded();
    CommandRun again = Sandbox.train(sandbox.model(), sandbox.text(), second, "--seed", 7);
    assertTrue(again.err().contains("re-used " + SENTENCES + " sentences"), again.err());
    String weights = "model.safetensors";
    assertEquals(-1, Files.mismatch(first.resolve(weights), second.resolve(weights)));
  }

  @Test
  void trainsOnEveryKindOfFile() throws IOException {
    List<String> s = sandbox.sentences();
    Path pairs = write("pairs.csv", rows(s, 2, ","));
    Path triples = write("triples.tsv", "sent0\tsent1\thard_neg\n" + rows(s, 3, "\t"));
    Path lines = folder.resolve("lines.jsonl.gz");
    try (OutputStream out = new GZIPOutputStream(Files.newOutputStream(lines))) {
      for (String sentence : s) {
        out.write(
            "{\"id\":1,\"text\":\"%s\"}\n".formatted(sentence).getBytes(StandardCharsets.UTF_8));
      }
    }
    Path tokens = folder.resolve("tokens.arrow");
    prepare(tokens).succeeded();
    assertTrue(train(pairs).err().contains("groups of 2"));
    assertTrue(train(triples, "--hard-negative-weight", 1).err().contains("groups of 3"));
    assertTrue(train(triples, "--columns", "sent0,sent1").err().contains("groups of 2"));
    assertTrue(
        train(lines, "--columns", "text").err().contains("tokenised " + SENTENCES + " sentences"));
    assertTrue(train(tokens).err().contains("re-used " + SENTENCES + " sentences"));
  }

  @Test
  void preparingAgainReusesWhatIsThere() throws IOException {
    Path out = folder.resolve("tokens.arrow");
    assertTrue(prepare(out).succeeded().out().startsWith("tokenised " + SENTENCES + " sentences"));
    byte[] before = Files.readAllBytes(out);
    assertTrue(prepare(out).succeeded().out().startsWith("re-used " + SENTENCES + " sentences"));
    assertArrayEquals(before, Files.readAllBytes(out));
  }

  @Test
  void evaluationWritesItsReports() throws IOException {
    Path json = folder.resolve("report.json");
    Path plot = folder.resolve("spectrum.svg");
    CommandRun run =
        Sandbox.run(
                "eval",
                "--model",
                sandbox.model(),
                "--tasks",
                sandbox.pairs(),
                sandbox.pairs() + ":score=0,left=1,right=2,header=yes",
                "--json",
                json,
                "--spectrum",
                plot)
            .succeeded();
    List<String> table = run.out().lines().toList();
    assertEquals(3, table.size(), run.out());
    assertTrue(table.get(0).startsWith("task "), run.out());
    assertEquals(table.get(1), table.get(2));
    String report = Files.readString(json);
    assertTrue(report.contains("\"pooler\" : \"avg\""), report);
    assertTrue(report.contains("\"spearman\" : "), report);
    assertTrue(Files.readString(plot).contains("<svg"));
  }

  @Test
  void encodesToEveryFormat() throws IOException {
    Path npy = encode(sandbox.text(), "vectors.npy");
    Path jsonl = encode(sandbox.text(), "vectors.jsonl");
    Path bare = encode(sandbox.text(), "bare.jsonl", "--no-text");
    Path arrow = encode(sandbox.text(), "vectors.arrow");
    List<Map<String, Object>> lines = jsonLines(jsonl);
    assertEquals(sandbox.sentences(), lines.stream().map(line -> line.get("text")).toList());
    assertEquals(Set.of("vector"), jsonLines(bare).get(0).keySet());
    float[] vectors = npy(npy, SENTENCES);
    for (int row = 0; row < SENTENCES; row++) {
      List<?> numbers = (List<?>) lines.get(row).get("vector");
      assertEquals(WIDTH, numbers.size());
      for (int i = 0; i < WIDTH; i++) {
        assertEquals(vectors[row * WIDTH + i], ((Double) numbers.get(i)).floatValue());
      }
    }
    List<String> texts = new ArrayList<>();
    try (RowReader rows = RowReaders.open(arrow, Columns.parse("text"))) {
      while (rows.next()) {
        texts.add(rows.text(0));
      }
    }
    assertEquals(sandbox.sentences(), texts);
  }

  @Test
  void encodesStandardInput() throws IOException {
    Path fromFile = encode(sandbox.text(), "file.npy");
    InputStream before = System.in;
    try {
      System.setIn(new ByteArrayInputStream(Files.readAllBytes(sandbox.text())));
      assertEquals(-1, Files.mismatch(fromFile, encode(Path.of("-"), "input.npy")));
    } finally {
      System.setIn(before);
    }
  }

  @Test
  void untidyTextIsGoodText() throws IOException {
    List<String> s = sandbox.sentences();
    Path untidy =
        write(
            "untidy.txt",
            "\uFEFF" + s.get(0) + "\r\n\r\n" + "cat ".repeat(250_000) + "\r\n \n" + s.get(1));
    String prepared =
        Sandbox.run(
                "prepare",
                "--model",
                sandbox.model(),
                "--train",
                untidy,
                "--out",
                folder.resolve("untidy.arrow"),
                "--max-length",
                64)
            .succeeded()
            .out();
    assertTrue(prepared.startsWith("tokenised 3 sentences"), prepared);
    assertTrue(prepared.contains("2 empty rows skipped"), prepared);
    assertTrue(prepared.contains("1 sentences truncated"), prepared);

    float[] vectors = npy(encode(untidy, "untidy.npy"), 5);
    float[] tidy = npy(encode(sandbox.text(), "tidy.npy"), SENTENCES);
    for (int i = 0; i < WIDTH; i++) {
      assertEquals(tidy[i], vectors[i], "a byte order mark or CR changes the first sentence");
    }

    Path pairs =
        write(
            "untidy.tsv",
            "\uFEFFscore\tsentence1\tsentence2\r\n1\ta cat\ta dog\r\n\r\n\ta\tb\r\n0\ta\tthe farmer\n");
    String table =
        Sandbox.run("eval", "--model", sandbox.model(), "--tasks", pairs).succeeded().out();
    assertTrue(table.lines().toList().get(1).matches("untidy.tsv +2 +2 .*"), table);
  }

  @Test
  void everyCommandComputesInBf16() throws IOException {
    Object[] bf16 = {"--precision", "bf16"};
    assertTrue(train(sandbox.text(), bf16).err().startsWith("kernels: reference on cpu in bf16 ("));
    Path out = folder.resolve("out");
    CommandRun eval =
        Sandbox.run("eval", "--model", out, "--tasks", sandbox.pairs(), "--precision", "bf16");
    assertEquals(2, eval.succeeded().out().lines().count());
    float[] rounded = npy(encode(sandbox.text(), "bf16.npy", bf16), SENTENCES);
    float[] vectors = npy(encode(sandbox.text(), "fp32.npy", "--precision", "fp32"), SENTENCES);
    assertFalse(Arrays.equals(rounded, vectors));
    for (int i = 0; i < vectors.length; i++) {
      // Means over tokens of normalised numbers, after some roundings to 8 bits.
      assertEquals(vectors[i], rounded[i], 0x1p-6);
    }
  }

  @Test
  void benchPrintsARateEachTime() {
    CommandRun run =
        CommandRun.of(
                "bench",
                "encode",
                "--model",
                sandbox.model().toString(),
                "--input",
                sandbox.text().toString(),
                "--count",
                "3",
                "--repetitions",
                "2",
                "--kernels",
                "reference")
            .succeeded();
    assertEquals(2, run.out().lines().filter(l -> l.startsWith("3 sentences in ")).count());
  }

  @Test
  void theDoctorNamesWhatComputes() {
    CommandRun run = CommandRun.of("doctor").succeeded();
    assertTrue(
        run.out().contains("kernels reference  usable on cpu in fp32 and bf16: "), run.out());
    assertTrue(
        run.out()
            .matches(
                "(?s).*kernels native +(usable on cpu in fp32 and bf16: |not usable: there is no ).*"),
        run.out());
    assertTrue(
        run.out().matches("(?s).*kernels cuda +(usable on cuda:0 in |not usable: ).*"), run.out());
    assertTrue(run.out().matches("(?s).*vector api +on, \\d+ bit wide.*"), run.out());
    assertEquals("", run.err());
  }

  private CommandRun train(Path text, Object... more) {
    return Sandbox.train(sandbox.model(), text, folder.resolve("out"), more).succeeded();
  }

  private CommandRun prepare(Path out) {
    Path model = sandbox.model();
    return Sandbox.run(
        "prepare", "--model", model, "--train", sandbox.text(), "--out", out, "--max-length", 12);
  }

  private Path encode(Path input, String output, Object... more) {
    Path file = folder.resolve(output);
    Object[] fixed = {"--model", sandbox.model(), "--input", input, "--output", file};
    Sandbox.run("encode", Stream.concat(Stream.of(fixed), Stream.of(more)).toArray()).succeeded();
    return file;
  }

  private Path write(String name, String text) throws IOException {
    return Files.writeString(folder.resolve(name), text);
  }

  private static String rows(List<String> sentences, int width, String separator) {
    return IntStream.range(0, sentences.size() / width)
        .mapToObj(row ->
            sentences.subList(row * width, (row + 1) * width).stream()
                .map(cell -> separator.equals(",") ? '"' + cell + '"' : cell)
                .collect(Collectors.joining(separator)))
        .collect(Collectors.joining("\n"));
  }

  private static float[] npy(Path file, int rows) throws IOException {
    ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
    int header = 10 + bytes.getShort(8);
    String text = new String(bytes.array(), 10, header - 10, StandardCharsets.US_ASCII);
    assertTrue(text.contains("'shape': (" + rows + ", " + WIDTH + ")"), text);
    float[] numbers = new float[rows * WIDTH];
    assertEquals(header + 4 * numbers.length, bytes.capacity());
    bytes.position(header).asFloatBuffer().get(numbers);
    return numbers;
  }

  /** The objects of a file of JSON lines: text as String, numbers as Double, lists as List. */
  private static List<Map<String, Object>> jsonLines(Path file) throws IOException {
    List<Map<String, Object>> lines = new ArrayList<>();
    for (String line : Files.readAllLines(file)) {
      try (JsonParser parser = new JsonFactory().createParser(line)) {
        parser.nextToken();
        Map<String, Object> members = new LinkedHashMap<>();
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
          String name = parser.currentName();
          parser.nextToken();
          assertFalse(members.containsKey(name), line);
          members.put(name, value(parser));
        }
        lines.add(members);
      }
    }
    return lines;
  }

  private static Object value(JsonParser parser) throws IOException {
    if (parser.currentToken() == JsonToken.START_ARRAY) {
      List<Object> values = new ArrayList<>();
      while (parser.nextToken() != JsonToken.END_ARRAY) {
        values.add(value(parser));
      }
      return values;
    }
    return parser.currentToken().isNumeric() ? (Object) parser.getDoubleValue() : parser.getText();
  }
}
