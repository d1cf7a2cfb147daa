package io.github.simcse4j.kernels.vector;

import io.github.simcse4j.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorShuffle;
import jdk.incubator.vector.VectorSpecies;

/**
 * Numbers at absolute addresses, the one way in which this package reads and writes memory.
 * Allocated and mapped segments are of different classes: a loop that meets both is compiled for
 * both, with a type check and a box at every access. One constant segment over all memory is of one
 * class for ever, its bounds and its scope fold away, and panels packed in it can be aligned to a
 * cache line, which an array cannot. The price is that an address is only as right as its caller:
 * the contract has checked every shape before, and {@link #address} checks that the memory is still
 * there.
 */
final class Floats {

  static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;

  /** Numbers in a vector, a power of two. */
  static final int LANES = SPECIES.length();

  /** Bytes of a vector. */
  static final int VECTOR = LANES * Float.BYTES;

  static final MemorySegment MEMORY = MemorySegment.NULL.reinterpret(Long.MAX_VALUE);
  static final ByteOrder ORDER = ByteOrder.nativeOrder();

  private static final VectorShuffle<Float> TURN_8 = SPECIES.iotaShuffle(8, 1, true);
  private static final VectorShuffle<Float> TURN_4 = SPECIES.iotaShuffle(4, 1, true);
  private static final VectorShuffle<Float> TURN_2 = SPECIES.iotaShuffle(2, 1, true);
  private static final VectorShuffle<Float> TURN_1 = SPECIES.iotaShuffle(1, 1, true);

  private Floats() {}

  /** Where a host tensor starts. */
  static long address(Tensor tensor) {
    MemorySegment segment = tensor.segment();
    if (!segment.scope().isAlive()) {
      throw new IllegalStateException("the memory of " + tensor + " is closed");
    }
    return segment.address();
  }

  /** The same, 0 for null. */
  static long addressOrNull(Tensor tensor) {
    return tensor == null ? 0 : address(tensor);
  }

  /** Where number {@code index} after {@code address} is. */
  static long at(long address, long index) {
    return address + index * Float.BYTES;
  }

  /** {@code count} rounded up to whole vectors. */
  static int padded(int count) {
    return (count + LANES - 1) & -LANES;
  }

  static FloatVector load(long address) {
    return FloatVector.fromMemorySegment(SPECIES, MEMORY, address, ORDER);
  }

  static void store(FloatVector vector, long address) {
    vector.intoMemorySegment(MEMORY, address, ORDER);
  }

  /** Numbers i, i + 1, ... of the {@code count} at {@code address}; lanes after the last are 0. */
  static FloatVector load(long address, int i, int count) {
    long at = address + (long) i * Float.BYTES;
    return i + LANES <= count
        ? FloatVector.fromMemorySegment(SPECIES, MEMORY, at, ORDER)
        : FloatVector.fromMemorySegment(SPECIES, MEMORY, at, ORDER, mask(i, count));
  }

  /**
   * Writes numbers i, i + 1, ... of the {@code count} at {@code address} and nothing after the
   * last.
   */
  static void store(FloatVector vector, long address, int i, int count) {
    long at = address + (long) i * Float.BYTES;
    if (i + LANES <= count) {
      vector.intoMemorySegment(MEMORY, at, ORDER);
    } else {
      vector.intoMemorySegment(MEMORY, at, ORDER, mask(i, count));
    }
  }

  /** The vector with {@code filler} in the lanes after the last of {@code count} numbers. */
  static FloatVector fill(FloatVector vector, float filler, int i, int count) {
    return i + LANES <= count ? vector : vector.blend(filler, mask(i, count).not());
  }

  /**
   * The sum of the lanes, by halves. The order of {@code reduceLanes} is not specified, and it
   * differs between interpreted and compiled code: a result would depend on when the compiler was
   * done.
   */
  static float sum(FloatVector vector) {
    FloatVector sum = vector;
    if (LANES > 16) {
      return sumOfMany(vector);
    }
    if (LANES == 16) {
      sum = sum.add(sum.rearrange(TURN_8));
    }
    if (LANES >= 8) {
      sum = sum.add(sum.rearrange(TURN_4));
    }
    if (LANES >= 4) {
      sum = sum.add(sum.rearrange(TURN_2));
    }
    return sum.add(sum.rearrange(TURN_1)).lane(0);
  }

  private static float sumOfMany(FloatVector vector) {
    float sum = 0;
    for (float lane : vector.toArray()) {
      sum += lane;
    }
    return sum;
  }

  private static VectorMask<Float> mask(int i, int count) {
    return SPECIES.indexInRange(i, count);
  }

  static float get(long address) {
    return MEMORY.get(ValueLayout.JAVA_FLOAT_UNALIGNED, address);
  }

  static void put(long address, float value) {
    MEMORY.set(ValueLayout.JAVA_FLOAT_UNALIGNED, address, value);
  }

  static int getInt(long address) {
    return MEMORY.get(ValueLayout.JAVA_INT_UNALIGNED, address);
  }

  static void putInt(long address, int value) {
    MEMORY.set(ValueLayout.JAVA_INT_UNALIGNED, address, value);
  }

  static long getLong(long address) {
    return MEMORY.get(ValueLayout.JAVA_LONG_UNALIGNED, address);
  }

  static void putShort(long address, short value) {
    MEMORY.set(ValueLayout.JAVA_SHORT_UNALIGNED, address, value);
  }

  static void putByte(long address, byte value) {
    MEMORY.set(ValueLayout.JAVA_BYTE, address, value);
  }

  static void copy(long from, long to, long count) {
    MemorySegment.copy(MEMORY, from, MEMORY, to, count * Float.BYTES);
  }

  static void zero(long address, long count) {
    MEMORY.asSlice(address, count * Float.BYTES).fill((byte) 0);
  }
}
