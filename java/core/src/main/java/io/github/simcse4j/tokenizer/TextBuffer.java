package io.github.simcse4j.tokenizer;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Normalised text, written by a {@link CharTable} into memory that is used again and again. */
final class TextBuffer {

  /** Room for the factor by which text grows must stay within an int. */
  private static final int MAX_BYTES = 1 << 28;

  private byte[] bytes = new byte[1 << 10];
  private int length;

  /** The text, one {@link CharTable#SEPARATOR} and at least 8 more bytes of any value. */
  byte[] bytes() {
    return bytes;
  }

  int length() {
    return length;
  }

  /** Replaces the content by what {@code table} makes of {@code in[from .. to)}. */
  void fill(CharTable table, byte[] in, int from, int to) {
    reserve((long) (to - from) * table.growth() + 1 + Long.BYTES, to - from);
    byte[] ascii = table.ascii();
    byte[] out = bytes;
    int n = 0;
    int at = from;
    while (at < to) {
      int lead = in[at];
      if (lead >= 0 && ascii[lead] != 0) {
        out[n++] = ascii[lead];
        at++;
        continue;
      }
      int point = Utf8.decode(in, at, to);
      int action = table.action(point);
      if (CharTable.code(action) == CharTable.REORDER) {
        length = n;
        at = reorder(table, in, at, to);
        n = length;
        continue;
      }
      int end = at + Utf8.length(point);
      n = write(table, action, in, at, end, n);
      at = end;
    }
    out[n] = CharTable.SEPARATOR;
    length = n;
  }

  private int write(CharTable table, int action, byte[] in, int at, int end, int start) {
    byte[] out = bytes;
    int n = start;
    switch (CharTable.code(action)) {
      case CharTable.KEEP -> {
        for (int i = at; i < end; i++) {
          out[n++] = in[i];
        }
      }
      case CharTable.ISOLATE -> {
        out[n++] = table.separator();
        for (int i = at; i < end; i++) {
          out[n++] = in[i];
        }
        out[n++] = table.separator();
      }
      case CharTable.EMIT -> {
        int first = CharTable.offset(action);
        int last = first + CharTable.length(action);
        for (int i = first; i < last; i++) {
          out[n++] = table.data()[i];
        }
      }
      default -> {}
    }
    return n;
  }

  /** Writes a run of marks in canonical order and returns where the run ends. */
  private int reorder(CharTable table, byte[] in, int from, int to) {
    var marks = new ArrayList<byte[]>();
    long[] order = new long[8];
    int at = from;
    while (at < to) {
      int point = Utf8.decode(in, at, to);
      int action = table.action(point);
      if (CharTable.code(action) == CharTable.REORDER) {
        CharTable.Reordered character = table.reordered(action);
        if (character.starter() != null) {
          appendSorted(marks, order);
          append(character.starter());
        }
        for (int i = 0; i < character.marks().length; i++) {
          if (marks.size() == order.length) {
            order = Arrays.copyOf(order, 2 * order.length);
          }
          order[marks.size()] = (long) character.classes()[i] << 32 | marks.size();
          marks.add(character.marks()[i]);
        }
      } else if (CharTable.code(action) != CharTable.DROP) {
        break;
      }
      at += Utf8.length(point);
    }
    appendSorted(marks, order);
    return at;
  }

  /** The place in the run is part of the sort key: marks of one class keep their order. */
  private void appendSorted(List<byte[]> marks, long[] order) {
    Arrays.sort(order, 0, marks.size());
    for (int i = 0; i < marks.size(); i++) {
      append(marks.get((int) order[i]));
    }
    marks.clear();
  }

  private void append(byte[] text) {
    System.arraycopy(text, 0, bytes, length, text.length);
    length += text.length;
  }

  private void reserve(long wanted, int textBytes) {
    if (wanted > Integer.MAX_VALUE - 16 || textBytes > MAX_BYTES) {
      throw new IllegalArgumentException(
          "a text of "
              + textBytes
              + " bytes without a space; at most "
              + MAX_BYTES
              + " can be encoded");
    }
    if (bytes.length < wanted) {
      bytes = new byte[(int) Math.max(wanted, Math.min(2L * bytes.length, Integer.MAX_VALUE - 16))];
    }
  }
}
