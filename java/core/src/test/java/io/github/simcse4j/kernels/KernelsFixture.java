package io.github.simcse4j.kernels;

import io.github.simcse4j.tensor.Bfloat16;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Memory;
import io.github.simcse4j.tensor.Shape;
import io.github.simcse4j.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Assertions;

/**
 * Tensors on a backend for one test: seeded inputs, poisoned outputs, and guard zones around each.
 * Memory is reached through the backend's own copies alone, so that it may lie on a device.
 *
 * <p>Two fixtures of one seed and one value type hold the same numbers, whatever type they compute
 * in. That is how a backend is compared with the reference.
 */
public final class KernelsFixture implements AutoCloseable {

  /** Bytes before and after every tensor. */
  private static final int GUARD = 128;

  private static final int BLOCK = 1 << 18;

  /** Around outputs: no NaN, so that a NaN written there shows. */
  private static final byte FENCE = (byte) 0xA5;

  /** In outputs and around inputs: a NaN in every float type, so that what is read shows. */
  private static final byte POISON = (byte) 0xFF;

  /**
   * What a scenario hands over for comparison.
   *
   * @param scale see {@link Closeness#of(double[], double[], double)}
   */
  public record Result(DType dtype, double[] values, byte[] bytes, double scale) {}

  /** A tensor with its guards: where it lies, what was put there, and whether it may change. */
  private record Region(Tensor tensor, Tensor guarded, byte[] content, boolean mutable) {}

  private final Kernels kernels;
  private final DType dtype;
  private final DType valueType;
  private final Random random;
  private final List<Memory> blocks = new ArrayList<>();
  private final List<Region> regions = new ArrayList<>();
  private final Map<String, Result> results = new LinkedHashMap<>();
  private long used;

  /** A fixture whose tensors are {@code dtype} and whose numbers fit it. */
  public KernelsFixture(Kernels kernels, DType dtype, long seed) {
    this(kernels, dtype, dtype, seed);
  }

  /**
   * @param dtype type of activations on this backend
   * @param valueType type to which all numbers are rounded first
   */
  public KernelsFixture(Kernels kernels, DType dtype, DType valueType, long seed) {
    this.kernels = kernels;
    this.dtype = dtype;
    this.valueType = valueType;
    this.random = new Random(seed);
  }

  public Kernels kernels() {
    return kernels;
  }

  public DType dtype() {
    return dtype;
  }

  public DType accumulator() {
    return Kernels.accumulator(dtype);
  }

  public Random random() {
    return random;
  }

  // --- numbers

  /** Normally distributed numbers. */
  public double[] normal(long count) {
    double[] values = new double[Math.toIntExact(count)];
    Arrays.setAll(values, i -> random.nextGaussian());
    return values;
  }

  /** The same with one in a hundred, and one at least, ten thousand times as large. */
  public double[] spiky(long count) {
    double[] values = normal(count);
    for (int spike = 0; spike <= values.length / 100; spike++) {
      values[random.nextInt(values.length)] *= 1e4;
    }
    return values;
  }

  // --- tensors

  /** An input of normal numbers in the type of activations. */
  public Tensor activations(long... extents) {
    return input(dtype, normal(Shape.of(extents).elements()), extents);
  }

  /** The same, with outliers or without. */
  public Tensor activations(boolean spikes, long... extents) {
    long count = Shape.of(extents).elements();
    return input(dtype, spikes ? spiky(count) : normal(count), extents);
  }

  /** An input of normal numbers in the accumulator's type. */
  public Tensor parameters(long... extents) {
    return input(accumulator(), normal(Shape.of(extents).elements()), extents);
  }

  /** A tensor that no operation may change. */
  public Tensor input(DType type, double[] values, long... extents) {
    return region(type, Shape.of(extents), values, false);
  }

  /** A tensor that is read and changed. */
  public Tensor inOut(DType type, double[] values, long... extents) {
    return region(type, Shape.of(extents), values, true);
  }

  /** A poisoned output in the type of activations. */
  public Tensor output(long... extents) {
    return output(dtype, extents);
  }

  /** A poisoned output: NaN in every element, or -1. */
  public Tensor output(DType type, long... extents) {
    return region(type, Shape.of(extents), null, true);
  }

