package io.github.simcse4j.kernels.vector;

/**
 * Rows in chunks of a fixed number, one task each: what is summed over a chunk does not depend on
 * how many threads there are.
 */
final class RowChunks {

  /** Large enough that partial sums over a chunk are a small part of the traffic. */
  static final int ROWS = 32;

  /** One chunk's work on rows {@code first} (inclusive) to {@code end} (exclusive). */
  interface Body {
    void run(int first, int end, int chunk, int worker);
  }

  private RowChunks() {}

  static int count(int rows) {
    return Math.ceilDiv(rows, ROWS);
  }

  static void run(WorkerPool pool, int rows, Body body) {
    pool.run(
        count(rows),
        (chunk, worker) -> {
          int first = chunk * ROWS;
          body.run(first, Math.min(first + ROWS, rows), chunk, worker);
        });
  }
}
