package io.github.simcse4j.kernels.vector;

import static io.github.simcse4j.kernels.vector.Floats.LANES;
import static io.github.simcse4j.kernels.vector.Floats.at;
import static io.github.simcse4j.kernels.vector.MicroKernel.COLUMNS;
import static io.github.simcse4j.kernels.vector.MicroKernel.ROWS;

import io.github.simcse4j.kernels.Contrast;
import io.github.simcse4j.kernels.GemmEpilogue;

/**
 * The logits of two sides, or of one with itself, a block at a time, and the products of a block
 * with the vectors of its rows and columns. Panels are packed anew for every block: that is a
 * hundredth of the products' work, and keeps memory to that of one block. Of a side with itself
 * each pair is met once, but for blocks on the diagonal.
 *
 * @param numbers of the block
 * @param left panels of the rows' vectors forward; backward panels of them for products with
 *     weights
 * @param right panels of the columns' vectors
 * @param rightByColumn panels of the columns' vectors for products with weights, or 0 forward
 */
record LogitBlocks(
    WorkerPool pool,
    Scratch scratch,
    Contrast contrast,
    int hidden,
    long numbers,
    long left,
    long right,
    long rightByColumn) {

  /** Columns of a block at most: with their panels they stay in the second-level cache. */
  private static final int MOST_COLUMNS = 8 * COLUMNS;

  /** Rows of a block at most: with more, columns are packed less often and take up more memory. */
  private static final int MOST_ROWS = 4 * MOST_COLUMNS;

  /** Panels of rows or columns of a task at most. */
  private static final int TASK_PANELS = 4;

  /** Tasks that keep a thread from waiting for the others. */
  private static final int TASKS_A_THREAD = 4;

  /** Channels that one task packs. */
  private static final int STRIP = 4 * COLUMNS;

  /** What is done with a block. */
  interface Body {
    void run(LogitBlock block);
  }

  /** Numbers of scratch for panels and the block, of sides with at most so many vectors. */
  static long scratch(int rows, int columns, int hidden, boolean gradients) {
    return numbersSize(rows, columns)
        + leftSize(rows, hidden, gradients)
        + rightSize(columns, hidden)
        + (gradients ? byColumnSize(columns, hidden) : 0);
  }

  /** Blocks whose scratch starts at {@code base}. */
  static LogitBlocks in(
      long base,
      WorkerPool pool,
      Scratch scratch,
      Contrast contrast,
      int rows,
      int columns,
      int hidden,
      boolean gradients) {
    long left = at(base, numbersSize(rows, columns));
    long right = at(left, leftSize(rows, hidden, gradients));
    long byColumn = gradients ? at(right, rightSize(columns, hidden)) : 0;
    return new LogitBlocks(pool, scratch, contrast, hidden, base, left, right, byColumn);
  }

  private static long numbersSize(int rows, int columns) {
    int most = Math.ceilDiv(Math.min(rows, MOST_ROWS), ROWS) * ROWS;
    return (long) most * stride(Math.min(columns, MOST_COLUMNS));
  }

  private static long leftSize(int rows, int hidden, boolean gradients) {
    int most = Math.min(rows, MOST_ROWS);
    return gradients ? Panels.size(most, COLUMNS, hidden) : Panels.size(hidden, ROWS, most);
  }

  private static long rightSize(int columns, int hidden) {
    return Panels.size(hidden, COLUMNS, Math.min(columns, MOST_COLUMNS));
  }

  private static long byColumnSize(int columns, int hidden) {
    return Panels.size(Math.min(columns, MOST_COLUMNS), COLUMNS, hidden);
  }

  /** Numbers from a row of a block to the next. */
  private static int stride(int columns) {
    return Math.ceilDiv(columns, COLUMNS) * COLUMNS;
  }

  private boolean gradients() {
    return rightByColumn != 0;
  }

  /** Runs the body on every block in order, with its panels packed. */
  void forEach(ContrastSide rows, ContrastSide columns, Body body) {
    for (int row = 0; row < rows.count(); row += MOST_ROWS) {
      int first = rows == columns ? row : 0;
      int height = Math.min(MOST_ROWS, rows.count() - row);
      for (int column = first; column < columns.count(); column += MOST_COLUMNS) {
        int width = Math.min(MOST_COLUMNS, columns.count() - column);
        LogitBlock block =
            new LogitBlock(
                contrast, rows, row, height, columns, column, width, numbers, stride(width));
        pack(block, column == first);
        body.run(block);
      }
    }
  }

  private void pack(LogitBlock block, boolean rowsToo) {
    int rightTasks = Math.ceilDiv(block.columns(), COLUMNS);
    int strips = Math.ceilDiv(hidden, STRIP);
    int columnTasks = rightTasks + (gradients() ? strips : 0);
    int leftTasks = gradients() ? strips : Math.ceilDiv(block.rows(), TASK_PANELS * ROWS);
    run(
        block,
        columnTasks + (rowsToo ? leftTasks : 0),
        (index, worker) -> {
          if (index < rightTasks) {
            packRight(block, index * COLUMNS, worker);
          } else if (index < columnTasks) {
            long from = block.columnSide().vector(block.column());
            packStrip(from, block.columns(), (index - rightTasks) * STRIP, rightByColumn);
          } else if (gradients()) {
            long from = block.rowSide().vector(block.row());
            packStrip(from, block.rows(), (index - columnTasks) * STRIP, left);
          } else {
            int first = (index - columnTasks) * TASK_PANELS * ROWS;
            int count = Math.min(TASK_PANELS * ROWS, block.rows() - first);
            long work = scratch.ofWorker(worker, Panels.ROWS_SCRATCH);
            packLeft(block, first, count, at(left, first / ROWS * leftPanel()), work);
          }
        });
  }

  private void run(LogitBlock block, int tasks, WorkerPool.Task task) {
    boolean small = (long) block.rows() * block.columns() * hidden < VectorGemm.SERIAL;
    pool.run(tasks, small ? tasks : 1, task);
  }

  private long leftPanel() {
    return Panels.size(hidden, ROWS);
  }

  private void packRight(LogitBlock block, int first, int worker) {
    int count = Math.min(COLUMNS, block.columns() - first);
    long from = block.columnSide().vector(block.column() + first);
    long to = at(right, first / COLUMNS * Panels.size(hidden, COLUMNS));
    long work = scratch.ofWorker(worker, Panels.ROWS_SCRATCH);
    Panels.packRows(from, hidden, count, hidden, COLUMNS, to, work);
  }

  private void packLeft(LogitBlock block, int first, int count, long to, long work) {
    long from = block.rowSide().vector(block.row() + first);
    Panels.packRows(from, hidden, count, hidden, ROWS, to, work);
  }

  private void packStrip(long vectors, int count, int channel, long panels) {
    int channels = Math.min(STRIP, hidden - channel);
    long to = at(panels, channel / COLUMNS * Panels.size(count, COLUMNS));
    Panels.packColumns(at(vectors, channel), hidden, channels, count, COLUMNS, to);
  }

  /** Work on neighbouring rows or columns of a block, {@code count} from {@code first} on. */
  private interface Part {
    void run(int first, int count, int worker);
  }

  /** Runs tasks over as many whole panels as leave every thread its share. */
  private void runParts(LogitBlock block, int extent, Part part) {
    int panels = Math.ceilDiv(extent, ROWS);
    int size = ROWS * Math.clamp(panels / (TASKS_A_THREAD * pool.threads()), 1, TASK_PANELS);
    run(
        block,
        Math.ceilDiv(extent, size),
        (index, worker) -> part.run(index * size, Math.min(size, extent - index * size), worker));
  }

  /** Adds a block's logits to the sums of its rows, and to those of its columns. */
  void addToSums(LogitBlock block) {
    runParts(
        block,
        block.rows(),
        (first, count, worker) -> {
          long work = scratch.ofWorker(worker, block.stride());
          for (int row = first; row < first + count; row += ROWS) {
            products(block, row, at(left, row / ROWS * leftPanel()));
            int end = Math.min(row + ROWS, first + count);
            for (int i = row; i < end; i++) {
              block.toLogits(i);
              block.addRow(i, work);
            }
          }
        });
    if (block.columnsAreAnchors() && !block.diagonal()) {
      addToColumnSums(block);
    }
  }

  /** Writes the products of a panel of rows with the columns of a block. */
  private void products(LogitBlock block, int row, long panel) {
    MicroKernel.product(
        panel, ROWS, right, block.columns(), hidden, block.row(row), block.stride());
  }

  private void addToColumnSums(LogitBlock block) {
    int length = Floats.padded(block.rows());
    long size = Panels.size(LANES, length);
    run(
        block,
        Math.ceilDiv(block.columns(), LANES),
        (index, worker) -> {
          long turned = scratch.ofWorker(worker, size + Panels.ROWS_SCRATCH);
          int first = index * LANES;
          int count = Math.min(LANES, block.columns() - first);
          long from = at(block.numbers(), first);
          Panels.packRows(
              from, block.stride(), block.rows(), count, length, turned, at(turned, size));
          for (int j = 0; j < count; j++) {
            block.addColumn(first + j, at(turned, (long) j * length));
          }
        });
  }

  /**
   * Adds to gradients what a block weighs in them: the products of its weights with the vectors of
   * its columns and rows. The first blocks of different sides overwrite them.
   *
   * @param factor of all weights
   * @param dRows of the side of the rows
   * @param dColumns of the side of the columns
   */
  void addToGradients(LogitBlock block, float factor, long dRows, long dColumns) {
    runParts(
        block,
        block.rows(),
        (first, count, worker) -> {
          long panels = scratch.ofWorker(worker, taskScratch(block));
          long work = at(panels, taskPanels(block));
          packLeft(block, first, count, panels, work);
          for (int row = first; row < first + count; row += ROWS) {
            products(block, row, at(panels, (row - first) / ROWS * leftPanel()));
            int end = Math.min(row + ROWS, first + count);
            for (int i = row; i < end; i++) {
              block.toLogits(i);
              block.toWeights(i, factor, work);
            }
          }
          Panels.packRows(
              block.row(first), block.stride(), count, block.columns(), ROWS, panels, work);
          boolean overwrite = !block.sameSide() && block.column() == 0;
          product(
              panels,
              rightByColumn,
              block.columns(),
              dRows,
              block.row() + first,
              count,
              overwrite,
              work);
        });
    if (!block.diagonal()) {
      addToColumnGradients(block, dColumns);
    }
  }

  private void addToColumnGradients(LogitBlock block, long dColumns) {
    boolean overwrite = !block.sameSide() && block.row() == 0;
    runParts(
        block,
        block.columns(),
        (first, count, worker) -> {
          long panels = scratch.ofWorker(worker, taskScratch(block));
          long work = at(panels, taskPanels(block));
          Panels.packColumns(
              at(block.numbers(), first), block.stride(), count, block.rows(), ROWS, panels);
          product(
              panels, left, block.rows(), dColumns, block.column() + first, count, overwrite, work);
        });
  }

  /** Numbers of a task's panels. */
  private long taskPanels(LogitBlock block) {
    int depth = Math.max(hidden, Math.max(block.rows(), block.columns()));
    return Panels.size(depth, ROWS, TASK_PANELS * ROWS);
  }

  private long taskScratch(LogitBlock block) {
    return taskPanels(block)
        + Math.max(block.stride(), Math.max(TileWriter.SCRATCH, Panels.ROWS_SCRATCH));
  }

  /** Adds the product of packed weights with packed vectors to gradients. */
  private void product(
      long weights,
      long vectors,
      int depth,
      long gradients,
      int row,
      int count,
      boolean overwrite,
      long tile) {
    TileWriter writer = new TileWriter(gradients, hidden, GemmEpilogue.Kind.STORE, 0, 0, 0);
    for (int c = 0; c < hidden; c += COLUMNS) {
      long panel = at(vectors, c / COLUMNS * Panels.size(depth, COLUMNS));
      int width = Math.min(COLUMNS, hidden - c);
      for (int i = 0; i < count; i += ROWS) {
        long weight = at(weights, i / ROWS * Panels.size(depth, ROWS));
        int height = Math.min(ROWS, count - i);
        writer.compute(
            weight,
            panel,
            depth,
            new TileWriter.Place(row + i, c, height, width, overwrite, false),
            tile);
      }
    }
  }
}
