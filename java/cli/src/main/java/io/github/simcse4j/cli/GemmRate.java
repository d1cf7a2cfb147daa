package io.github.simcse4j.cli;

import io.github.simcse4j.kernels.GemmEpilogue;
import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Tensor;
import io.github.simcse4j.tensor.Workspace;

/**
 * The rate of one matrix product, (S, H) by (H, S), to hold the rates of other operations against:
 * S is large enough that a product takes a while, and is found by trying.
 */
final class GemmRate implements AutoCloseable {

  private static final long SMALLEST = 256;
  private static final long LARGEST = 8192;
  private static final double LONG_ENOUGH = 0.01;
  private static final double WARM_UP = 0.5;
  private static final int MOST_CALLS = 256;

  private final Kernels kernels;
  private final DType dtype;
  private final long hidden;
  private Workspace workspace;
  private Tensor left;
  private Tensor right;
  private Tensor product;
  private int calls = 1;

  /**
   * @param hidden H
   * @param seconds most to spend on warming up
   */
  GemmRate(Kernels kernels, DType dtype, long hidden, double seconds) {
    this.kernels = kernels;
    this.dtype = dtype;
    this.hidden = hidden;
    long side = SMALLEST;
    take(side);
    BenchClock.settle(this::seconds, WARM_UP, seconds);
    while (best() < LONG_ENOUGH && side < LARGEST) {
      side *= 2;
      close();
      take(side);
    }
    while (best() < LONG_ENOUGH && calls < MOST_CALLS) {
      calls *= 2;
    }
  }

  private void take(long side) {
    long bytes = 2 * Workspace.bytes(dtype, side * hidden) + Workspace.bytes(dtype, side * side);
    workspace = new Workspace(kernels.allocate(bytes));
    left = workspace.tensor(dtype, side, hidden);
    right = workspace.tensor(dtype, side, hidden);
    product = workspace.tensor(dtype, side, side);
    RandomNumbers.fill(kernels, left, 1);
    RandomNumbers.fill(kernels, right, 2);
  }

  private double best() {
    return Math.min(seconds(), Math.min(seconds(), seconds()));
  }

  private double seconds() {
    kernels.synchronize();
    long start = System.nanoTime();
    for (int i = 0; i < calls; i++) {
      kernels.gemm(false, true, left, right, product, GemmEpilogue.STORE);
    }
    kernels.synchronize();
    return Math.max(1, System.nanoTime() - start) * 1e-9;
  }

  /** Measures once, in FLOP/s. */
  double measure() {
    return 2.0 * product.elements() * hidden * calls / seconds();
  }

  /** What is measured, in words. */
  String description() {
    long side = product.extent(0);
    return "(%d x %d) (%d x %d)".formatted(side, hidden, hidden, side);
  }

  @Override
  public void close() {
    workspace.close();
  }
}
