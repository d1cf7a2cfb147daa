package io.github.simcse4j.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import io.github.simcse4j.tensor.DType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

class FloatDecoderTest {

  private static final int HALVES = 1 << 16;

  @Test
  void decodesEveryHalf() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment floats = FloatDecoder.decode(DType.F16, everyPattern(arena), arena);
      for (int bits = 0; bits < HALVES; bits++) {
        assertBits(Float.float16ToFloat((short) bits), floats, bits);
      }
    }
  }

  @Test
  void decodesEveryBrainFloat() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment floats = FloatDecoder.decode(DType.BF16, everyPattern(arena), arena);
      for (int bits = 0; bits < HALVES; bits++) {
        assertBits(Float.intBitsToFloat(bits << 16), floats, bits);
      }
    }
  }

  @Test
  void copiesSinglesOnlyWhereTheyAreNotAligned() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment memory = arena.allocate(16, 8);
      memory.set(ValueLayout.JAVA_FLOAT_UNALIGNED, 5, 1.25f);
      MemorySegment aligned = memory.asSlice(4, 8);
      assertEquals(aligned, FloatDecoder.decode(DType.F32, aligned, arena));
      MemorySegment copy = FloatDecoder.decode(DType.F32, memory.asSlice(5, 8), arena);
      assertNotEquals(memory.address() + 5, copy.address());
      assertEquals(1.25f, copy.getAtIndex(ValueLayout.JAVA_FLOAT, 0));
    }
  }

  @Test
  void findsTheFirstNumberThatIsNotFinite() {
    float[] bad = {
      Float.NaN,
      Float.POSITIVE_INFINITY,
      Float.NEGATIVE_INFINITY,
      Float.intBitsToFloat(0xff800001),
      Float.intBitsToFloat(0x7fffffff)
    };
    for (int size : new int[] {1, 4095, 4096, 4097, 10_000}) {
      for (float value : bad) {
        for (int at : new int[] {0, size / 2, size - 1}) {
          float[] values = new float[size];
          Arrays.fill(values, -Float.MAX_VALUE);
          assertEquals(-1, FloatDecoder.firstNotFinite(MemorySegment.ofArray(values)));
          values[size - 1] = Float.NaN;
          values[at] = value;
          assertEquals(at, FloatDecoder.firstNotFinite(MemorySegment.ofArray(values)));
        }
      }
    }
    float[] finite = {0f, -0f, Float.MIN_VALUE, -Float.MIN_VALUE, Float.MAX_VALUE};
    assertEquals(-1, FloatDecoder.firstNotFinite(MemorySegment.ofArray(finite)));
    assertEquals(-1, FloatDecoder.firstNotFinite(MemorySegment.ofArray(new float[0])));
  }

  /** All 65,536 patterns of 16 bits, at an odd address. */
  private static MemorySegment everyPattern(Arena arena) {
    MemorySegment halves = arena.allocate(2L * HALVES + 1, 2).asSlice(1);
    for (int bits = 0; bits < HALVES; bits++) {
      halves.set(ValueLayout.JAVA_SHORT_UNALIGNED, 2L * bits, (short) bits);
    }
    return halves;
  }

  private static void assertBits(float expected, MemorySegment floats, int index) {
    float found = floats.getAtIndex(ValueLayout.JAVA_FLOAT, index);
    if (Float.isNaN(expected)) {
      assertEquals(expected, found, "pattern " + index);
    } else {
      assertEquals(
          Float.floatToRawIntBits(expected), Float.floatToRawIntBits(found), "pattern " + index);
    }
  }
}
