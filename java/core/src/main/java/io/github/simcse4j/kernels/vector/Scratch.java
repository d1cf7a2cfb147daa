package io.github.simcse4j.kernels.vector;

import io.github.simcse4j.tensor.HostMemory;

/**
 * Memory that operations work in: one block for a whole call and one for each worker. It lives as
 * long as the backend and only grows, so that a training step allocates nothing once it has seen
 * its largest batch. A block's content is whatever was left there.
 */
final class Scratch implements AutoCloseable {

  private final HostMemory[] blocks;

  Scratch(int workers) {
    blocks = new HostMemory[workers + 1];
  }

  /** Memory of the whole call, until the next call of this method. */
  long shared(long floats) {
    return block(blocks.length - 1, floats);
  }

  /** Memory of one worker, until that worker's next call of this method. */
  long ofWorker(int worker, long floats) {
    return block(worker, floats);
  }

  /** A count of floats rounded up so that what follows starts on a cache line. */
  static long aligned(long floats) {
    int line = HostMemory.ALIGNMENT / Float.BYTES;
    return (floats + line - 1) & -line;
  }

  private long block(int index, long floats) {
    long bytes = floats * Float.BYTES;
    HostMemory block = blocks[index];
    if (block == null || block.byteSize() < bytes) {
      close(index);
      block = HostMemory.allocate(bytes + bytes / 8);
      blocks[index] = block;
    }
    return block.segment().address();
  }

  private void close(int index) {
    if (blocks[index] != null) {
      blocks[index].close();
      blocks[index] = null;
    }
  }

  @Override
  public void close() {
    for (int index = 0; index < blocks.length; index++) {
      close(index);
    }
  }
}
