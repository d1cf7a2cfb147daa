package io.github.simcse4j.tensor;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Memory of the host, off the Java heap, so that native code and Arrow can share it without a copy.
 */
public final class HostMemory implements Memory {

  /**
   * Start of every allocation and of every workspace tensor: a cache line, and a 512-bit vector.
   */
  public static final int ALIGNMENT = 64;

  private final MemorySegment segment;
  private final Arena owned;

  private HostMemory(MemorySegment segment, Arena owned) {
    this.segment = segment;
    this.owned = owned;
  }

  /** Zeroed memory that this object owns. */
  public static HostMemory allocate(long bytes) {
    if (bytes < 0) {
      throw new IllegalArgumentException("memory of " + bytes + " bytes cannot be");
    }
    Arena arena = Arena.ofShared();
    try {
      return new HostMemory(arena.allocate(bytes, ALIGNMENT), arena);
    } catch (OutOfMemoryError e) {
      arena.close();
      throw e;
    }
  }

  /** A view of memory that somebody else owns, such as a mapped file or an Arrow buffer. */
  public static HostMemory view(MemorySegment segment) {
    if (!segment.isNative()) {
      throw new IllegalArgumentException(
          "a heap segment cannot be a tensor's memory; copy it first");
    }
    return new HostMemory(segment, null);
  }

  /** Memory that comes and goes with an arena, which this object owns. */
  public static HostMemory owning(MemorySegment segment, Arena arena) {
    return new HostMemory(segment, arena);
  }

  public MemorySegment segment() {
    return segment;
  }

  @Override
  public long byteSize() {
    return segment.byteSize();
  }

  @Override
  public String location() {
    return "host";
  }

  @Override
  public void close() {
    if (owned != null && owned.scope().isAlive()) {
      owned.close();
    }
  }
}
