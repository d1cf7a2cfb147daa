package io.github.simcse4j.kernels.vector;

import static io.github.simcse4j.kernels.vector.Floats.at;
import static io.github.simcse4j.kernels.vector.Floats.get;
import static io.github.simcse4j.kernels.vector.Floats.put;
import static io.github.simcse4j.kernels.vector.SoftmaxRows.copy;

import io.github.simcse4j.kernels.Contrast;

/**
 * The logits of some vectors of one side with some of the other or of the same, or what they weigh
 * in the gradients. Where the sides differ, the rows are queries. A pair of a vector and its
 * partner or own hard negative, and one of a vector and itself, is set right on its own: there is
 * one of each in a row at most.
 *
 * @param rowSide of the rows
 * @param row first row
 * @param rows how many
 * @param columnSide of the columns
 * @param column first column
 * @param columns how many
 * @param numbers the block
 * @param stride numbers from a row of the block to the next
 */
record LogitBlock(
    Contrast contrast,
    ContrastSide rowSide,
    int row,
    int rows,
    ContrastSide columnSide,
    int column,
    int columns,
    long numbers,
    int stride) {

  boolean sameSide() {
    return rowSide == columnSide;
  }

  /** Whether the columns are among the rows, so that the block has every pair both ways. */
  boolean diagonal() {
    return sameSide() && column < row + rows;
  }

  /** Whether each column has a sum of its own, to which this block adds. */
  boolean columnsAreAnchors() {
    return sameSide() || contrast.bothDirections();
  }

  long row(int i) {
    return at(numbers, (long) i * stride);
  }

  /** Turns products of row i into logits, without the bias of hard negatives. */
  void toLogits(int i) {
    float factor = rowSide.inverse(row + i) * (1 / contrast.temperature());
    SoftmaxRows.scaleEach(row(i), at(columnSide.inverses(), column), columns, factor);
  }

  /**
   * Adds the logits of row i to the sum of its vector.
   *
   * @param work a row's numbers
   */
  void addRow(int i, long work) {
    boolean lasts = columnsAreAnchors() && !diagonal();
    add(rowSide, row + i, columnSide, column, columns, row(i), lasts ? work : row(i));
  }

  /**
   * Adds the logits of column j to the sum of its vector.
   *
   * @param logits the column, side by side; overwritten
   */
  void addColumn(int j, long logits) {
    add(columnSide, column + j, rowSide, row, rows, logits, logits);
  }

  /**
   * @param first of the others
   * @param n how many others
   * @param out where the logits may be overwritten
   */
  private void add(
      ContrastSide anchors,
      int anchor,
      ContrastSide others,
      int first,
      int n,
      long logits,
      long out) {
    int partner = anchors.partners()[anchor];
    if (partner == ContrastSide.NONE) {
      return;
    }
    int positive = sameSide() ? n : partner - first;
    boolean hasPositive = positive >= 0 && positive < n;
    float value = hasPositive ? get(at(logits, positive)) : 0;
    keep(anchors, anchor, others, first, n, logits, out);
    if (hasPositive) {
      put(at(out, positive), value);
    }
    int own = anchor - first + (sameSide() ? 0 : anchors.shift());
    if (own >= 0 && own < n) {
      long place = at(out, own);
      put(place, sameSide() ? Float.NEGATIVE_INFINITY : get(place) + contrast.ownNegativeBias());
    }
    if (hasPositive) {
      anchors.sums().positive()[anchor] = get(at(out, positive));
    }
    anchors.sums().add(anchor, out, n);
  }

  /** out = the logits without what counts as no negative of the anchor. */
  private static void keep(
      ContrastSide anchors,
      int anchor,
      ContrastSide others,
      int first,
      int n,
      long logits,
      long out) {
    if (anchors.limits() != 0) {
      FalseNegatives.above(logits, get(at(anchors.limits(), anchor)), n, out);
    } else if (out != logits) {
      copy(logits, n, out);
    }
    dropRepeated(anchors, anchor, others, first, n, out);
  }

  private static void dropRepeated(
      ContrastSide anchors, int anchor, ContrastSide others, int first, int n, long out) {
    if (anchors.ids() != 0) {
      FalseNegatives.repeated(
          out,
          anchors.id(anchor),
          anchors.partnerId(anchor),
          at(others.ids(), first),
          at(others.partnerIds(), first),
          n);
    }
  }

  /**
   * Turns logits of row i into what the vectors of each pair weigh in the other's gradient.
   *
   * @param factor of all
   * @param work a row's numbers
   */
  void toWeights(int i, float factor, long work) {
    int query = row + i;
    long logits = row(i);
    int positive = sameSide() ? query - column : rowSide.partners()[query] - column;
    boolean biased = !sameSide() && contrast.ownNegativeBias() != 0f;
    int own = biased ? query + rowSide.shift() - column : positive;
    float positiveWeight = weight(query, positive);
    float ownWeight = weight(query, own);
    if (columnsAreAnchors()) {
      if (columnSide.limits() != 0) {
        FalseNegatives.aboveEach(logits, at(columnSide.limits(), column), columns, work);
      } else {
        copy(logits, columns, work);
      }
      dropRepeated(rowSide, query, columnSide, column, columns, work);
      SoftmaxRows.exponentialsLess(work, at(columnSide.lse(), column), columns);
    }
    keep(rowSide, query, columnSide, column, columns, logits, logits);
    SoftmaxRows.exponentials(logits, columns, get(at(rowSide.lse(), query)), 1f);
    if (columnsAreAnchors()) {
      SoftmaxRows.add(logits, work, columns);
    }
    if (has(positive)) {
      put(at(logits, positive), positiveWeight);
    }
    if (has(own)) {
      put(at(logits, own), ownWeight);
    }
    SoftmaxRows.scaleEach(
        logits, at(columnSide.inverses(), column), columns, rowSide.inverse(query) * factor);
  }

  private boolean has(int j) {
    return j >= 0 && j < columns;
  }

  /** The weight of one pair before all factors, of a row's vector and column j of the block. */
  private float weight(int query, int j) {
    if (!has(j) || sameSide()) {
      return 0;
    }
    int key = column + j;
    boolean partner = rowSide.partners()[query] == key;
    boolean repeats = !partner && rowSide.repeats(query, columnSide, key);
    float cosine = get(at(row(query - row), j));
    double logit = cosine + contrast.bias(query, key);
    double weight = 0;
    if (partner || !repeats && rowSide.withinLimit(query, cosine)) {
      weight += Math.exp(logit - get(at(rowSide.lse(), query))) - (partner ? 1 : 0);
    }
    if (columnsAreAnchors() && (partner || !repeats && columnSide.withinLimit(key, cosine))) {
      weight += Math.exp(logit - get(at(columnSide.lse(), key))) - (partner ? 1 : 0);
    }
    return (float) weight;
  }
}
