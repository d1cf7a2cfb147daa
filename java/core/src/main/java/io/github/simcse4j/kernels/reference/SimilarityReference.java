package io.github.simcse4j.kernels.reference;

import io.github.simcse4j.kernels.Contrast;
import io.github.simcse4j.kernels.ContrastPairs;
import io.github.simcse4j.kernels.ContrastStatistics;
import io.github.simcse4j.tensor.Tensor;
import java.util.Arrays;

/**
 * The contrastive loss, anchor by anchor and term by term. Through the normalisation, with u = q /
 * |q|: dq = (du - u (u . du)) / |q|; a vector of length 0 has no gradient.
 */
final class SimilarityReference {

  private static final int NONE = -1;

  private final Contrast contrast;
  private final Side queries;
  private final Side keys;

  /** One side of the comparison: its vectors, and what each is paired with. */
  private static final class Side {

    private final int count;
    private final int hidden;
    private final double[] length;
    private final double[] unit;
    private final double[] dUnit;
    private final int[] partner;
    private final long[] ids;

    /**
     * @param partner index of each vector's partner on the other side, or {@link #NONE}
     * @param ids null where all are different
     */
    Side(Tensor vectors, int[] partner, long[] ids) {
      this.count = (int) vectors.extent(0);
      this.hidden = (int) vectors.extent(1);
      this.partner = partner;
      this.ids = ids;
      this.length = new double[count];
      this.unit = Values.of(vectors);
      this.dUnit = new double[unit.length];
      for (int i = 0; i < count; i++) {
        length[i] = Math.sqrt(Values.dot(unit, i * hidden, unit, i * hidden, hidden));
        for (int c = i * hidden; c < (i + 1) * hidden; c++) {
          unit[c] = length[i] == 0 ? 0 : unit[c] / length[i];
        }
      }
    }

    double cosine(int i, Side other, int j) {
      return Values.dot(unit, i * hidden, other.unit, j * hidden, hidden);
    }

    /** Whether vector i says what vector j of that side or its partner says, or the reverse. */
    boolean repeats(int i, Side other, int j, Side partners, Side otherPartners) {
      if (ids == null) {
        return false;
      }
      long own = ids[i];
      long others = other.ids[j];
      return own == others
          || partner[i] != NONE && partners.ids[partner[i]] == others
          || other.partner[j] != NONE && otherPartners.ids[other.partner[j]] == own;
    }

    void pull(int i, Side other, int j, double coefficient) {
      for (int c = 0; c < hidden; c++) {
        dUnit[i * hidden + c] += coefficient * other.unit[j * hidden + c];
        other.dUnit[j * hidden + c] += coefficient * unit[i * hidden + c];
      }
    }

    double[] gradient() {
      double[] gradient = new double[unit.length];
      for (int i = 0; i < count; i++) {
        double along = Values.dot(unit, i * hidden, dUnit, i * hidden, hidden);
        for (int c = i * hidden; c < (i + 1) * hidden; c++) {
          gradient[c] = length[i] == 0 ? 0 : (dUnit[c] - unit[c] * along) / length[i];
        }
      }
      return gradient;
    }
  }

  /** A term of the sum of an anchor: a vector of this side, and the logit of both. */
  private interface Term {
    void visit(Side side, int index, double logit);
  }

  SimilarityReference(String operation, ContrastPairs pairs, Contrast contrast) {
    int[] targets = Values.integers(pairs.targets());
    int[] anchors = new int[(int) pairs.keys().extent(0)];
    Arrays.fill(anchors, NONE);
    for (int i = targets.length - 1; i >= 0; i--) {
      int target = targets[i];
      Sentences.require(
          target >= 0 && target < anchors.length,
          operation,
          "targets[" + i + "] is " + target + ", and there are " + anchors.length + " keys");
      Sentences.require(
          !contrast.bothDirections() || anchors[target] == NONE,
          operation,
          "targets[" + i + "] is " + target + " again, which both directions do not allow");
      anchors[target] = i;
    }
    this.contrast = contrast;
    this.queries = new Side(pairs.queries(), targets, ids(pairs.queryIds()));
    this.keys = new Side(pairs.keys(), anchors, ids(pairs.keyIds()));
    requireFinite(operation, "queries", queries);
    requireFinite(operation, "keys", keys);
  }

