package io.github.simcse4j.data;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/** The cells of one row, end to end in one array that is used again for every row. */
final class CellBuffer {

  private byte[] bytes = new byte[4096];
  private int used;
  private int[] ends = new int[8];
  private int cells;

  void clear() {
    used = 0;
    cells = 0;
  }

  void append(byte[] source, int from, int to) {
    room(to - from);
    System.arraycopy(source, from, bytes, used, to - from);
    used += to - from;
  }

  void append(byte value) {
    room(1);
    bytes[used++] = value;
  }

  void append(MemorySegment source) {
    int length = Math.toIntExact(source.byteSize());
    room(length);
    MemorySegment.copy(source, ValueLayout.JAVA_BYTE, 0, bytes, used, length);
    used += length;
  }

  private void room(int extra) {
    if (extra > bytes.length - used) {
      bytes = Arrays.copyOf(bytes, Math.max(2 * bytes.length, Math.addExact(used, extra)));
    }
  }

  void endCell() {
    if (cells == ends.length) {
      ends = Arrays.copyOf(ends, 2 * cells);
    }
    ends[cells++] = used;
  }

  int cells() {
    return cells;
  }

  /** Bytes of all cells. */
  int used() {
    return used;
  }

  byte[] bytes() {
    return bytes;
  }

  int from(int cell) {
    return cell == 0 ? 0 : ends[cell - 1];
  }

  int to(int cell) {
    return ends[cell];
  }
}
