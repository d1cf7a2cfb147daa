package io.github.simcse4j.kernels.vector;

import static io.github.simcse4j.kernels.vector.Floats.address;
import static io.github.simcse4j.kernels.vector.Floats.at;
import static io.github.simcse4j.kernels.vector.Floats.get;
import static io.github.simcse4j.kernels.vector.Floats.getInt;
import static io.github.simcse4j.kernels.vector.Floats.put;
import static io.github.simcse4j.kernels.vector.LogitBlocks.WIDTH;
import static io.github.simcse4j.kernels.vector.MicroKernel.COLUMNS;
import static io.github.simcse4j.kernels.vector.MicroKernel.ROWS;

import io.github.simcse4j.kernels.Contrast;
import io.github.simcse4j.kernels.ContrastPairs;
import io.github.simcse4j.kernels.ContrastStatistics;
import io.github.simcse4j.tensor.Tensor;
import java.util.Arrays;

/**
 * InfoNCE over blocks of logits. Going forward a task has some queries and goes through the keys
 * with a running maximum and sum; going backward the blocks are computed again, once with the
 * queries as rows and once with the keys, so that each gradient is added up by one task in one
 * order.
 */
final class VectorSimilaritySoftmax {

  private final WorkerPool pool;
  private final Scratch scratch;
  private double[] losses = new double[0];

  VectorSimilaritySoftmax(WorkerPool pool, Scratch scratch) {
    this.pool = pool;
    this.scratch = scratch;
  }

  /** What one call is about: both sides, the panels' place, and where the targets lie. */
  private record Call(
      UnitRows queries, UnitRows keys, long panels, long targets, Contrast contrast, long lse) {

    /** Blocks with queries as rows, or keys. */
    LogitBlocks blocks(boolean queriesAreRows, boolean gradients) {
      UnitRows rows = queriesAreRows ? queries : keys;
      UnitRows columns = queriesAreRows ? keys : queries;
      int hidden = rows.hidden();
      long right = at(panels, Panels.size(hidden, ROWS, rows.count()));
      long byColumn = gradients ? at(right, Panels.size(hidden, COLUMNS, columns.count())) : 0;
      return new LogitBlocks(rows, columns, panels, right, byColumn);
    }

    /** The logits of ROWS rows, or as many as there are, with a block of columns. */
    LogitBlock logits(LogitBlocks blocks, int row, int column, boolean queriesAreRows, long out) {
      blocks.cosines(row, column, out);
      int count = Math.min(ROWS, blocks.rows().count() - row);
      LogitBlock block =
          new LogitBlock(out, row, count, column, blocks.width(column), queriesAreRows);
      block.toLogits(contrast);
      return block;
    }
  }

  private Call call(
      String operation, ContrastPairs pairs, Contrast contrast, ContrastStatistics statistics) {
    requirePlain(operation, pairs, contrast);
    Tensor queries = pairs.queries();
    Tensor keys = pairs.keys();
    int n = Math.toIntExact(queries.extent(0));
    int m = Math.toIntExact(keys.extent(0));
    int hidden = Math.toIntExact(queries.extent(1));
    long targetsAt = address(pairs.targets());
    checkTargets(operation, targetsAt, n, m);
    long units = UnitRows.scratch(n, hidden);
    long panels = units + UnitRows.scratch(m, hidden);
    long base =
        scratch.shared(
            panels
                + Math.max(LogitBlocks.scratch(n, m, hidden), LogitBlocks.scratch(m, n, hidden)));
    return new Call(
        new UnitRows(address(queries), address(statistics.queryNorm()), n, hidden, base),
        new UnitRows(address(keys), address(statistics.keyNorm()), m, hidden, at(base, units)),
        at(base, panels),
        targetsAt,
        contrast,
        address(statistics.lse()));
  }

  private static void requirePlain(String operation, ContrastPairs pairs, Contrast contrast) {
    if (pairs.queryIds() != null
        || contrast.bothDirections()
        || contrast.sameSideNegatives()
        || contrast.hasMargin()) {
      throw new UnsupportedOperationException(operation + ": " + contrast);
    }
  }

  private static void checkTargets(String operation, long targets, int n, int m) {
    for (int i = 0; i < n; i++) {
      int target = getInt(targets + 4L * i);
      if (target < 0 || target >= m) {
        throw new IllegalArgumentException(
            operation + ": targets[" + i + "] is " + target + ", and there are " + m + " keys");
      }
    }
  }

