package io.github.simcse4j.kernels.vector;

import static io.github.simcse4j.kernels.vector.Floats.LANES;
import static io.github.simcse4j.kernels.vector.Floats.address;
import static io.github.simcse4j.kernels.vector.Floats.at;
import static io.github.simcse4j.kernels.vector.Floats.get;
import static io.github.simcse4j.kernels.vector.Floats.getInt;
import static io.github.simcse4j.kernels.vector.Floats.getLong;
import static io.github.simcse4j.kernels.vector.Floats.load;
import static io.github.simcse4j.kernels.vector.Floats.put;
import static io.github.simcse4j.kernels.vector.Floats.putInt;
import static io.github.simcse4j.kernels.vector.Floats.store;

import io.github.simcse4j.kernels.Contrast;
import io.github.simcse4j.tensor.Tensor;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;

/**
 * One side of the contrastive loss: its vectors as given, and what is known of each. Units are
 * never stored: lengths go into the products.
 *
 * @param vectors (count, hidden)
 * @param count how many
 * @param hidden channels
 * @param partners index of each vector's partner on the other side, or {@link #NONE}
 * @param shift from the index of a vector to that of the other side's that is its own hard negative
 * @param inverses 1 / length of each in scratch, 0 for length 0
 * @param limits the largest logit that is no false negative for each in scratch, or 0 for no limit
 * @param ids a number for what each says in scratch, and after them one for what each one's partner
 *     says, or 0 where all are different
 * @param lse log-sum-exp of each one's logits, or 0 where they are no anchors
 * @param sums of the exponentials of each one's logits so far, null backward
 */
