package io.github.simcse4j.model;

import io.github.simcse4j.tensor.DType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/** Turns stored F32, F16 and BF16 into F32 in memory, and finds numbers that are not finite. */
final class FloatDecoder {

  /** Enough for a whole vector register to work on, small enough to stay in the first cache. */
  private static final long BLOCK = 4096;

  private static final int MAGNITUDE = 0x7fffffff;
  private static final int SMALLEST_NORMAL = 0x00800000;

  private static final ValueLayout.OfShort SHORT =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private FloatDecoder() {}

  /** Whether {@link #decode} takes this type. */
  static boolean decodes(DType dtype) {
    return dtype == DType.F32 || dtype == DType.F16 || dtype == DType.BF16;
  }

  /**
   * The elements as F32 aligned to 4 bytes: the same memory where it is that already, else a copy
   * in {@code arena}.
   */
  static MemorySegment decode(DType dtype, MemorySegment data, Arena arena) {
    return switch (dtype) {
      case F32 -> data.address() % Float.BYTES == 0 ? data : copy(data, arena);
      case F16 -> {
        MemorySegment floats = arena.allocate(2 * data.byteSize(), Float.BYTES);
        for (long i = 0, n = data.byteSize() / Short.BYTES; i < n; i++) {
          float value = Float.float16ToFloat(data.get(SHORT, i * Short.BYTES));
          floats.setAtIndex(ValueLayout.JAVA_FLOAT, i, value);
        }
        yield floats;
      }
      case BF16 -> {
        MemorySegment floats = arena.allocate(2 * data.byteSize(), Float.BYTES);
        for (long i = 0, n = data.byteSize() / Short.BYTES; i < n; i++) {
          int bits = data.get(SHORT, i * Short.BYTES) << Short.SIZE;
          floats.setAtIndex(ValueLayout.JAVA_INT, i, bits);
        }
        yield floats;
      }
      default -> throw new IllegalArgumentException(dtype + " is not decoded to F32");
    };
  }

  /** The index of the first NaN or infinity, or -1. */
  static long firstNotFinite(MemorySegment floats) {
    long count = floats.byteSize() / Float.BYTES;
    for (long start = 0; start < count; start += BLOCK) {
      long end = Math.min(start + BLOCK, count);
      if (!finite(floats, start, end)) {
        return firstNotFinite(floats, start, end);
      }
    }
    return -1;
  }

  /** An exponent of all ones, and no other, carries into the sign bit. */
  private static boolean finite(MemorySegment floats, long start, long end) {
    int carried = 0;
    for (long i = start; i < end; i++) {
      carried |= (floats.getAtIndex(ValueLayout.JAVA_INT, i) & MAGNITUDE) + SMALLEST_NORMAL;
    }
    return carried >= 0;
  }

  private static long firstNotFinite(MemorySegment floats, long start, long end) {
    for (long i = start; i < end; i++) {
      if (!Float.isFinite(floats.getAtIndex(ValueLayout.JAVA_FLOAT, i))) {
        return i;
      }
    }
    return -1;
  }

  private static MemorySegment copy(MemorySegment data, Arena arena) {
    return arena.allocate(data.byteSize(), Float.BYTES).copyFrom(data);
  }
}
