package io.github.simcse4j.kernels.vector;

import static io.github.simcse4j.kernels.vector.Floats.address;
import static io.github.simcse4j.kernels.vector.Floats.addressOrNull;
import static io.github.simcse4j.kernels.vector.Floats.at;
import static io.github.simcse4j.kernels.vector.Floats.getInt;
import static io.github.simcse4j.kernels.vector.Floats.getLong;
import static io.github.simcse4j.kernels.vector.Floats.put;

import io.github.simcse4j.kernels.Contrast;
import io.github.simcse4j.kernels.ContrastPairs;
import io.github.simcse4j.kernels.ContrastStatistics;
import io.github.simcse4j.tensor.Tensor;
import java.util.Arrays;

/**
 * InfoNCE over blocks of logits. Going forward each anchor has a running maximum and sum; going
 * backward the blocks are computed again, once for the gradients of both sides, which are added up
 * where they belong. What a block adds to a sum or a gradient is computed by one task in one order,
 * and the blocks follow one another.
 */
final class VectorSimilaritySoftmax {

  private final WorkerPool pool;
  private final Scratch scratch;

  VectorSimilaritySoftmax(WorkerPool pool, Scratch scratch) {
    this.pool = pool;
    this.scratch = scratch;
  }

  /** What one call is about. */
  private record Call(
      String operation,
      Contrast contrast,
      ContrastStatistics statistics,
      ContrastSide queries,
      ContrastSide keys,
      LogitBlocks blocks) {

    void requireFinite(long queryNorm, long keyNorm) {
      queries.requireFinite(operation, "queries", queryNorm);
      keys.requireFinite(operation, "keys", keyNorm);
    }

    /** Takes the lengths from the statistics, and the limits from the positives. */
    void prepare(WorkerPool pool) {
      queries.invert(address(statistics.queryNorm()));
      keys.invert(address(statistics.keyNorm()));
      if (contrast.hasMargin()) {
        queries.writeLimits(pool, keys, contrast);
        keys.writeLimitsOfPartners(queries);
      }
    }

    /** Runs the body on every block of logits that count. */
    void forEachBlock(LogitBlocks.Body body) {
      blocks.forEach(queries, keys, body);
      if (contrast.sameSideNegatives()) {
        blocks.forEach(queries, queries, body);
        if (contrast.bothDirections()) {
          blocks.forEach(keys, keys, body);
        }
      }
    }

    /** What each anchor's part counts in the loss. */
    double share() {
      return (contrast.bothDirections() ? 0.5 : 1) / queries.count();
    }
  }

  private Call call(
      String operation,
      ContrastPairs pairs,
      Contrast contrast,
      ContrastStatistics statistics,
      boolean gradients) {
    int n = Math.toIntExact(pairs.queries().extent(0));
    int m = Math.toIntExact(pairs.keys().extent(0));
    int hidden = Math.toIntExact(pairs.queries().extent(1));
    int[] targets = new int[n];
    int[] anchors = new int[m];
    readTargets(operation, address(pairs.targets()), contrast, targets, anchors);
    boolean sameSide = contrast.sameSideNegatives();
    int rows = sameSide && contrast.bothDirections() ? Math.max(n, m) : n;
    int columns = sameSide ? Math.max(n, m) : m;
    boolean ids = pairs.queryIds() != null;
    long blockNumbers = LogitBlocks.scratch(rows, columns, hidden, gradients);
    long queryNumbers = ContrastSide.scratch(n, contrast, ids);
    long base =
        scratch.shared(blockNumbers + queryNumbers + ContrastSide.scratch(m, contrast, ids));
    long sides = at(base, blockNumbers);
    ContrastSide queries =
        ContrastSide.in(
            sides,
            pairs.queries(),
            targets,
            contrast.ownNegativeOffset(),
            contrast,
            ids,
            address(statistics.lse()),
            gradients ? null : RunningSums.of(n));
    ContrastSide keys =
        ContrastSide.in(
            at(sides, queryNumbers),
            pairs.keys(),
            anchors,
            -contrast.ownNegativeOffset(),
            contrast,
            ids,
            addressOrNull(statistics.keyLse()),
            gradients ? null : RunningSums.of(m));
    if (ids) {
      writeIds(pairs, queries, keys);
    }
    LogitBlocks blocks =
        LogitBlocks.in(base, pool, scratch, contrast, rows, columns, hidden, gradients);
    return new Call(operation, contrast, statistics, queries, keys, blocks);
  }

