package io.github.simcse4j.data;

import java.lang.foreign.MemorySegment;
import org.apache.arrow.memory.ArrowBuf;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.ForeignAllocation;

/**
 * The one bridge between Arrow's buffers and memory segments. Nothing is copied in either
 * direction, and no segment is made from a bare address: it is a part of a segment or buffer that
 * is already there.
 */
final class ArrowSegments {

  private ArrowSegments() {}

  /**
   * Lets Arrow see a segment as a buffer. The buffer must be released before the segment is closed;
   * the allocator counts its bytes until then.
   */
  static ArrowBuf wrap(BufferAllocator allocator, MemorySegment segment) {
    return allocator.wrapForeignAllocation(
        new ForeignAllocation(segment.byteSize(), segment.address()) {
          @Override
          protected void release0() {
            // The segment's arena owns the memory.
          }
        });
  }

  /**
   * The bytes of a buffer that lies in {@code whole}, as a part of {@code whole}: it lives as long
   * as that does, whether or not the buffer is released.
   *
   * @throws IndexOutOfBoundsException where the buffer does not lie inside
   */
  static MemorySegment within(MemorySegment whole, ArrowBuf buffer) {
    return whole.asSlice(buffer.memoryAddress() - whole.address(), buffer.capacity());
  }

  /** The bytes of a buffer below 2 GiB, to be written before the buffer is released. */
  static MemorySegment of(ArrowBuf buffer) {
    return MemorySegment.ofBuffer(buffer.nioBuffer(0, Math.toIntExact(buffer.capacity())));
  }
}