  /** Puts other numbers into a tensor that is read and changed. */
  public void upload(Tensor tensor, double[] values) {
    byte[] content = new byte[GUARD + values.length * tensor.dtype().bytes()];
    encode(values, tensor.dtype(), content);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment staging = arena.allocate(content.length - GUARD, 64);
      staging.copyFrom(MemorySegment.ofArray(content).asSlice(GUARD));
      kernels.upload(Tensor.over(staging, tensor.dtype(), tensor.shape().extents()), tensor);
      kernels.synchronize();
    }
  }

  /** Poisoned statistics of so many rows. */
  public RowStatistics rowStatistics(long rows) {
    return new RowStatistics(output(accumulator(), rows), output(accumulator(), rows));
  }

  /** A layer normalisation with random parameters. */
  public LayerNorm layerNorm(long hidden) {
    return new LayerNorm(parameters(hidden), parameters(hidden), 1e-12f);
  }

  private Tensor region(DType type, Shape shape, double[] values, boolean mutable) {
    int bytes = Math.toIntExact(shape.elements() * type.bytes());
    byte[] content = new byte[GUARD + bytes + GUARD];
    Arrays.fill(content, mutable ? FENCE : POISON);
    if (values == null) {
      Arrays.fill(content, GUARD, GUARD + bytes, POISON);
    } else {
      encode(values, type, content);
    }
    long offset = place(content.length);
    Memory block = blocks.getLast();
    Tensor guarded = new Tensor(block, offset, DType.U8, Shape.of(content.length));
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment staging = arena.allocate(content.length);
      staging.copyFrom(MemorySegment.ofArray(content));
      kernels.upload(Tensor.over(staging, DType.U8, content.length), guarded);
      kernels.synchronize();
    }
    Tensor tensor = new Tensor(block, offset + GUARD, type, shape);
    regions.add(new Region(tensor, guarded, content, mutable));
    return tensor;
  }

  private long place(int bytes) {
    if (blocks.isEmpty() || bytes > blocks.getLast().byteSize() - used) {
      blocks.add(kernels.allocate(Math.max(bytes, BLOCK)));
      used = 0;
    }
    long offset = used;
    used = Math.min(blocks.getLast().byteSize(), (offset + bytes + 63) & -64);
    return offset;
  }

  private void encode(double[] values, DType type, byte[] content) {
    MemorySegment bytes = MemorySegment.ofArray(content).asSlice(GUARD);
    for (int i = 0; i < values.length; i++) {
      switch (type) {
        case F64 -> bytes.set(ValueLayout.JAVA_DOUBLE_UNALIGNED, i * 8L, rounded(values[i]));
        case F32 -> bytes.set(ValueLayout.JAVA_FLOAT_UNALIGNED, i * 4L, (float) rounded(values[i]));
        case BF16 ->
            bytes.set(ValueLayout.JAVA_SHORT_UNALIGNED, i * 2L, Bfloat16.of((float) values[i]));
        case I64 -> bytes.set(ValueLayout.JAVA_LONG_UNALIGNED, i * 8L, (long) values[i]);
        case I32 -> bytes.set(ValueLayout.JAVA_INT_UNALIGNED, i * 4L, (int) (long) values[i]);
        default -> throw new IllegalArgumentException("no numbers of type " + type);
      }
    }
  }

  /** The nearest number that the value type holds. */
  private double rounded(double value) {
    return switch (valueType) {
      case BF16 -> Bfloat16.toFloat(Bfloat16.of((float) value));
      case F32 -> (float) value;
      default -> value;
    };
  }

  // --- looking at them

  /** The elements of a tensor, fetched from the backend. */
  public double[] values(Tensor tensor) {
    try (Arena arena = Arena.ofConfined()) {
      Tensor host = fetch(tensor, arena);
      double[] values = new double[(int) tensor.elements()];
      Arrays.setAll(values, host::get);
      return values;
    }
  }

  /** The bytes of a tensor, fetched from the backend. */
  public byte[] bytes(Tensor tensor) {
    try (Arena arena = Arena.ofConfined()) {
      return fetch(tensor, arena).segment().toArray(ValueLayout.JAVA_BYTE);
    }
  }

  private Tensor fetch(Tensor tensor, Arena arena) {
    long bytes = tensor.elements() * tensor.dtype().bytes();
    Tensor host = Tensor.over(arena.allocate(bytes, 64), tensor.dtype(), tensor.shape().extents());
    kernels.download(tensor, host);
    return host;
  }

  /** Hands a tensor over for comparison, as it is now. */
  public void result(String name, Tensor tensor) {
    result(name, tensor, 0);
  }

  /** The same for numbers that may cancel to far below {@code scale}. */
  public void result(String name, Tensor tensor, double scale) {
    results.put(name, new Result(tensor.dtype(), values(tensor), bytes(tensor), scale));
  }

  /** Everything handed over so far. */
  public Map<String, Result> results() {
    return results;
  }

  /** Fails when a guard zone or an input has changed. */
  public void assertNothingElseWritten(String label) {
    for (Region region : regions) {
      byte[] now = bytes(region.guarded());
      int end = now.length - GUARD;
      for (int i = 0; i < now.length; i++) {
        boolean inside = i >= GUARD && i < end;
        if (now[i] != region.content()[i] && !(inside && region.mutable())) {
          Assertions.fail(
              label
                  + ": byte "
                  + (i - GUARD)
                  + " of "
                  + region.tensor()
                  + " was written, "
                  + (inside ? "an input" : "outside the tensor"));
        }
      }
    }
  }

  /** Fails when anything at all has changed. */
  public void assertNothingWritten(String label) {
    for (Region region : regions) {
      Assertions.assertArrayEquals(
          region.content(),
          bytes(region.guarded()),
          label + ": " + region.tensor() + " was written");
    }
  }

  @Override
  public void close() {
    blocks.forEach(Memory::close);
  }
}