  void forward(ContrastPairs pairs, Contrast contrast, Tensor loss, ContrastStatistics statistics) {
    Call call = call("similarity_softmax_forward", pairs, contrast, statistics);
    call.queries().measure(pool);
    call.keys().measure(pool);
    call.queries().normalise(pool);
    call.keys().normalise(pool);
    LogitBlocks blocks = call.blocks(true, false);
    blocks.pack(pool, scratch);
    int n = call.queries().count();
    if (losses.length < n) {
      losses = new double[n];
    }
    pool.run(
        blocks.tasks(),
        blocks.grain(blocks.tasks()),
        (task, worker) -> forwardTask(call, blocks, task, worker));
    double sum = 0;
    for (int i = 0; i < n; i++) {
      sum += losses[i];
    }
    put(address(loss), (float) (sum / n));
  }

  private void forwardTask(Call call, LogitBlocks blocks, int task, int worker) {
    int first = task * blocks.taskRows();
    int end = Math.min(first + blocks.taskRows(), call.queries().count());
    float[] max = new float[end - first];
    double[] sum = new double[end - first];
    double[] positive = new double[end - first];
    Arrays.fill(max, Float.NEGATIVE_INFINITY);
    long numbers = scratch.ofWorker(worker, (long) ROWS * WIDTH);
    for (int column = 0; column < call.keys().count(); column += WIDTH) {
      for (int panel = first; panel < end; panel += ROWS) {
        LogitBlock block = call.logits(blocks, panel, column, true, numbers);
        for (int i = 0; i < block.rows(); i++) {
          long row = block.row(i);
          int at = panel + i - first;
          int target = getInt(call.targets() + 4L * (panel + i)) - column;
          if (target >= 0 && target < block.columns()) {
            positive[at] = get(Floats.at(row, target));
          }
          float newMax = Math.max(max[at], SoftmaxRows.maximum(row, block.columns()));
          double kept = sum[at] * Math.exp(max[at] - newMax);
          SoftmaxRows.exponentials(row, block.columns(), newMax, 1f);
          sum[at] = kept + SoftmaxRows.sum(row, block.columns());
          max[at] = newMax;
        }
      }
    }
    for (int i = first; i < end; i++) {
      double logSum = max[i - first] + Math.log(sum[i - first]);
      put(at(call.lse(), i), (float) logSum);
      losses[i] = logSum - positive[i - first];
    }
  }

  void backward(
      ContrastPairs pairs,
      Contrast contrast,
      ContrastStatistics statistics,
      float lossScale,
      Tensor dQueries,
      Tensor dKeys) {
    Call call = call("similarity_softmax_backward", pairs, contrast, statistics);
    call.queries().normalise(pool);
    call.keys().normalise(pool);
    float factor = lossScale / call.queries().count() / contrast.temperature();
    gradients(call, true, factor, address(dQueries));
    gradients(call, false, factor, address(dKeys));
  }

  /** The gradients of the vectors of one side, which is the blocks' rows. */
  private void gradients(Call call, boolean queriesAreRows, float factor, long dVectors) {
    LogitBlocks blocks = call.blocks(queriesAreRows, true);
    blocks.pack(pool, scratch);
    UnitRows rows = blocks.rows();
    long blockNumbers = (long) ROWS * WIDTH;
    pool.run(
        blocks.tasks(),
        blocks.grain(blocks.tasks()),
        (task, worker) -> {
          long numbers = scratch.ofWorker(worker, blockNumbers + LogitBlocks.productScratch());
          int first = task * blocks.taskRows();
          int end = Math.min(first + blocks.taskRows(), rows.count());
          for (int column = 0; column < blocks.columns().count(); column += WIDTH) {
            for (int panel = first; panel < end; panel += ROWS) {
              LogitBlock block = call.logits(blocks, panel, column, queriesAreRows, numbers);
              block.toGradients(call.targets(), call.lse(), factor);
              blocks.addProduct(block, dVectors, at(numbers, blockNumbers));
            }
          }
          for (int row = first; row < end; row++) {
            rows.throughNormalisation(row, at(dVectors, (long) row * rows.hidden()));
          }
        });
  }
}
