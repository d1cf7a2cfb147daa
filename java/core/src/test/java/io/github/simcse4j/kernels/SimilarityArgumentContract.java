package io.github.simcse4j.kernels;

import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A wrong argument of the contrastive loss is refused by name before anything is written. */
interface SimilarityArgumentContract extends KernelsContract {

  @Test
  default void similarityRefusesOtherShapes() {
    String operation = "similarity_softmax_forward";
    refuse(operation, "keys", f -> similarity(f, f.activations(4, 7), Contrast.inBatch(1), 0));
    refuse(operation, "keyNorm", f -> similarity(f, f.activations(5, 8), Contrast.inBatch(1), 0));
    refuse(
        operation,
        "hard negatives",
        f -> similarity(f, f.activations(4, 8), Contrast.inBatch(1).withOwnNegatives(4, 1), 0));
  }

  @ParameterizedTest
  @ValueSource(ints = {-1, 4, Integer.MAX_VALUE})
  default void similarityRefusesTargetsThatAreNoKeys(int target) {
    if (!checksContent()) {
      return;
    }
    refuse(
        "similarity_softmax_forward",
        "targets[1]",
        f -> similarity(f, f.activations(4, 8), Contrast.inBatch(1), target));
  }

  @Test
  default void similarityRefusesOptionsWithoutTheirTensors() {
    Contrast both = Contrast.inBatch(1).withBothDirections();
    for (boolean backward : new boolean[] {false, true}) {
      String operation = "similarity_softmax_" + (backward ? "backward" : "forward");
      refuse(
          operation, "keyLse", f -> options(f, 4, 0, both, ids(f, 2), ids(f, 4), null, backward));
      refuse(
          operation,
          "keyLse",
          f -> options(f, 4, 0, both, null, null, f.output(f.accumulator(), 2), backward));
      refuse(
          operation,
          "queryIds",
          f -> options(f, 4, 0, Contrast.inBatch(1), ids(f, 4), ids(f, 4), null, backward));
      refuse(
          operation,
          "keyIds",
          f -> options(f, 4, 0, Contrast.inBatch(1), ids(f, 2), ids(f, 2), null, backward));
      refuse(
          operation,
          "keyIds",
          f -> options(f, 4, 0, Contrast.inBatch(1), ids(f, 2), null, null, backward));
      refuse(
          operation,
          "queryIds",
          f -> options(f, 4, 0, Contrast.inBatch(1), null, ids(f, 4), null, backward));
      refuse(
          operation,
          "both directions",
          f -> options(f, 1, 0, both, null, null, f.output(f.accumulator(), 1), backward));
    }
  }

  @Test
  default void similarityRefusesEqualTargetsInBothDirections() {
    if (!checksContent()) {
      return;
    }
    Contrast both = Contrast.inBatch(1).withBothDirections();
    for (boolean backward : new boolean[] {false, true}) {
      refuse(
          "similarity_softmax_" + (backward ? "backward" : "forward"),
          "is 3 again",
          f -> options(f, 4, 3, both, null, null, f.output(f.accumulator(), 4), backward));
    }
  }

  private static Tensor ids(KernelsFixture f, int count) {
    return f.input(DType.I64, new double[count], count);
  }

  /** Two queries of 8 channels whose targets are 3 and another. */
  private static void options(
      KernelsFixture f,
      int keys,
      int target,
      Contrast contrast,
      Tensor queryIds,
      Tensor keyIds,
      Tensor keyLse,
      boolean backward) {
    ContrastPairs pairs =
        new ContrastPairs(
            f.activations(2, 8),
            f.activations(keys, 8),
            Batches.integers(f, 3, target),
            queryIds,
            keyIds);
    ContrastStatistics statistics =
        new ContrastStatistics(f.parameters(2), f.parameters(2), f.parameters(keys), keyLse);
    if (backward) {
      f.kernels()
          .similaritySoftmaxBackward(
              pairs, contrast, statistics, 1, f.output(2, 8), f.output(keys, 8));
    } else {
      f.kernels()
          .similaritySoftmaxForward(pairs, contrast, f.output(f.accumulator(), 1), statistics);
    }
  }

  @ParameterizedTest
  @ValueSource(doubles = {Double.NaN, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY})
  default void similarityRefusesVectorsThatHoldNoNumbers(double value) {
    if (!checksContent()) {
      return;
    }
    for (boolean key : new boolean[] {false, true}) {
      refuse(
          "similarity_softmax_forward",
          (key ? "keys" : "queries") + "[3] holds NaN or infinity",
          f -> {
            double[] spoilt = f.normal(40);
            spoilt[3 * 8 + 5] = value;
            Tensor bad = f.input(f.dtype(), spoilt, 5, 8);
            Tensor good = f.activations(5, 8);
            f.kernels()
                .similaritySoftmaxForward(
                    new ContrastPairs(
                        key ? good : bad, key ? bad : good, Batches.integers(f, 0, 1, 2, 3, 4)),
                    Contrast.inBatch(1),
                    f.output(f.accumulator(), 1),
                    new ContrastStatistics(
                        f.output(f.accumulator(), 5),
                        f.output(f.accumulator(), 5),
                        f.output(f.accumulator(), 5)));
          });
    }
  }

  /** Two queries of 8 channels, with statistics for four keys. */
  private static void similarity(KernelsFixture f, Tensor keys, Contrast contrast, int target) {
    f.kernels()
        .similaritySoftmaxForward(
            new ContrastPairs(f.activations(2, 8), keys, Batches.integers(f, 3, target)),
            contrast,
            f.output(f.accumulator(), 1),
            new ContrastStatistics(
                f.output(f.accumulator(), 2),
                f.output(f.accumulator(), 2),
                f.output(f.accumulator(), 4)));
  }
}
