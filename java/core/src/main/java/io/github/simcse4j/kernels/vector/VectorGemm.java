package io.github.simcse4j.kernels.vector;

import static io.github.simcse4j.kernels.vector.Floats.address;
import static io.github.simcse4j.kernels.vector.Floats.at;
import static io.github.simcse4j.kernels.vector.MicroKernel.COLUMNS;
import static io.github.simcse4j.kernels.vector.MicroKernel.ROWS;

import io.github.simcse4j.kernels.GemmEpilogue;
import io.github.simcse4j.tensor.Tensor;

/**
 * Matrix product. K is cut into blocks; for each, both operands are packed whole, then tasks over
 * rectangles of the result run the micro-kernel over the panels. An element of the result is added
 * up in order of k by one task at a time, whatever the threads are.
 */
final class VectorGemm {

  /**
   * Largest K block. A panel of A and one of B of this depth are read from the second-level cache
   * beside each other, and the result is read and written once for each block; deeper ones were no
   * faster.
   */
  private static final int DEPTH = 1024;

  /**
   * A task covers at most so many panels of A and of B: with their panels it fits a cache of 1 MB.
   */
  private static final int TASK_ROW_PANELS = 8;

  private static final int TASK_COLUMN_PANELS = 4;
  private static final int PACK_PANELS = 8;

  /**
   * Multiply-adds below which waking other threads costs more than it saves: some 10 microseconds.
   */
  static final long SERIAL = 1 << 19;

  private final WorkerPool pool;
  private final Scratch scratch;

  VectorGemm(WorkerPool pool, Scratch scratch) {
    this.pool = pool;
    this.scratch = scratch;
  }

  /** One side of the product: panels of {@code width} rows or columns of a matrix. */
  private record Operand(long address, long stride, boolean byRows, int extent, int width) {

    int panels() {
      return (extent + width - 1) / width;
    }

    /** Packs panels from {@code first} on, for k from {@code from} on. */
    void pack(int first, int count, int from, int depth, long panels, long work) {
      int start = first * width;
      int part = Math.min(count * width, extent - start);
      long to = at(panels, first * Panels.size(depth, width));
      if (byRows) {
        Panels.packRows(at(address, start * stride + from), stride, part, depth, width, to, work);
      } else {
        Panels.packColumns(at(address, from * stride + start), stride, part, depth, width, to);
      }
    }
  }

  void gemm(
      boolean transposeA, boolean transposeB, Tensor a, Tensor b, Tensor c, GemmEpilogue epilogue) {
    int m = Math.toIntExact(c.extent(0));
    int n = Math.toIntExact(c.extent(1));
    int k = Math.toIntExact(a.extent(transposeA ? 0 : 1));
    Operand left = new Operand(address(a), a.extent(1), !transposeA, m, ROWS);
    Operand right = new Operand(address(b), b.extent(1), transposeB, n, COLUMNS);
    TileWriter writer = TileWriter.of(c, epilogue);
    int blocks = Math.max(1, Math.ceilDiv(k, DEPTH));
    int depth = Floats.padded(Math.ceilDiv(k, blocks));
    boolean serial = (long) m * n * k < SERIAL;
    long rightNumbers = right.panels() * Panels.size(depth, COLUMNS);
    long rightPanels = scratch.shared(rightNumbers + left.panels() * Panels.size(depth, ROWS));
    long leftPanels = at(rightPanels, rightNumbers);
    int from = 0;
    do {
      int part = Math.min(depth, k - from);
      pack(left, leftPanels, right, rightPanels, from, part, serial);
      multiply(
          left, leftPanels, right, rightPanels, part, from == 0, from + part == k, writer, serial);
      from += part;
    } while (from < k);
  }

  private void pack(
      Operand left,
      long leftPanels,
      Operand right,
      long rightPanels,
      int from,
      int depth,
      boolean serial) {
    int leftTasks = Math.ceilDiv(left.panels(), PACK_PANELS);
    int tasks = leftTasks + Math.ceilDiv(right.panels(), PACK_PANELS);
    pool.run(
        tasks,
        serial ? tasks : 1,
        (index, worker) -> {
          boolean isLeft = index < leftTasks;
          Operand operand = isLeft ? left : right;
          int first = (isLeft ? index : index - leftTasks) * PACK_PANELS;
          int count = Math.min(PACK_PANELS, operand.panels() - first);
          long work = scratch.ofWorker(worker, Panels.ROWS_SCRATCH);
          operand.pack(first, count, from, depth, isLeft ? leftPanels : rightPanels, work);
        });
  }

  private void multiply(
      Operand left,
      long leftPanels,
      Operand right,
      long rightPanels,
      int depth,
      boolean first,
      boolean last,
      TileWriter writer,
      boolean serial) {
    int rowTasks = Math.ceilDiv(left.panels(), TASK_ROW_PANELS);
    int columnTasks = Math.ceilDiv(right.panels(), TASK_COLUMN_PANELS);
    int tasks = rowTasks * columnTasks;
    long leftSize = Panels.size(depth, ROWS);
    long rightSize = Panels.size(depth, COLUMNS);
    pool.run(
        tasks,
        serial ? tasks : 1,
        (index, worker) -> {
          long tile = scratch.ofWorker(worker, TileWriter.SCRATCH);
          int firstRow = index / columnTasks * TASK_ROW_PANELS;
          int firstColumn = index % columnTasks * TASK_COLUMN_PANELS;
          int endRow = Math.min(firstRow + TASK_ROW_PANELS, left.panels());
          int endColumn = Math.min(firstColumn + TASK_COLUMN_PANELS, right.panels());
          for (int j = firstColumn; j < endColumn; j++) {
            for (int i = firstRow; i < endRow; i++) {
              TileWriter.Place place =
                  new TileWriter.Place(
                      i * ROWS,
                      j * COLUMNS,
                      Math.min(ROWS, left.extent() - i * ROWS),
                      Math.min(COLUMNS, right.extent() - j * COLUMNS),
                      first,
                      last);
              writer.compute(
                  at(leftPanels, i * leftSize), at(rightPanels, j * rightSize), depth, place, tile);
            }
          }
        });
  }
}