  private static long[] ids(Tensor ids) {
    return ids == null ? null : Values.longs(ids);
  }

  private static void requireFinite(String operation, String name, Side side) {
    for (int i = 0; i < side.count; i++) {
      Sentences.require(
          Double.isFinite(side.length[i]), operation, name + "[" + i + "] holds NaN or infinity");
    }
  }

  void forward(Tensor loss, ContrastStatistics statistics) {
    double sum = 0;
    double[] lse = new double[queries.count];
    for (int i = 0; i < queries.count; i++) {
      lse[i] = logSumExp(queries, i, keys);
      sum += lse[i] - logit(i, queries.partner[i]);
    }
    Values.store(lse, statistics.lse());
    Values.store(queries.length, statistics.queryNorm());
    Values.store(keys.length, statistics.keyNorm());
    if (contrast.bothDirections()) {
      double[] keyLse = new double[keys.count];
      for (int j = 0; j < keys.count; j++) {
        int anchor = keys.partner[j];
        keyLse[j] = anchor == NONE ? Double.POSITIVE_INFINITY : logSumExp(keys, j, queries);
        sum += anchor == NONE ? 0 : keyLse[j] - logit(anchor, j);
      }
      Values.store(keyLse, statistics.keyLse());
    }
    loss.set(0, sum * share());
  }

  void backward(ContrastStatistics statistics, float lossScale, Tensor dQueries, Tensor dKeys) {
    double factor = lossScale * share() / contrast.temperature();
    for (int i = 0; i < queries.count; i++) {
      backward(queries, i, keys, statistics.lse().get(i), factor);
    }
    for (int j = 0; j < keys.count && contrast.bothDirections(); j++) {
      if (keys.partner[j] != NONE) {
        backward(keys, j, queries, statistics.keyLse().get(j), factor);
      }
    }
    Values.store(queries.gradient(), dQueries);
    Values.store(keys.gradient(), dKeys);
  }

  private void backward(Side anchors, int anchor, Side others, double lse, double factor) {
    terms(
        anchors,
        anchor,
        others,
        (side, index, logit) -> anchors.pull(anchor, side, index, factor * Math.exp(logit - lse)));
    anchors.pull(anchor, others, anchors.partner[anchor], -factor);
  }

  /** What each anchor's part counts in the loss. */
  private double share() {
    return (contrast.bothDirections() ? 0.5 : 1) / queries.count;
  }

  private double logSumExp(Side anchors, int anchor, Side others) {
    double[] maximum = {Double.NEGATIVE_INFINITY};
    double[] sum = {0};
    terms(
        anchors, anchor, others, (side, index, logit) -> maximum[0] = Math.max(maximum[0], logit));
    terms(anchors, anchor, others, (side, index, logit) -> sum[0] += Math.exp(logit - maximum[0]));
    return maximum[0] + Math.log(sum[0]);
  }

  private void terms(Side anchors, int anchor, Side others, Term term) {
    int partner = anchors.partner[anchor];
    double limit = anchors.cosine(anchor, others, partner) + contrast.falseNegativeMargin();
    for (int j = 0; j < others.count; j++) {
      if (j == partner
          || !anchors.repeats(anchor, others, j, others, anchors)
              && anchors.cosine(anchor, others, j) <= limit) {
        term.visit(others, j, anchors == queries ? logit(anchor, j) : logit(j, anchor));
      }
    }
    for (int i = 0; i < anchors.count && contrast.sameSideNegatives(); i++) {
      double cosine = anchors.cosine(anchor, anchors, i);
      if (i != anchor && !anchors.repeats(anchor, anchors, i, others, others) && cosine <= limit) {
        term.visit(anchors, i, cosine / contrast.temperature());
      }
    }
  }

  private double logit(int query, int key) {
    return queries.cosine(query, keys, key) / contrast.temperature() + contrast.bias(query, key);
  }
}
