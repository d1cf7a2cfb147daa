package io.github.simcse4j.tensor;

/**
 * One block of memory from which a step takes its tensors by moving a mark: nothing is allocated in
 * a step, and {@link #release} gives back everything taken since a mark at once. The content of a
 * new tensor is whatever the last step left there. Not safe for use by several threads.
 */
public final class Workspace implements AutoCloseable {

  private final Memory memory;
  private long used;
  private long peak;

  public Workspace(Memory memory) {
    this.memory = memory;
  }

  /** A tensor of unspecified content, aligned to {@link HostMemory#ALIGNMENT}. */
  public Tensor tensor(DType dtype, long... extents) {
    Shape shape = Shape.of(extents);
    long bytes = bytes(dtype, shape.elements());
    if (bytes > memory.byteSize() - used) {
      throw new IllegalStateException(
          "the workspace of "
              + memory.byteSize()
              + " bytes has "
              + (memory.byteSize() - used)
              + " left, and a tensor "
              + dtype
              + shape
              + " needs "
              + bytes);
    }
    Tensor tensor = new Tensor(memory, used, dtype, shape);
    used += bytes;
    peak = Math.max(peak, used);
    return tensor;
  }

  /** What a tensor takes up here, alignment included; for planning the size. */
  public static long bytes(DType dtype, long elements) {
    long bytes = Math.multiplyExact(elements, (long) dtype.bytes());
    return Math.addExact(bytes, HostMemory.ALIGNMENT - 1L) & -HostMemory.ALIGNMENT;
  }

  /** The current mark, to be handed to {@link #release} later. */
  public long mark() {
    return used;
  }

  /** Takes back every tensor made since {@code mark}. */
  public void release(long mark) {
    if (mark < 0 || mark > used) {
      throw new IllegalArgumentException("mark " + mark + " is not in 0.." + used);
    }
    used = mark;
  }

  public long byteSize() {
    return memory.byteSize();
  }

  /** The most bytes that were ever in use. */
  public long peak() {
    return peak;
  }

  @Override
  public void close() {
    memory.close();
  }
}
