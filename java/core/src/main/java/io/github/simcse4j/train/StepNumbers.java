package io.github.simcse4j.train;

import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Tensor;
import io.github.simcse4j.tensor.Workspace;

/**
 * The numbers that a training tells of its steps, left where they are computed until somebody reads
 * them: loss and length of the embeddings of every batch, and the norm of the gradients. Asking for
 * them in every step would make a device wait for the host.
 */
final class StepNumbers implements AutoCloseable {

  private final Kernels kernels;
  private final int batches;
  private final Tensor numbers;
  private final Tensor host;

  /**
   * @param steps whose numbers there is room for
   * @param batches most batches of a step
   * @param memory where the device's part is taken from, {@link #bytes} in all
   */
  StepNumbers(Kernels kernels, DType dtype, int steps, int batches, Workspace memory) {
    this.kernels = kernels;
    this.batches = batches;
    this.numbers = memory.tensor(dtype, count(steps, batches));
    this.host = Tensor.host(dtype, count(steps, batches));
  }

  private static long count(int steps, int batches) {
    return steps * (2L * batches + 1);
  }

  /** What they take up where they are computed. */
  static long bytes(DType dtype, int steps, int batches) {
    return Workspace.bytes(dtype, count(steps, batches));
  }

  /** Where the loss of a batch goes (1). */
  Tensor loss(int step, int batch) {
    return one(index(step) + batch);
  }

  /** Where the Euclidean length of all embeddings of a batch goes (1). */
  Tensor embeddingNorm(int step, int batch) {
    return one(index(step) + batches + batch);
  }

  /** Where the norm of the gradients of a step goes (1). */
  Tensor gradientNorm(int step) {
    return one(index(step) + 2L * batches);
  }

  private Tensor one(long index) {
    return numbers.rows(index, index + 1);
  }

  private long index(int step) {
    return step * (2L * batches + 1);
  }

  /** Fetches what was computed so far; waits for it. */
  void read() {
    kernels.download(numbers, host);
  }

  /** The sum of the losses of the first {@code count} batches of a step, as read. */
  double lossSum(int step, int count) {
    return sum(index(step), count);
  }

  /** The sum of the lengths of their embeddings, as read. */
  double embeddingNormSum(int step, int count) {
    return sum(index(step) + batches, count);
  }

  /** The norm of the gradients of a step, as read. */
  double gradientNormOf(int step) {
    return host.get(index(step) + 2L * batches);
  }

  private double sum(long from, int count) {
    double sum = 0;
    for (long i = from; i < from + count; i++) {
      sum += host.get(i);
    }
    return sum;
  }

  @Override
  public void close() {
    host.memory().close();
  }
}
