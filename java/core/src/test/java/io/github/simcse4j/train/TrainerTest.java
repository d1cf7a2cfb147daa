package io.github.simcse4j.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.simcse4j.data.Columns;
import io.github.simcse4j.files.InputException;
import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.kernels.vector.VectorKernels;
import io.github.simcse4j.model.Pooler;
import io.github.simcse4j.objective.ContrastiveOptions;
import io.github.simcse4j.tensor.DType;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The training loop on the quickstart's files. */
class TrainerTest {

  @TempDir static Path folder;

  private static Quickstart quickstart;

  @BeforeAll
  static void makeFiles() throws IOException {
    try (Kernels kernels = new VectorKernels(1)) {
      quickstart = Quickstart.make(folder.resolve("quickstart"), 3, kernels);
    }
  }

  /** A few steps with every setting that could hide a difference. */
  private static TrainConfig config(int steps, int accumulation, long evalSteps, long seed) {
    return new TrainConfig(
        16,
        accumulation,
        1,
        steps,
        1e-3,
        2,
        0.01,
        1,
        16,
        0.05f,
        0,
        ContrastiveOptions.PUBLISHED,
        Pooler.CLS,
        true,
        0.9,
        evalSteps,
        true,
        true,
        true,
        seed);
  }

  private record Outcome(byte[] weights, List<TrainListener.Step> steps, TrainSummary summary) {}

  private static Outcome train(
      TrainConfig config, int threads, Path train, List<String> dev, String name) {
    Path out = folder.resolve(name);
    Training.Files files =
        new Training.Files(quickstart.start(), List.of(train), Columns.all(), null, dev, out, 0);
    List<TrainListener.Step> steps = new ArrayList<>();
    TrainListener collector =
        new TrainListener() {
          @Override
          public void onStep(Step step) {
            steps.add(step);
          }
        };
    try (Kernels kernels = new VectorKernels(threads);
        Training training = new Training(files, config, kernels, DType.F32)) {
      TrainSummary summary = training.run(List.of(collector));
      return new Outcome(Files.readAllBytes(out.resolve("model.safetensors")), steps, summary);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Test
  void equalSeedsGiveEqualBytesOnOneThreadAndOnTwo() {
    Path train = quickstart.sentences();
    Outcome once = train(config(6, 2, 0, 9), 1, train, List.of(), "once");
    Outcome again = train(config(6, 2, 0, 9), 1, train, List.of(), "again");
    Outcome threads = train(config(6, 2, 0, 9), 2, train, List.of(), "threads");
    Outcome other = train(config(6, 2, 0, 10), 1, train, List.of(), "other");
    assertArrayEquals(once.weights, again.weights);
    assertArrayEquals(once.weights, threads.weights);
    for (int step = 0; step < 6; step++) {
      assertEquals(once.steps.get(step).loss(), threads.steps.get(step).loss());
      assertEquals(once.steps.get(step).gradNorm(), threads.steps.get(step).gradNorm());
    }
    assertFalse(Arrays.equals(once.weights, other.weights));
  }

  @Test
  void stepsAndSentencesAreCounted() {
    Outcome outcome = train(config(5, 3, 0, 1), 2, quickstart.sentences(), List.of(), "counts");
    assertEquals(5, outcome.summary.steps());
    assertEquals(5 * 3 * 16, outcome.summary.sentences());
    assertEquals(5, outcome.summary.bestStep(), "the last weights are kept without dev pairs");
    assertEquals(0, outcome.steps.get(0).learningRate(), "the warm-up starts at 0");
    assertEquals(1e-3, outcome.steps.get(2).learningRate(), 1e-12);
    assertTrue(outcome.summary.tokensPerSecond() > 0);
  }

  @Test
  void theBestWeightsAreKept() throws IOException {
    Outcome outcome =
        train(config(9, 1, 3, 1), 2, quickstart.sentences(), List.of(quickstart.pairs()), "best");
    assertTrue(outcome.summary.bestStep() % 3 == 0, "evaluated every three steps");
    assertTrue(Math.abs(outcome.summary.bestSpearman()) <= 1);
    // The linear layer served in training alone, so that the written model pools without it.
    assertFalse(Files.exists(folder.resolve("best").resolve("2_Dense")));
  }

  @Test
  void pairsAndTriplesLowerTheirLoss() throws IOException {
    List<String> lines = Files.readAllLines(quickstart.sentences());
    StringBuilder pairs = new StringBuilder("left\tright\n");
    StringBuilder triples = new StringBuilder("left\tright\tnegative\n");
    for (int i = 0; i + 1 < 400; i++) {
      String line = lines.get(i);
      pairs.append(line).append('\t').append(line).append('\n');
      triples.append(line).append('\t').append(line).append('\t').append(lines.get(i + 1));
      triples.append('\n');
    }
    for (StringBuilder table : List.of(pairs, triples)) {
      Path file = folder.resolve(table.length() + ".tsv");
      Files.writeString(file, table);
      Outcome outcome = train(config(24, 1, 0, 1), 2, file, List.of(), "table" + table.length());
      double first =
          outcome.steps.subList(0, 4).stream().mapToDouble(s -> s.loss()).average().orElseThrow();
      double last =
          outcome.steps.subList(20, 24).stream().mapToDouble(s -> s.loss()).average().orElseThrow();
      assertTrue(last < first, "loss went from " + first + " to " + last);
    }
  }

  @Test
  void faultsAreFoundBeforeTheWork() {
    Path train = quickstart.sentences();
    Path file = folder.resolve("not-a-model");
    InputException length =
        assertThrows(
            InputException.class,
            () ->
                train(
                    new TrainConfig(
                        16,
                        1,
                        1,
                        1,
                        1e-3,
                        0,
                        0,
                        1,
                        65,
                        0.05f,
                        0,
                        ContrastiveOptions.PUBLISHED,
                        Pooler.AVG,
                        false,
                        0.9,
                        0,
                        true,
                        true,
                        false,
                        1),
                    1,
                    train,
                    List.of(),
                    "long"));
    assertTrue(length.getMessage().contains("64 positions"), length.getMessage());
    InputException batch =
        assertThrows(
            InputException.class,
            () ->
                train(
                    new TrainConfig(
                        100_000,
                        1,
                        1,
                        1,
                        1e-3,
                        0,
                        0,
                        1,
                        16,
                        0.05f,
                        0,
                        ContrastiveOptions.PUBLISHED,
                        Pooler.AVG,
                        false,
                        0.9,
                        0,
                        true,
                        true,
                        false,
                        1),
                    1,
                    train,
                    List.of(),
                    "batch"));
    assertTrue(batch.getMessage().contains("100000"), batch.getMessage());
    assertFalse(Files.exists(folder.resolve("long")));
    assertFalse(Files.exists(file));
  }

  @Test
  void settingsOutOfRangeNameTheirOption() {
    InputException fault =
        assertThrows(
            InputException.class,
            () ->
                new TrainConfig(
                    16,
                    1,
                    1,
                    1,
                    1e-3,
                    0,
                    0,
                    1,
                    16,
                    0f,
                    0,
                    ContrastiveOptions.PUBLISHED,
                    Pooler.AVG,
                    false,
                    0.9,
                    0,
                    true,
                    true,
                    false,
                    1));
    assertTrue(fault.getMessage().startsWith("--temperature"), fault.getMessage());
  }
}
