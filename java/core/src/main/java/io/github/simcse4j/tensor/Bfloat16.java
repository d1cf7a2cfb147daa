package io.github.simcse4j.tensor;

/** The type BF16: the upper half of an F32, with its range and 8 bits of precision. */
public final class Bfloat16 {

  private Bfloat16() {}

  /** The nearest number, the even one of two; NaN stays NaN. */
  public static short of(float value) {
    int bits = Float.floatToRawIntBits(value);
    if (Float.isNaN(value)) {
      // Rounding could carry a NaN over to infinity or to 0.
      return (short) (bits >>> 16 | 0x40);
    }
    return (short) (bits + 0x7FFF + (bits >>> 16 & 1) >>> 16);
  }

  /** The same number as a float. */
  public static float toFloat(short bits) {
    return Float.intBitsToFloat(bits << 16);
  }
}
