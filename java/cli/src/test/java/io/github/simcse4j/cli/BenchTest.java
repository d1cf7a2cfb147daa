package io.github.simcse4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDate;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.w3c.dom.Document;
import org.w3c.dom.NodeList;

/** The benchmarks that go through sizes. */
final class BenchTest {

  private static final Object[] SHORT = {"--seconds", 0.3, "--repetitions", 2};

  @TempDir private static Path shared;
  private static Sandbox sandbox;

  @TempDir private Path folder;

  @BeforeAll
  static void make() throws IOException {
    sandbox = Sandbox.make(shared);
  }

  @Test
  void theLossIsTimedAndRecorded() throws Exception {
    Path out = folder.resolve("new/results");
    CommandRun run = loss("--n", "2..8", "--dim", 4, "--hard-negatives", "--out", out).succeeded();
    assertTrue(run.err().startsWith("kernels: reference on cpu"), run.err());
    List<List<String>> rows = rows(run.out());
    String headings = "N, M, ms, sentences/s, TFLOP/s, of gemm, tensors MB, peak MB, peak/tensors";
    assertEquals(headings + ", passes", String.join(", ", rows.getFirst()));
    assertEquals(List.of("2", "4", "8"), column(rows, 0));
    assertEquals(List.of("4", "8", "16"), column(rows, 1));
    for (List<String> row : rows.subList(1, rows.size())) {
      double seconds = number(row.get(2)) * 1e-3;
      assertEquals(number(row.get(0)) / seconds, number(row.get(3)), 0.05 / seconds);
      assertTrue(number(row.get(9)) >= 1, row.toString());
    }
    List<String> lines = Files.readAllLines(out.resolve("loss.md"));
    assertEquals("# Contrastive loss, forward and backward", lines.getFirst());
    assertTrue(lines.stream().anyMatch(line -> line.startsWith("- machine: ")));
    assertTrue(lines.contains("- simcse: " + BuildInfo.load() + ", " + LocalDate.now()));
    assertTrue(lines.contains("- " + run.err().lines().findFirst().orElseThrow()));
    assertTrue(lines.contains("| " + String.join(" | ", rows.getFirst()) + " |"));
    assertTrue(lines.contains("| " + String.join(" | ", rows.getLast()) + " |"));
    checkPlot(out.resolve("loss.svg"), 3);
    assertEquals(Set.of("loss.md", "loss.svg"), names(out));
  }

  @Test
  void stepsAreTimedAndRecorded() throws Exception {
    Path out = folder.resolve("results");
    CommandRun run =
        train("--batch-size", "2,5", "--max-tokens-per-chunk", 12, "--out", out).succeeded();
    List<List<String>> rows = rows(run.out());
    String headings =
        "batch, ms, sentences/s, tokens/s, TFLOP/s, of gemm, planned MB, peak MB, chunks, kept,"
            + " activations, steps";
    assertEquals(headings, String.join(", ", rows.getFirst()));
    assertEquals(List.of("2", "5"), column(rows, 0));
    assertEquals(List.of("4", "10"), column(rows, 8));
    assertEquals(List.of("replay", "replay"), column(rows, 10));
    String record = Files.readString(out.resolve("train.md"));
    assertTrue(record.contains("\n- model start: 2 layers, H = 128, fp32\n"), record);
    assertTrue(record.contains("\n- text: generated sentences, "), record);
    checkPlot(out.resolve("train.svg"), 2);
    assertEquals(Set.of("train.md", "train.svg"), names(out));
  }

