package io.github.simcse4j.kernels.vector;

import static io.github.simcse4j.kernels.vector.Floats.at;
import static io.github.simcse4j.kernels.vector.MicroKernel.COLUMNS;
import static io.github.simcse4j.kernels.vector.MicroKernel.ROWS;

import io.github.simcse4j.kernels.GemmEpilogue;

/**
 * The cosines of one side's units with the other's, a block at a time: the rows of one task against
 * {@link #WIDTH} columns. Both sides are packed once, whole.
 *
 * @param left panels of the rows' units
 * @param right panels of the columns' units
 * @param rightByColumn panels of the columns' units for products with gradients of a block, or 0
 */
record LogitBlocks(UnitRows rows, UnitRows columns, long left, long right, long rightByColumn) {

  /**
   * Columns of a block: with their panels they stay in the second-level cache for a task's rows.
   */
  static final int WIDTH = 8 * COLUMNS;

  private static final int PACK = 8;

  /** Numbers of scratch for all panels. */
  static long scratch(int rows, int columns, int hidden) {
    return Panels.size(hidden, ROWS, rows)
        + Panels.size(hidden, COLUMNS, columns)
        + Math.ceilDiv(columns, WIDTH) * Panels.size(WIDTH, COLUMNS, hidden);
  }

  /** Rows of a task; more where there are many, so that a block of columns is read less often. */
  int taskRows() {
    return rows.count() <= 1024 ? ROWS : 8 * ROWS;
  }

  int tasks() {
    return Math.ceilDiv(rows.count(), taskRows());
  }

  /** All tasks at once where the whole is too small to share. */
  int grain(int tasks) {
    return (long) rows.count() * columns.count() * rows.hidden() < VectorGemm.SERIAL ? tasks : 1;
  }

  /** Columns of the block that starts at {@code column}. */
  int width(int column) {
    return Math.min(WIDTH, columns.count() - column);
  }

  void pack(WorkerPool pool, Scratch scratch) {
    int hidden = rows.hidden();
    int leftTasks = Math.ceilDiv(rows.count(), PACK * ROWS);
    int rightTasks = Math.ceilDiv(columns.count(), WIDTH);
    pool.run(
        leftTasks + rightTasks,
        grain(leftTasks + rightTasks),
        (index, worker) -> {
          long work = scratch.ofWorker(worker, Panels.ROWS_SCRATCH);
          if (index < leftTasks) {
            int row = index * PACK * ROWS;
            int count = Math.min(PACK * ROWS, rows.count() - row);
            long to = at(left, index * PACK * Panels.size(hidden, ROWS));
            Panels.packRows(rows.unit(row), hidden, count, hidden, ROWS, to, work);
          } else {
            int block = index - leftTasks;
            int column = block * WIDTH;
            long from = columns.unit(column);
            long to = at(right, block * Panels.size(hidden, COLUMNS, WIDTH));
            Panels.packRows(from, hidden, width(column), hidden, COLUMNS, to, work);
            if (rightByColumn != 0) {
              Panels.packColumns(
                  from, hidden, hidden, width(column), COLUMNS, blockByColumn(column));
            }
          }
        });
  }

  private long blockByColumn(int column) {
    return at(rightByColumn, column / WIDTH * Panels.size(WIDTH, COLUMNS, rows.hidden()));
  }

  /** Writes the cosines of ROWS rows with a block of columns, WIDTH numbers a row. */
  void cosines(int row, int column, long out) {
    int hidden = rows.hidden();
    MicroKernel.product(
        at(left, row / ROWS * Panels.size(hidden, ROWS)),
        ROWS,
        at(right, column / COLUMNS * Panels.size(hidden, COLUMNS)),
        width(column),
        hidden,
        out,
        WIDTH);
  }

  /**
   * Adds the product of a block of gradients with the columns' units to the gradients of the rows;
   * the first block overwrites them.
   *
   * @param dUnits (count, hidden) of the rows
   * @param work {@link #productScratch} numbers
   */
  void addProduct(LogitBlock block, long dUnits, long work) {
    int hidden = rows.hidden();
    int depth = block.columns();
    long tile = at(work, Panels.size(WIDTH, ROWS));
    Panels.packRows(
        block.numbers(), WIDTH, block.rows(), depth, ROWS, work, at(tile, ROWS * COLUMNS));
    TileWriter writer = new TileWriter(dUnits, hidden, GemmEpilogue.Kind.STORE, 0, 0, 0);
    long panel = blockByColumn(block.column());
    for (int c = 0; c < hidden; c += COLUMNS) {
      int width = Math.min(COLUMNS, hidden - c);
      TileWriter.Place place =
          new TileWriter.Place(block.row(), c, block.rows(), width, block.column() == 0, false);
      writer.compute(work, panel, depth, place, tile);
      panel = at(panel, Panels.size(depth, COLUMNS));
    }
  }

  /** Numbers of scratch for {@link #addProduct}. */
  static long productScratch() {
    return Panels.size(WIDTH, ROWS) + ROWS * COLUMNS + Panels.ROWS_SCRATCH;
  }
}
