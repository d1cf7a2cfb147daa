package io.github.simcse4j.train;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.simcse4j.encode.SentenceEncoder;
import io.github.simcse4j.eval.Evaluation;
import io.github.simcse4j.eval.ScoredPairs;
import io.github.simcse4j.eval.StsTasks;
import io.github.simcse4j.eval.TaskResult;
import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.kernels.vector.VectorKernels;
import io.github.simcse4j.objective.ContrastiveOptions;
import io.github.simcse4j.tensor.DType;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The promise of the quickstart: the trained encoder is better than the one it started from. */
class QuickstartTest {

  @TempDir Path folder;

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4, 5})
  void trainingMakesTheEncoderBetter(long seed) throws IOException {
    try (Kernels kernels = new VectorKernels(2)) {
      Quickstart quickstart = Quickstart.make(folder, seed, kernels);
      ScoredPairs pairs = StsTasks.readOne(quickstart.pairs());
      TaskResult before = evaluate(quickstart.start(), pairs, kernels);
      try (Training training = quickstart.training(quickstart.config(), kernels, DType.F32)) {
        training.run(List.of());
      }
      TaskResult after = evaluate(quickstart.trained(), pairs, kernels);
      String scores =
          "seed " + seed + ": Spearman " + before.spearman() + " to " + after.spearman();
      assertTrue(after.spearman() > before.spearman() + 0.05, scores);
      assertTrue(after.uniformity() < before.uniformity(), scores);
    }
  }

  /** NT-Xent, with what looks like a false negative left out. */
  @Test
  void anotherLossMakesItBetterToo() throws IOException {
    try (Kernels kernels = new VectorKernels(2)) {
      Quickstart quickstart = Quickstart.make(folder, 1, kernels);
      ScoredPairs pairs = StsTasks.readOne(quickstart.pairs());
      TaskResult before = evaluate(quickstart.start(), pairs, kernels);
      ContrastiveOptions ntXent = new ContrastiveOptions(true, true, false, 0.3f);
      TrainConfig config = quickstart.config().withLossOptions(ntXent);
      List<Double> losses = new ArrayList<>();
      TrainListener collector =
          new TrainListener() {
            @Override
            public void onStep(Step step) {
              losses.add(step.loss());
            }
          };
      try (Training training = quickstart.training(config, kernels, DType.F32)) {
        training.run(List.of(collector));
      }
      TaskResult after = evaluate(quickstart.trained(), pairs, kernels);
      String scores = "Spearman " + before.spearman() + " to " + after.spearman();
      assertTrue(after.spearman() > before.spearman() + 0.05, scores);
      assertTrue(after.uniformity() < before.uniformity(), scores);
      assertTrue(losses.getLast() < losses.getFirst(), losses.toString());
    }
  }

  private static TaskResult evaluate(Path model, ScoredPairs pairs, Kernels kernels) {
    try (SentenceEncoder encoder = SentenceEncoder.load(model, null, 0, kernels)) {
      return Evaluation.run(pairs, encoder::encode);
    }
  }
}