  @Test
  void aProfileTellsWhereTheTimeGoes() throws Exception {
    Path out = folder.resolve("results");
    CommandRun run = train("--batch-size", "3", "--profile", "--out", out).succeeded();
    List<String> lines = run.out().lines().toList();
    int title =
        lines.indexOf(
            lines.stream().filter(line -> line.startsWith("batch 3: ")).findFirst().orElseThrow());
    String headings = "operation, shape, calls, ms, of step, GB/s, TFLOP/s, floor ms, of floor";
    List<List<String>> rows = rows(String.join("\n", lines.subList(title + 1, lines.size() - 1)));
    assertEquals(headings, String.join(", ", rows.getFirst()));
    double sum = 0;
    for (List<String> row : rows.subList(1, rows.size())) {
      double share = number(row.get(7)) / number(row.get(3));
      assertEquals(
          100 * share, number(row.get(8).replace(" %", "")), 1 + 2 * share, row.toString());
      sum += number(row.get(3));
    }
    double told = number(lines.get(title).replaceAll(".*runs, (\\S+) ms its.*", "$1"));
    assertEquals(told, sum, 0.05 * told);
    assertTrue(column(rows, 0).containsAll(List.of("gemm", "adamw", "attention_backward")));
    String record = Files.readString(out.resolve("train.md"));
    assertTrue(record.contains("\n" + lines.get(title) + "\n"), record);
    assertTrue(record.contains("\n| " + String.join(" | ", rows.get(1)) + " |\n"), record);
  }

  @Test
  void stepsOnAFileLeaveTheModelAlone() throws IOException {
    Set<String> before = names(sandbox.model());
    CommandRun run = train("--batch-size", 4, "--input", sandbox.text()).succeeded();
    List<List<String>> rows = rows(run.out());
    assertEquals(List.of("4"), column(rows, 0));
    assertEquals(List.of("1"), column(rows, 8));
    assertEquals(before, names(sandbox.model()));
    train("--batch-size", "4,13", "--input", sandbox.text())
        .refused("--batch-size 13 is larger than the 12 sentences", "text.txt");
  }

  @Test
  void sizesThatWouldTakeTooLongAreLeftOut() throws IOException {
    CommandRun run = loss("--n", "2,65536,131072", "--dim", 4, "--out", folder).succeeded();
    assertEquals(2, run.out().lines().count(), run.out());
    String left =
        run.err().lines().filter(line -> line.startsWith("left out ")).findFirst().orElseThrow();
    assertTrue(left.startsWith("left out N = 65,536 and what is larger: a pass would"), left);
    assertTrue(left.endsWith(" s, more than --seconds 0.300."), left);
    String record = Files.readString(folder.resolve("loss.md"));
    assertTrue(record.contains("- left out: N = 65,536 and what is larger: "), record);
    loss("--n", 65536, "--dim", 4).refused("N = 65,536: a pass would take about", "--seconds");
  }

  @Test
  void sizesAreReadAndRefused() {
    assertEquals(List.of(3, 6, 12), BenchSizes.parse("--n", "3..23"));
    assertEquals(List.of(8), BenchSizes.parse("--n", "8..8"));
    assertEquals(List.of(2, 3, 1 << 20), BenchSizes.parse("--n", "2, 3,1048576"));
    String[] bad = {
      "", "x", "1..8", "8..4", "4,4", "8,4", "4,", "2..", "..4", "2..4..8", "-4", "2097152", "1e3"
    };
    for (String text : bad) {
      loss("--n=" + text).refused("--n must be rising numbers", "'" + text + "'");
      train("--batch-size=" + text).refused("--batch-size must be rising", "'" + text + "'");
    }
  }