  /** Reads the partners of both sides: that of a key is the first query whose target it is. */
  private static void readTargets(
      String operation, long from, Contrast contrast, int[] targets, int[] anchors) {
    Arrays.fill(anchors, ContrastSide.NONE);
    for (int i = 0; i < targets.length; i++) {
      int target = getInt(from + 4L * i);
      String found = operation + ": targets[" + i + "] is " + target;
      if (target < 0 || target >= anchors.length) {
        throw new IllegalArgumentException(found + ", and there are " + anchors.length + " keys");
      }
      targets[i] = target;
      if (anchors[target] == ContrastSide.NONE) {
        anchors[target] = i;
      } else if (contrast.bothDirections()) {
        throw new IllegalArgumentException(found + " again, which both directions do not allow");
      }
    }
  }

  /** Numbers what vectors say from 0 on, so that it fits the lanes of logits. */
  private static void writeIds(ContrastPairs pairs, ContrastSide queries, ContrastSide keys) {
    long queryIds = address(pairs.queryIds());
    long keyIds = address(pairs.keyIds());
    long[] sorted = new long[queries.count() + keys.count()];
    for (int i = 0; i < sorted.length; i++) {
      int j = i - queries.count();
      sorted[i] = j < 0 ? getLong(queryIds + 8L * i) : getLong(keyIds + 8L * j);
    }
    Arrays.sort(sorted);
    queries.writeIds(queryIds, sorted);
    keys.writeIds(keyIds, sorted);
    queries.writePartnerIds(keys);
    keys.writePartnerIds(queries);
  }

  void forward(ContrastPairs pairs, Contrast contrast, Tensor loss, ContrastStatistics statistics) {
    Call call = call("similarity_softmax_forward", pairs, contrast, statistics, false);
    ContrastSide queries = call.queries();
    ContrastSide keys = call.keys();
    queries.measure(pool);
    keys.measure(pool);
    call.requireFinite(queries.inverses(), keys.inverses());
    Floats.copy(queries.inverses(), address(statistics.queryNorm()), queries.count());
    Floats.copy(keys.inverses(), address(statistics.keyNorm()), keys.count());
    call.prepare(pool);
    call.forEachBlock(call.blocks()::addToSums);
    double sum = 0;
    for (int i = 0; i < queries.count(); i++) {
      sum += queries.writeLse(i);
    }
    for (int j = 0; j < keys.count() && contrast.bothDirections(); j++) {
      sum += keys.writeLse(j);
    }
    put(address(loss), (float) (sum * call.share()));
  }

  void backward(
      ContrastPairs pairs,
      Contrast contrast,
      ContrastStatistics statistics,
      float lossScale,
      Tensor dQueries,
      Tensor dKeys) {
    Call call = call("similarity_softmax_backward", pairs, contrast, statistics, true);
    call.requireFinite(address(statistics.queryNorm()), address(statistics.keyNorm()));
    call.prepare(pool);
    float factor = (float) (lossScale * call.share() / contrast.temperature());
    long dQueriesAt = address(dQueries);
    long dKeysAt = address(dKeys);
    call.forEachBlock(block ->
        call.blocks()
            .addToGradients(
                block,
                factor,
                block.rowSide() == call.queries() ? dQueriesAt : dKeysAt,
                block.columnSide() == call.queries() ? dQueriesAt : dKeysAt));
    call.queries().throughNormalisation(pool, dQueriesAt);
    call.keys().throughNormalisation(pool, dKeysAt);
  }
}
