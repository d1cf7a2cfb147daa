package io.github.simcse4j.kernels.vector;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.function.DoubleUnaryOperator;
import org.junit.jupiter.api.Test;

class VectorMathTest {

  private static final int COUNT = 1 << 14;

  private interface Function {
    void run(long x, int count);
  }

  /** The largest relative error over evenly spaced arguments. */
  private static double error(
      Function function, DoubleUnaryOperator truth, double from, double to) {
    try (Scratch scratch = new Scratch(1)) {
      long x = scratch.shared(COUNT);
      float[] arguments = new float[COUNT];
      for (int i = 0; i < COUNT; i++) {
        arguments[i] = (float) (from + (to - from) * i / (COUNT - 1));
        Floats.put(Floats.at(x, i), arguments[i]);
      }
      function.run(x, COUNT);
      double worst = 0;
      for (int i = 0; i < COUNT; i++) {
        double expected = truth.applyAsDouble(arguments[i]);
        double distance = Math.abs(Floats.get(Floats.at(x, i)) - expected);
        worst = Math.max(worst, expected == 0 ? distance : distance / Math.abs(expected));
      }
      return worst;
    }
  }

  private static void exp(long x, int count) {
    SoftmaxRows.exponentials(x, count, 0f, 1f);
  }

  @Test
  void expIsRightToTheLastDigits() {
    assertTrue(error(VectorMathTest::exp, Math::exp, -87, 88) < 2e-7);
    assertTrue(error(VectorMathTest::exp, Math::exp, -1, 1) < 2e-7);
  }

  @Test
  void tanhIsRightToTheLastDigits() {
    assertTrue(error(VectorMath::tanh, Math::tanh, -12, 12) < 2e-7);
    assertTrue(error(VectorMath::tanh, Math::tanh, -1e-3, 1e-3) < 2e-7);
  }

  @Test
  void expPassesNanAndEndsAtMinus87() {
    try (Scratch scratch = new Scratch(1)) {
      long x = scratch.shared(Floats.LANES);
      float[] arguments = {Float.NaN, Float.NEGATIVE_INFINITY};
      for (int i = 0; i < Floats.LANES; i++) {
        Floats.put(Floats.at(x, i), arguments[i % 2]);
      }
      exp(x, Floats.LANES);
      assertTrue(Float.isNaN(Floats.get(x)));
      assertEquals(Math.exp(-87), Floats.get(Floats.at(x, 1)), 1e-40);
    }
  }
}
