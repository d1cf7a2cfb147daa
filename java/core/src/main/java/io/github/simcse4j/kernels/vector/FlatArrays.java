package io.github.simcse4j.kernels.vector;

/**
 * Element-wise work on flat arrays of one length, in chunks. A kernel sees whole vectors only: what
 * is left at the end goes through a vector of scratch, so that no kernel needs a second body for
 * it.
 */
final class FlatArrays {

  /** Numbers in a chunk: 64 KB of each array. */
  static final int CHUNK = 1 << 14;

  /** Work on {@code count} numbers, a multiple of the vector, of the arrays at these addresses. */
  interface Kernel {
    void run(long[] at, int count);
  }

  private FlatArrays() {}

  /**
   * Runs the kernel over all chunks.
   *
   * @param outputs how many of the arrays, the first ones, the kernel writes
   */
  static void run(
      WorkerPool pool, Scratch scratch, long count, int outputs, Kernel kernel, long... arrays) {
    int chunks = Math.toIntExact(Math.ceilDiv(count, CHUNK));
    pool.run(
        chunks,
        (chunk, worker) -> {
          long from = (long) chunk * CHUNK;
          int numbers = (int) Math.min(CHUNK, count - from);
          int whole = numbers & -Floats.LANES;
          kernel.run(moved(arrays, from), whole);
          if (whole < numbers) {
            long rest = scratch.ofWorker(worker, (long) arrays.length * Floats.LANES);
            runRest(moved(arrays, from + whole), numbers - whole, outputs, kernel, rest);
          }
        });
  }

  private static void runRest(long[] arrays, int count, int outputs, Kernel kernel, long scratch) {
    long[] copies = new long[arrays.length];
    Floats.zero(scratch, (long) arrays.length * Floats.LANES);
    for (int i = 0; i < arrays.length; i++) {
      copies[i] = Floats.at(scratch, (long) i * Floats.LANES);
      Floats.copy(arrays[i], copies[i], count);
    }
    kernel.run(copies, Floats.LANES);
    for (int i = 0; i < outputs; i++) {
      Floats.copy(copies[i], arrays[i], count);
    }
  }

  private static long[] moved(long[] arrays, long numbers) {
    long[] moved = new long[arrays.length];
    for (int i = 0; i < arrays.length; i++) {
      moved[i] = Floats.at(arrays[i], numbers);
    }
    return moved;
  }
}
