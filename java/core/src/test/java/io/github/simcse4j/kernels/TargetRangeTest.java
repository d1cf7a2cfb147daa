package io.github.simcse4j.kernels;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Tensor;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** A target that is no key's column is found before anything is computed with it. */
class TargetRangeTest {

  private static final int QUERIES = 3;
  private static final int KEYS = 5;

  static Stream<Kernels> backends() {
    return UsableKernels.of(DType.F32);
  }

  @ParameterizedTest
  @MethodSource("backends")
  void aTargetOutOfRangeIsRefusedByItsIndex(Kernels kernels) {
    try (kernels) {
      for (int target : new int[] {-1, KEYS, Integer.MIN_VALUE, Integer.MAX_VALUE}) {
        Tensor targets = Tensor.host(DType.I32, QUERIES);
        targets.set(1, target);
        ContrastStatistics statistics =
            new ContrastStatistics(floats(QUERIES), floats(QUERIES), floats(KEYS));
        Contrast contrast = Contrast.inBatch(0.05f);
        Tensor queries = floats(QUERIES, 4);
        Tensor keys = floats(KEYS, 4);
        refuses(
            target,
            () ->
                kernels.similaritySoftmaxForward(
                    new ContrastPairs(queries, keys, targets), contrast, floats(1), statistics));
        refuses(
            target,
            () ->
                kernels.similaritySoftmaxBackward(
                    new ContrastPairs(queries, keys, targets),
                    contrast,
                    statistics,
                    1f,
                    floats(QUERIES, 4),
                    floats(KEYS, 4)));
      }
    }
  }

  private static Tensor floats(long... extents) {
    return Tensor.host(DType.F32, extents);
  }

  private static void refuses(int target, Runnable call) {
    String message = assertThrows(IllegalArgumentException.class, call::run).getMessage();
    assertTrue(message.contains("targets[1] is " + target), message);
  }
}
