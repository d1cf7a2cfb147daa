package io.github.simcse4j.cli;

import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.kernels.Timeline;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Tensor;
import io.github.simcse4j.tensor.Workspace;

/**
 * The rate at which kernels go through memory, to hold operations against that do little else. It
 * is that of tanh_backward in F32, which every backend has: two arrays are read and one is written,
 * more than caches hold.
 */
final class CopyRate {

  private static final long COUNT = 1 << 24;
  private static final int ARRAYS = 3;
  private static final int REPETITIONS = 5;

  private CopyRate() {}

  /** Measures, in bytes read and written a second: the best of some passes. */
  static double measure(Kernels kernels) {
    long bytes = 2 * Workspace.bytes(DType.F32, COUNT);
    try (Workspace workspace = new Workspace(kernels.allocate(bytes));
        Timeline timeline = kernels.timeline()) {
      Tensor activation = workspace.tensor(DType.F32, COUNT);
      Tensor gradient = workspace.tensor(DType.F32, COUNT);
      double best = Double.POSITIVE_INFINITY;
      for (int i = 0; i < REPETITIONS; i++) {
        timeline.mark();
        kernels.tanhBackward(activation, gradient);
        timeline.mark();
        best = Math.min(best, timeline.seconds()[0]);
      }
      return ARRAYS * COUNT * (double) DType.F32.bytes() / best;
    }
  }

  /** What is measured, in words. */
  static String description() {
    return "tanh_backward of %,d numbers in F32".formatted(COUNT);
  }
}
