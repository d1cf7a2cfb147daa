package io.github.simcse4j.kernels.vector;

import static io.github.simcse4j.kernels.vector.Floats.LANES;
import static io.github.simcse4j.kernels.vector.Floats.MEMORY;
import static io.github.simcse4j.kernels.vector.Floats.ORDER;
import static io.github.simcse4j.kernels.vector.Floats.SPECIES;
import static io.github.simcse4j.kernels.vector.Floats.VECTOR;
import static jdk.incubator.vector.VectorOperators.FMA;
import static jdk.incubator.vector.VectorOperators.GE;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.LT;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;

/**
 * Elementary functions. The coefficients are minimax fits of relative error, found for this class.
 * Measured relative error: exp and tanh below 2e-7, gelu below 1e-6 from -5 upwards and below 5e-6
 * in the tail before it.
 *
 * <p>After some thirty vector operations in a loop, C2 inlines only what forces it to (its
 * NodeCountInliningCutoff), and a vector that goes to a method that is not inlined is boxed. So
 * these bodies call nothing but the Vector API itself, and the loops call our own methods first.
 */
final class VectorMath {

  private static final float LOG2_E = 1.44269504f;
  // ln 2 in two parts; the first has zeros at its end, so that its product with an integer is exact
  private static final float LN2_HIGH = 0.693359375f;
  private static final float LN2_LOW = -2.12194440e-4f;
  // 1.5 * 2^23: adding it leaves the nearest integer in the lowest bits
  private static final float ROUND = 12582912f;
  private static final float EXP_LOWEST = -87f;
  private static final float INVERSE_ROOT_2_PI = 0.39894228f;

  private VectorMath() {}

  /** e^x for x up to 88; e^-87 below -87, NaN for NaN. */
  static FloatVector exp(FloatVector x) {
    FloatVector y = x.blend(EXP_LOWEST, x.compare(LT, EXP_LOWEST));
    FloatVector shifted = y.mul(LOG2_E).add(ROUND);
    FloatVector n = shifted.sub(ROUND);
    FloatVector r = n.lanewise(FMA, -LN2_HIGH, y);
    r = n.lanewise(FMA, -LN2_LOW, r);
    FloatVector p = r.fma(0.0013814596f, 0.0083687175f);
    p = p.lanewise(FMA, r, 0.04166839f);
    p = p.lanewise(FMA, r, 0.16666521f);
    p = p.lanewise(FMA, r, 0.49999994f);
    p = p.mul(r).fma(r, r).add(1f);
    return shifted
        .reinterpretAsInts()
        .lanewise(LSHL, 23)
        .add(p.reinterpretAsInts())
        .reinterpretAsFloats();
  }

  /**
   * The normal distribution function at x, right to the ends of its tails.
   *
   * @param bell e^(-x^2 / 2)
   */
  private static FloatVector normalCdf(FloatVector x, FloatVector bell) {
    FloatVector one = FloatVector.broadcast(SPECIES, 1f);
    FloatVector t = one.div(x.abs().fma(0.35f, 1f));
    FloatVector p = t.fma(0.0489426f, -0.2021199f);
    p = p.lanewise(FMA, t, 0.24064182f);
    p = p.lanewise(FMA, t, -0.017024292f);
    p = p.lanewise(FMA, t, 0.1559619f);
    p = p.lanewise(FMA, t, 0.13335499f);
    p = p.lanewise(FMA, t, 0.14027035f);
    p = p.lanewise(FMA, t, -2.7316339e-5f);
    FloatVector tail = p.mul(bell);
    VectorMask<Float> upper = x.compare(GE, 0f);
    return tail.blend(one.sub(tail), upper);
  }

  /** gelu(x) = x / 2 (1 + erf(x / sqrt 2)) in place; {@code count} is a multiple of the vector. */
  static void gelu(long x, int count) {
    for (int i = 0; i < count; i += LANES) {
      FloatVector value = FloatVector.fromMemorySegment(SPECIES, MEMORY, x, ORDER);
      FloatVector cdf = normalCdf(value, exp(value.mul(value).mul(-0.5f)));
      value.mul(cdf).intoMemorySegment(MEMORY, x, ORDER);
      x += VECTOR;
    }
  }

  /**
   * gelu and its derivative, which share their costly parts; {@code count} is a multiple of the
   * vector.
   *
   * @param x overwritten with gelu(x)
   * @param gradient multiplied by gelu'(x)
   */
  static void geluBackward(long x, long gradient, int count) {
    for (int i = 0; i < count; i += LANES) {
      FloatVector value = FloatVector.fromMemorySegment(SPECIES, MEMORY, x, ORDER);
      FloatVector bell = exp(value.mul(value).mul(-0.5f));
      FloatVector cdf = normalCdf(value, bell);
      FloatVector slope = value.mul(INVERSE_ROOT_2_PI).fma(bell, cdf);
      FloatVector given = FloatVector.fromMemorySegment(SPECIES, MEMORY, gradient, ORDER);
      given.mul(slope).intoMemorySegment(MEMORY, gradient, ORDER);
      value.mul(cdf).intoMemorySegment(MEMORY, x, ORDER);
      x += VECTOR;
      gradient += VECTOR;
    }
  }

  /** tanh in place; {@code count} is a multiple of the vector. */
  static void tanh(long x, int count) {
    for (int i = 0; i < count; i += LANES) {
      FloatVector value = FloatVector.fromMemorySegment(SPECIES, MEMORY, x, ORDER);
      FloatVector e = exp(value.abs().mul(-2f));
      FloatVector large = FloatVector.broadcast(SPECIES, 1f).sub(e).div(e.add(1f));
      large = large.blend(large.neg(), value.compare(LT, 0f));
      FloatVector square = value.mul(value);
      FloatVector p = square.fma(-0.005717037f, 0.020650579f);
      p = p.lanewise(FMA, square, -0.053743497f);
      p = p.lanewise(FMA, square, 0.13331491f);
      p = p.lanewise(FMA, square, -0.33333284f);
      FloatVector small = p.mul(square).fma(value, value);
      large.blend(small, square.compare(LT, 0.390625f)).intoMemorySegment(MEMORY, x, ORDER);
      x += VECTOR;
    }
  }
}