  @Test
  void optionsThatCannotBe() throws IOException {
    loss("--dim", 0).refused("--dim must be from 1 to 65536, found 0");
    loss("--dim", 1 << 20).refused("--dim must be from 1 to 65536");
    for (String temperature : new String[] {"0", "-1", "NaN", "Infinity"}) {
      loss("--temperature=" + temperature).refused("--temperature must be a number above 0");
    }
    Path file = Files.writeString(folder.resolve("file.txt"), "text");
    loss("--out", file).refused("file.txt", "is no folder");
    train("--out", file.resolve("below")).refused("file.txt", "is no folder");
    Files.createDirectory(folder.resolve("loss.svg"));
    loss("--out", folder).refused("loss.svg", "no plain file");
    bench("loss", "--seconds", 0).refused("--seconds must be above 0");
    bench("loss", "--seconds=NaN").refused("--seconds must be above 0");
    bench("loss", "--repetitions", 0).refused("--repetitions must be at least 1");
    bench("train", "--model", folder.resolve("absent")).refused("absent", "not a folder");
    bench("train").refused("--model", "simcse bench train --help");
    bench("train", "--model", sandbox.model(), "--max-length", 65).refused("64 positions");
    bench("train", "--model", sandbox.model(), "--max-length", 2).refused("--max-length");
    train("--max-tokens-per-chunk", 3).refused("--max-tokens-per-chunk 3 is smaller than");
    train("--memory", 0.001).refused("the weights ask for", "--memory");
    train("--input", folder.resolve("absent.txt")).refused("absent.txt", "no such file");
    assertEquals(Set.of("file.txt", "loss.svg"), names(folder));
  }

  @Test
  void unitsFollowTheDecade() {
    assertEquals("100 \u00b5s", ScalingPlot.Unit.SECONDS.label(-4));
    assertEquals("10 ms", ScalingPlot.Unit.SECONDS.label(-2));
    assertEquals("1 s", ScalingPlot.Unit.SECONDS.label(0));
    assertEquals("10,000 s", ScalingPlot.Unit.SECONDS.label(4));
    assertEquals("100 MB", ScalingPlot.Unit.BYTES.label(8));
    assertEquals("1 GB", ScalingPlot.Unit.BYTES.label(9));
  }

  private static CommandRun loss(Object... more) {
    return bench("loss", Stream.concat(Stream.of(SHORT), Stream.of(more)).toArray());
  }

  private static CommandRun train(Object... more) {
    Object[] fixed = {"--model", sandbox.model(), "--max-length", 12, "--repetitions", 1};
    return bench("train", Stream.concat(Stream.of(fixed), Stream.of(more)).toArray());
  }

  private static CommandRun bench(String what, Object... more) {
    return Sandbox.run("bench", Stream.concat(Stream.of(what), Stream.of(more)).toArray());
  }

  /** The cells of the table, which stand at least two blanks from each other. */
  private static List<List<String>> rows(String table) {
    return table.lines().map(line -> List.of(line.strip().split(" {2,}"))).toList();
  }

  private static List<String> column(List<List<String>> rows, int column) {
    return rows.stream().skip(1).map(row -> row.get(column)).toList();
  }

  private static double number(String cell) {
    return Double.parseDouble(cell.replace(",", ""));
  }

  private static Set<String> names(Path at) throws IOException {
    try (Stream<Path> files = Files.list(at)) {
      return files.map(file -> file.getFileName().toString()).collect(Collectors.toSet());
    }
  }

  /** Two curves of time and at least one of memory, all of whose points lie within the picture. */
  private static void checkPlot(Path file, int points) throws Exception {
    Document plot = DocumentBuilderFactory.newInstance().newDocumentBuilder().parse(file.toFile());
    double width = Double.parseDouble(plot.getDocumentElement().getAttribute("width"));
    double height = Double.parseDouble(plot.getDocumentElement().getAttribute("height"));
    NodeList curves = plot.getElementsByTagName("polyline");
    assertTrue(curves.getLength() >= 3, "curves: " + curves.getLength());
    for (int i = 0; i < 2; i++) {
      String path = curves.item(i).getAttributes().getNamedItem("points").getNodeValue();
      assertEquals(points, path.split(" ").length, path);
      for (String point : path.split(" ")) {
        String[] place = point.split(",");
        double x = Double.parseDouble(place[0]);
        double y = Double.parseDouble(place[1]);
        assertTrue(x > 0 && x < width && y > 0 && y < height, path);
      }
    }
    assertFalse(Files.readString(file).contains("NaN"));
  }
}
