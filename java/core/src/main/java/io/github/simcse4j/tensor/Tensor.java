package io.github.simcse4j.tensor;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * A dense row-major array: a stretch of memory, an element type and a shape. It holds no maths and
 * owns nothing; its memory's owner decides how long it lives.
 */
public final class Tensor {

  private static final ValueLayout.OfFloat F32 = ValueLayout.JAVA_FLOAT_UNALIGNED;
  private static final ValueLayout.OfShort I16 = ValueLayout.JAVA_SHORT_UNALIGNED;
  private static final ValueLayout.OfInt I32 = ValueLayout.JAVA_INT_UNALIGNED;
  private static final ValueLayout.OfLong I64 = ValueLayout.JAVA_LONG_UNALIGNED;
  private static final ValueLayout.OfDouble F64 = ValueLayout.JAVA_DOUBLE_UNALIGNED;

  private final Memory memory;
  private final long byteOffset;
  private final DType dtype;
  private final Shape shape;
  private final MemorySegment segment;

  public Tensor(Memory memory, long byteOffset, DType dtype, Shape shape) {
    long bytes = Math.multiplyExact(shape.elements(), (long) dtype.bytes());
    if (byteOffset < 0 || byteOffset > memory.byteSize() - bytes) {
      throw new IllegalArgumentException(
          "a tensor "
              + dtype
              + shape
              + " at byte "
              + byteOffset
              + " does not fit in "
              + memory.byteSize()
              + " bytes of "
              + memory.location()
              + " memory");
    }
    this.memory = memory;
    this.byteOffset = byteOffset;
    this.dtype = dtype;
    this.shape = shape;
    this.segment =
        memory instanceof HostMemory host ? host.segment().asSlice(byteOffset, bytes) : null;
  }

  /** A tensor over a host segment that somebody else owns. */
  public static Tensor over(MemorySegment segment, DType dtype, long... extents) {
    return new Tensor(HostMemory.view(segment), 0, dtype, Shape.of(extents));
  }

  /** A new host tensor of zeros that lives until its memory is closed. */
  public static Tensor host(DType dtype, long... extents) {
    Shape shape = Shape.of(extents);
    long bytes = Math.multiplyExact(shape.elements(), (long) dtype.bytes());
    return new Tensor(HostMemory.allocate(bytes), 0, dtype, shape);
  }

  public Memory memory() {
    return memory;
  }

  /** Where the first element lies, in bytes from the start of the memory. */
  public long byteOffset() {
    return byteOffset;
  }

  public DType dtype() {
    return dtype;
  }

  public Shape shape() {
    return shape;
  }

  public long extent(int axis) {
    return shape.extent(axis);
  }

  public long elements() {
    return shape.elements();
  }

  /** The bytes of this tensor, and no others; only for host memory. */
  public MemorySegment segment() {
    if (segment == null) {
      throw new IllegalStateException(
          "a tensor on " + memory.location() + " has no host bytes; download it first");
    }
    return segment;
  }

  /** The same elements in another shape. */
  public Tensor reshape(long... extents) {
    Shape other = Shape.of(extents);
    if (other.elements() != shape.elements()) {
      throw new IllegalArgumentException("shape " + shape + " cannot become " + other);
    }
    return new Tensor(memory, byteOffset, dtype, other);
  }

  /** Rows {@code from} (inclusive) to {@code to} (exclusive) of the first axis. */
  public Tensor rows(long from, long to) {
    if (from < 0 || to < from || to > shape.extent(0)) {
      throw new IndexOutOfBoundsException("rows " + from + " to " + to + " of shape " + shape);
    }
    long[] extents = shape.extents();
    long row = shape.extent(0) == 0 ? 0 : shape.elements() / shape.extent(0);
    extents[0] = to - from;
    return new Tensor(memory, byteOffset + from * row * dtype.bytes(), dtype, Shape.of(extents));
  }

  /** A stretch of the flat elements from {@code offset} on, in a shape of its own. */
  public Tensor slice(long offset, long... extents) {
    return new Tensor(memory, byteOffset + offset * dtype.bytes(), dtype, Shape.of(extents));
  }

  /** Element {@code index} of the flat array, for any numeric host tensor. */
  public double get(long index) {
    return switch (dtype) {
      case F64 -> segment().get(F64, index * 8);
      case F32 -> segment().get(F32, index * 4);
      case BF16 -> Bfloat16.toFloat(segment().get(I16, index * 2));
      case F16 -> Float.float16ToFloat(segment().get(I16, index * 2));
      case I64 -> segment().get(I64, index * 8);
      case I32 -> segment().get(I32, index * 4);
      case U8 -> Byte.toUnsignedInt(segment().get(ValueLayout.JAVA_BYTE, index));
    };
  }

  /** Sets element {@code index} of a flat F64, F32, BF16, I64 or I32 host tensor, rounded. */
  public void set(long index, double value) {
    switch (dtype) {
      case F64 -> segment().set(F64, index * 8, value);
      case F32 -> segment().set(F32, index * 4, (float) value);
      case BF16 -> segment().set(I16, index * 2, Bfloat16.of((float) value));
      case I64 -> segment().set(I64, index * 8, (long) value);
      case I32 -> segment().set(I32, index * 4, (int) value);
      default ->
          throw new UnsupportedOperationException("a " + dtype + " tensor is not set by element");
    }
  }

  /** The elements of an F32 host tensor, copied. */
  public float[] toFloats() {
    if (dtype != DType.F32) {
      throw new IllegalStateException("expected F32, found " + this);
    }
    return segment().toArray(F32);
  }

  /** The elements of an I32 host tensor, copied. */
  public int[] toInts() {
    if (dtype != DType.I32) {
      throw new IllegalStateException("expected I32, found " + this);
    }
    return segment().toArray(I32);
  }

  /** Copies floats into an F32 host tensor of as many elements. */
  public Tensor fill(float... values) {
    if (dtype != DType.F32 || values.length != elements()) {
      throw new IllegalArgumentException(values.length + " floats do not fill " + this);
    }
    MemorySegment.copy(values, 0, segment(), F32, 0, values.length);
    return this;
  }

  @Override
  public String toString() {
    return dtype + shape.toString();
  }
}