record ContrastSide(
    long vectors,
    int count,
    int hidden,
    int[] partners,
    int shift,
    long inverses,
    long limits,
    long ids,
    long lse,
    RunningSums sums) {

  /** No partner. */
  static final int NONE = -1;

  /** Numbers of scratch for what is known of so many vectors. */
  static long scratch(int count, Contrast contrast, boolean ids) {
    return property(count) * (1 + (contrast.hasMargin() ? 1 : 0) + (ids ? 2 : 0));
  }

  /** Numbers of scratch for one property of each vector, to be read in whole vectors. */
  private static long property(int count) {
    return Scratch.aligned(count + LANES);
  }

  /** A side whose scratch starts at {@code base}. */
  static ContrastSide in(
      long base,
      Tensor vectors,
      int[] partners,
      int shift,
      Contrast contrast,
      boolean ids,
      long lse,
      RunningSums sums) {
    int count = partners.length;
    long second = at(base, property(count));
    return new ContrastSide(
        address(vectors),
        count,
        Math.toIntExact(vectors.extent(1)),
        partners,
        shift,
        base,
        contrast.hasMargin() ? second : 0,
        !ids ? 0 : contrast.hasMargin() ? at(second, property(count)) : second,
        lse,
        sums);
  }

  long vector(int i) {
    return at(vectors, (long) i * hidden);
  }

  float inverse(int i) {
    return get(at(inverses, i));
  }

  long partnerIds() {
    return at(ids, property(count));
  }

  int id(int i) {
    return getInt(at(ids, i));
  }

  int partnerId(int i) {
    return getInt(at(partnerIds(), i));
  }

  /** Whether vector i counts against an anchor's limit at this logit. */
  boolean withinLimit(int i, float logit) {
    return limits == 0 || logit <= get(at(limits, i));
  }

  /** Whether vector i says what vector j of that side or its partner says, or the reverse. */
  boolean repeats(int i, ContrastSide other, int j) {
    return ids != 0
        && (id(i) == other.id(j) || partnerId(i) == other.id(j) || id(i) == other.partnerId(j));
  }

  /** Writes the number of what each says: its place among all that is said. */
  void writeIds(long from, long[] sorted) {
    for (int i = 0; i < count; i++) {
      putInt(at(ids, i), Arrays.binarySearch(sorted, getLong(from + 8L * i)));
    }
  }

  void writePartnerIds(ContrastSide other) {
    for (int i = 0; i < count; i++) {
      putInt(at(partnerIds(), i), partners[i] == NONE ? NONE : other.id(partners[i]));
    }
  }

  /** Writes the limits of vectors that all have a partner. */
  void writeLimits(WorkerPool pool, ContrastSide other, Contrast contrast) {
    float scale = 1 / contrast.temperature();
    float margin = contrast.falseNegativeMargin() * scale;
    RowChunks.run(
        pool,
        count,
        hidden,
        (first, end, chunk, worker) -> {
          for (int i = first; i < end; i++) {
            int j = partners[i];
            float logit = product(i, other, j) * other.inverse(j) * (inverse(i) * scale);
            put(at(limits, i), logit + margin);
          }
        });
  }

  void writeLimitsOfPartners(ContrastSide other) {
    for (int i = 0; i < count; i++) {
      put(at(limits, i), partners[i] == NONE ? 0 : get(at(other.limits, partners[i])));
    }
  }

  /** Writes the log-sum-exp of a vector and returns what that adds to the loss. */
  double writeLse(int i) {
    boolean anchor = partners[i] != NONE;
    double logSum = anchor ? sums.logSum(i) : Double.POSITIVE_INFINITY;
    put(at(lse, i), (float) logSum);
    return anchor ? logSum - sums.positive()[i] : 0;
  }

  /** Writes the lengths to where their inverses will be. */
  void measure(WorkerPool pool) {
    RowChunks.run(
        pool,
        count,
        hidden,
        (first, end, chunk, worker) -> {
          for (int i = first; i < end; i++) {
            put(at(inverses, i), length(i));
          }
        });
  }

  private float length(int i) {
    long x = vector(i);
    float square = SoftmaxRows.dot(x, x, hidden);
    if (Float.isFinite(square)) {
      return (float) Math.sqrt(square);
    }
    double wide = 0;
    for (int c = 0; c < hidden; c++) {
      double value = get(at(x, c));
      wide += value * value;
    }
    return (float) Math.sqrt(wide);
  }

  /** Refuses vectors without a length. */
  void requireFinite(String operation, String name, long lengths) {
    for (int i = 0; i < count; i++) {
      if (!Float.isFinite(get(at(lengths, i)))) {
        throw new IllegalArgumentException(
            operation + ": " + name + "[" + i + "] holds NaN or infinity");
      }
    }
  }

  /** Writes the inverses of these lengths. */
  void invert(long lengths) {
    for (int i = 0; i < count; i++) {
      float length = get(at(lengths, i));
      put(at(inverses, i), length == 0f ? 0f : 1f / length);
    }
  }

  /**
   * The product of a vector with one of another side, added up as {@link MicroKernel} does, so that
   * equal pairs are exactly as similar.
   */
  float product(int i, ContrastSide other, int j) {
    long a = vector(i);
    long b = other.vector(j);
    float sum = 0;
    for (int c = 0; c < hidden; c++) {
      sum = Math.fma(get(at(a, c)), get(at(b, c)), sum);
    }
    return sum;
  }

  /**
   * Takes 1 / length times the gradients of the units to those of the vectors, in place: d - x (x .
   * d) / length^2.
   */
  void throughNormalisation(WorkerPool pool, long gradients) {
    RowChunks.run(
        pool,
        count,
        hidden,
        (first, end, chunk, worker) -> {
          for (int i = first; i < end; i++) {
            throughNormalisation(i, at(gradients, (long) i * hidden));
          }
        });
  }

  private void throughNormalisation(int i, long d) {
    long x = vector(i);
    float along = SoftmaxRows.dot(x, d, hidden) * inverse(i) * inverse(i);
    for (int c = 0; c < hidden; c += LANES) {
      FloatVector across = load(d, c, hidden).sub(load(x, c, hidden).mul(along));
      store(across, d, c, hidden);
    }
  }
}
