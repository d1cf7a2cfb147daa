package io.github.simcse4j.kernels.vector;

/**
 * Rows in chunks of a fixed number, one task each: what is summed over a chunk does not depend on
 * how many threads there are.
 */
final class RowChunks {

  /** Large enough that partial sums over a chunk are a small part of the traffic. */
  static final int ROWS = 32;

  /** Numbers that one thread is through with before another is awake. */
  static final int SERIAL = 1 << 14;

  /** One chunk's work on rows {@code first} (inclusive) to {@code end} (exclusive). */
  interface Body {
    void run(int first, int end, int chunk, int worker);
  }

  private RowChunks() {}

  static int count(int rows) {
    return Math.ceilDiv(rows, ROWS);
  }

  /**
   * Runs the body on every chunk.
   *
   * @param columns numbers in a row, by which small work is told from large
   */
  static void run(WorkerPool pool, int rows, int columns, Body body) {
    int chunks = count(rows);
    pool.run(
        chunks,
        (long) rows * columns < SERIAL ? chunks : 1,
        (chunk, worker) -> {
          int first = chunk * ROWS;
          body.run(first, Math.min(first + ROWS, rows), chunk, worker);
        });
  }
}
