package io.github.simcse4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Plans, and trainings whose batches are cut into chunks. */
final class LargeBatchTest {

  private static final int BATCH = 12;

  @TempDir private static Path shared;
  private static Sandbox sandbox;

  @TempDir private Path folder;

  @BeforeAll
  static void make() throws IOException {
    sandbox = Sandbox.make(shared);
  }

  private static List<String> plan(Object... more) {
    Object[] fixed = {"--model", sandbox.model(), "--max-length", 12};
    Object[] all = Stream.concat(Stream.of(fixed), Stream.of(more)).toArray();
    CommandRun run = Sandbox.run("plan", all).succeeded();
    assertTrue(run.err().startsWith("kernels: reference on cpu"), run.err());
    List<String> lines = run.out().lines().toList();
    String[] starts = {
      "weights ", "optimiser ", "embeddings and loss ", "activations ", "--activations ", "total "
    };
    assertEquals(starts.length, lines.size(), run.out());
    for (int i = 0; i < starts.length; i++) {
      assertTrue(lines.get(i).startsWith(starts[i]), lines.get(i));
      assertTrue(lines.get(i).length() < 80, lines.get(i));
    }
    return lines;
  }

  @Test
  void aPlanIsSixLines() {
    List<String> small = plan("--batch-size", 64);
    assertTrue(small.get(3).endsWith("all 1,536 tokens in one chunk"), small.get(3));
    assertTrue(small.get(5).endsWith(" GB, 80 % of what is free"), small.get(5));
    List<String> large =
        plan("--batch-size", 1 << 20, "--memory", 6, "--mean-length", 8, "--columns", 3);
    assertTrue(large.get(2).endsWith("3,145,728 x 128 with their gradient"), large.get(2));
    assertTrue(large.get(3).contains("8,192 tokens a chunk, 3,072 chunks, "), large.get(3));
    assertTrue(large.get(5).endsWith("of 6.00 GB, as --memory says"), large.get(5));
  }

  @Test
  void aPlanCountsTheOptionsOfTheLossAndKeepsWhatItIsTold() {
    int batch = 1 << 20;
    List<String> published = plan("--batch-size", batch, "--memory", 6, "--mean-length", 8);
    List<String> options =
        plan(
            "--batch-size",
            batch,
            "--memory",
            6,
            "--mean-length",
            8,
            "--both-directions",
            "--mask-duplicates",
            "--max-kept-chunks",
            2);
    // 8 bytes for each id of 2 N sentences, 4 for each log-sum-exp of N keys.
    assertEquals(batch * 20 / 1e9, gigabytes(options.get(2)) - gigabytes(published.get(2)), 0.01);
    assertTrue(options.get(3).endsWith(" chunks, 2 kept"), options.get(3));
    assertFalse(published.get(3).endsWith(" chunks, 2 kept"), published.get(3));
  }

  @Test
  void aPlanSaysWhatIsKeptOfAChunk() {
    List<String> auto = plan("--batch-size", 64);
    List<String> keep = plan("--batch-size", 64, "--activations", "keep");
    List<String> replay = plan("--batch-size", 64, "--activations", "replay");
    assertEquals(replay.subList(0, 5), auto.subList(0, 5));
    String kept = keep.get(3).replaceAll("activations +([0-9.]+ MB) .*", "$1");
    String replayed = replay.get(3).replaceAll("activations +([0-9.]+ MB) .*", "$1");
    assertTrue(keep.get(4).endsWith("keep  all are kept; replay takes " + replayed));
    assertTrue(replay.get(4).endsWith("replay  some computed again; keep takes " + kept));
  }

  private static double gigabytes(String line) {
    return Double.parseDouble(line.replaceAll(".* ([0-9.]+) GB .*", "$1"));
  }

  @Test
  void aPlanForAFileCountsItsTokens() throws IOException {
    List<String> plan = plan("--batch-size", BATCH, "--train", sandbox.text());
    String tokens = plan.get(3).replaceAll(".* all ([0-9,]+) tokens .*", "$1");
    int counted = Integer.parseInt(tokens);
    assertTrue(counted > 2 * BATCH * 3 && counted <= 2 * BATCH * 12, plan.get(3));
    CommandRun larger =
        Sandbox.run(
            "plan", "--model", sandbox.model(), "--batch-size", 13, "--train", sandbox.text());
    larger.refused("--batch-size 13 is larger than the 12 sentences", "text.txt");
  }

  @Test
  void trainingInChunksShowsThePlanAndLearnsTheSame() throws IOException {
    Path metrics = folder.resolve("metrics.jsonl");
    Path out = folder.resolve("out");
    CommandRun whole = train("whole");
    assertFalse(whole.err().contains("activations"), whole.err());
    CommandRun kept = train("kept", "--activations", "keep");
    assertEquals(loss(whole), loss(kept));
    CommandRun cut = train("out", "--max-tokens-per-chunk", 30, "--metrics", metrics);
    assertTrue(cut.err().contains("\nactivations "), cut.err());
    assertTrue(cut.err().contains(" chunks of 30 tokens"), cut.err());
    assertEquals(loss(whole), loss(cut), 1e-4);
    CommandRun replayed = train("replayed", "--max-tokens-per-chunk", 30, "--max-kept-chunks", 1);
    assertTrue(replayed.err().contains(" chunks, 1 kept\n"), replayed.err());
    assertEquals(
        -1,
        Files.mismatch(
            out.resolve("model.safetensors"), folder.resolve("replayed/model.safetensors")));
    List<String> lines = Files.readAllLines(metrics);
    assertTrue(lines.get(1).contains("\"tokensPerChunk\":30"), lines.get(1));
    assertFalse(lines.get(1).contains("\"chunks\":1,"), lines.get(1));
    assertTrue(Files.exists(out.resolve("model.safetensors")));
    Object[] few = {"--max-tokens-per-chunk", 5};
    Sandbox.train(sandbox.model(), sandbox.text(), folder.resolve("none"), few)
        .refused("--max-tokens-per-chunk 5 is smaller than the longest sentence of");
    assertFalse(Files.exists(folder.resolve("none")));
  }

  private CommandRun train(String name, Object... more) {
    Object[] all = Stream.concat(Stream.of("--batch-size", BATCH), Stream.of(more)).toArray();
    return CommandRun.of(
            Stream.of(
                    Stream.of("train", "--model", sandbox.model(), "--train", sandbox.text()),
                    Stream.of("--out", folder.resolve(name), "--max-steps", 1),
                    Stream.of("--max-length", 12, "--kernels", "reference"),
                    Stream.of(all))
                .flatMap(part -> part)
                .map(Object::toString)
                .toArray(String[]::new))
        .succeeded();
  }

  private static double loss(CommandRun run) {
    return Double.parseDouble(run.out().replaceAll("(?s).*last loss ([0-9.]+).*", "$1"));
  }
}
