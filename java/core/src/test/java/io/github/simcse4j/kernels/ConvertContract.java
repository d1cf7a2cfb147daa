package io.github.simcse4j.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Tensor;
import java.util.Arrays;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** From one float type to another. */
interface ConvertContract extends KernelsContract {

  /** Signed zeros, the smallest and largest numbers, and halves between two BF16 of either side. */
  float[] CONVERSION_POINTS = {
    0f,
    -0f,
    1f,
    -2f,
    Float.MIN_VALUE,
    -Float.MIN_NORMAL,
    0x1.01p0f,
    0x1.03p0f,
    -0x1.010002p0f,
    0x1.02fffep0f,
    0x1.ffp10f,
    Float.MAX_VALUE,
    -0x1.fefffep127f,
    Float.POSITIVE_INFINITY,
    Float.NEGATIVE_INFINITY
  };

  @ParameterizedTest
  @ValueSource(ints = {1, 15, 16, 17, 33, 1000, 20_011})
  default void convert(int count) {
    String label = count + " elements";
    if (!kernels().supports(DType.BF16)) {
      refusesToConvert(label);
      return;
    }
    try (KernelsFixture fixture = new KernelsFixture(kernels(), DType.F32, seed(label))) {
      double[] values = fixture.spiky(count);
      for (int i = 0; i < Math.min(count, CONVERSION_POINTS.length); i++) {
        values[i] = CONVERSION_POINTS[i];
      }
      Tensor floats = fixture.input(DType.F32, values, count);
      Tensor rounded = fixture.output(DType.BF16, count);
      Tensor back = fixture.output(DType.F32, count);
      kernels().convert(floats, rounded);
      kernels().convert(rounded, back);
      double[] expected =
          Arrays.stream(fixture.values(floats)).map(ConvertContract::bfloat16).toArray();
      assertArrayEquals(expected, fixture.values(rounded), label);
      assertArrayEquals(expected, fixture.values(back), label);
      fixture.assertNothingElseWritten(label);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {0x7FC00000, 0x7F800001, 0x7FFFFFFF, 0xFFFFFFFF})
  default void nanStaysNan(int bits) {
    if (!kernels().supports(DType.BF16)) {
      return;
    }
    try (KernelsFixture fixture = new KernelsFixture(kernels(), DType.F32, 1)) {
      double[] values = {1, Float.intBitsToFloat(bits), 2};
      Tensor rounded = fixture.output(DType.BF16, 3);
      kernels().convert(fixture.input(DType.F32, values, 3), rounded);
      assertTrue(Double.isNaN(fixture.values(rounded)[1]));
    }
  }

  private void refusesToConvert(String label) {
    try (KernelsFixture fixture = new KernelsFixture(kernels(), DType.F32, seed(label))) {
      Tensor floats = fixture.parameters(3);
      Tensor rounded = fixture.output(DType.BF16, 3);
      assertThrows(IllegalArgumentException.class, () -> kernels().convert(floats, rounded));
      fixture.assertNothingWritten(label);
    }
  }

  /**
   * The nearest number with 8 bits of precision, found by its distance to the two around it; the
   * one with an even last bit where both are as near.
   */
  static double bfloat16(double value) {
    double size = Math.abs(value);
    double spacing = Math.max(Math.ulp((float) size), Float.MIN_VALUE) * 0x1p16;
    double below = Math.floor(size / spacing) * spacing;
    double above = below + spacing;
    boolean up = above - size < size - below;
    if (above - size == size - below) {
      up = Math.rint(below / spacing / 2) * 2 != below / spacing;
    }
    double nearest = Double.isInfinite(size) ? size : up ? above : below;
    return Math.copySign((float) nearest, value);
  }
}
