package io.github.simcse4j.kernels.vector;

import static io.github.simcse4j.kernels.vector.Floats.LANES;
import static io.github.simcse4j.kernels.vector.Floats.MEMORY;
import static io.github.simcse4j.kernels.vector.Floats.ORDER;
import static io.github.simcse4j.kernels.vector.Floats.SPECIES;
import static io.github.simcse4j.kernels.vector.Floats.at;
import static io.github.simcse4j.kernels.vector.Floats.fill;
import static io.github.simcse4j.kernels.vector.Floats.load;
import static io.github.simcse4j.kernels.vector.Floats.store;
import static jdk.incubator.vector.VectorOperators.GT;
import static jdk.incubator.vector.VectorOperators.MAX;

import jdk.incubator.vector.FloatVector;

/**
 * Softmax over rows of scratch, each padded to whole vectors. Numbers after the last are set to
 * minus infinity first, so that what follows needs no masks: they add e^-87 to a sum of at least 1.
 */
final class SoftmaxRows {

  private SoftmaxRows() {}

  /** x = softmax(scale x) in place; returns log sum exp(scale x). */
  static float softmax(long x, int n, float scale) {
    float max = maximum(x, n);
    exponentials(x, n, max, scale);
    float sum = sum(x, n);
    scale(x, n, 1 / sum);
    return (float) (max * scale + Math.log(sum));
  }

  /** The largest of n numbers. */
  static float maximum(long x, int n) {
    FloatVector max = FloatVector.broadcast(SPECIES, Float.NEGATIVE_INFINITY);
    for (int i = 0; i < n; i += LANES) {
      FloatVector value = fill(load(at(x, i)), Float.NEGATIVE_INFINITY, i, n);
      store(value, at(x, i));
      max = max.blend(value, value.compare(GT, max));
    }
    return max.reduceLanes(MAX);
  }

  /** x = exp(scale (x - shift)) in place over whole vectors. */
  static void exponentials(long x, int n, float shift, float scale) {
    for (int i = 0; i < n; i += LANES) {
      FloatVector value = FloatVector.fromMemorySegment(SPECIES, MEMORY, x, ORDER);
      VectorMath.exp(value.sub(shift).mul(scale)).intoMemorySegment(MEMORY, x, ORDER);
      x += Floats.VECTOR;
    }
  }

  /** The sum of whole vectors. */
  static float sum(long x, int n) {
    FloatVector sum = FloatVector.zero(SPECIES);
    for (int i = 0; i < n; i += LANES) {
      sum = sum.add(load(at(x, i)));
    }
    return Floats.sum(sum);
  }

  /** x = exp(x - shifts) in place; whole vectors of x, n shifts. */
  static void exponentialsLess(long x, long shifts, int n) {
    for (int i = 0; i < n; i += LANES) {
      FloatVector value = load(at(x, i)).sub(load(shifts, i, n));
      VectorMath.exp(value).intoMemorySegment(MEMORY, x + (long) i * Float.BYTES, ORDER);
    }
  }

  /** x = factor x in place over whole vectors. */
  static void scale(long x, int n, float factor) {
    for (int i = 0; i < n; i += LANES) {
      store(load(at(x, i)).mul(factor), at(x, i));
    }
  }

  /** x = factor factors x in place over whole vectors. */
  static void scaleEach(long x, long factors, int n, float factor) {
    for (int i = 0; i < n; i += LANES) {
      store(load(at(x, i)).mul(load(at(factors, i))).mul(factor), at(x, i));
    }
  }

  /** x += y over whole vectors. */
  static void add(long x, long y, int n) {
    for (int i = 0; i < n; i += LANES) {
      store(load(at(x, i)).add(load(at(y, i))), at(x, i));
    }
  }

  /** out = x over whole vectors. */
  static void copy(long x, int n, long out) {
    for (int i = 0; i < n; i += LANES) {
      store(load(at(x, i)), at(out, i));
    }
  }

  /**
   * The way back through dropout and softmax, in place: scores become what the values were weighted
   * by, and gradients of those become gradients of the scores.
   *
   * @param x softmax of the scores, overwritten with x * factors
   * @param d gradient of x * factors, overwritten with x (d factors - along) scale
   * @param along the row's gradient along its output
   */
  static void backward(long x, long d, long factors, int n, float along, float scale) {
    for (int i = 0; i < n; i += LANES) {
      FloatVector probability = load(at(x, i));
      FloatVector factor = load(at(factors, i));
      FloatVector through = load(at(d, i)).mul(factor).sub(along).mul(scale);
      store(probability.mul(factor), at(x, i));
      store(probability.mul(through), at(d, i));
    }
  }

  /** a . b, of numbers that no scratch pads. */
  static float dot(long a, long b, int n) {
    FloatVector sum = FloatVector.zero(SPECIES);
    for (int i = 0; i < n; i += LANES) {
      sum = load(a, i, n).fma(load(b, i, n), sum);
    }
    return Floats.sum(sum);
  }
}
