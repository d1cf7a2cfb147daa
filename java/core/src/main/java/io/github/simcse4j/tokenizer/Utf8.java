package io.github.simcse4j.tokenizer;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/** UTF-8 as the Unicode standard has it (table 3-7): no overlong forms, no surrogates. */
final class Utf8 {

  private static final VarHandle LONG =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

  private static final long HIGH_BITS = 0x8080_8080_8080_8080L;

  private Utf8() {}

  /** Bytes of the character whose code point is {@code point}. */
  static int length(int point) {
    return point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
  }

  /** The code point that starts at {@code at} and ends before {@code to}. */
  static int decode(byte[] utf8, int at, int to) {
    int point = decodeOrNegative(utf8, at, to);
    if (point < 0) {
      throw new MalformedTextException(at, "invalid UTF-8");
    }
    return point;
  }

  /** As {@link #decode}, but -1 where the bytes are no character. */
  static int decodeOrNegative(byte[] utf8, int at, int to) {
    int lead = utf8[at];
    if (lead >= 0) {
      return lead;
    }
    if (lead < (byte) 0xC2 || lead > (byte) 0xF4) {
      return -1;
    }
    int length = lead >= (byte) 0xF0 ? 4 : lead >= (byte) 0xE0 ? 3 : 2;
    if (length > to - at) {
      return -1;
    }
    int point = lead & (0x7F >> length);
    for (int i = 1; i < length; i++) {
      int next = utf8[at + i];
      if (next >= (byte) 0xC0) {
        return -1;
      }
      point = point << 6 | next & 0x3F;
    }
    boolean surrogate = point >= 0xD800 && point <= 0xDFFF;
    return length(point) != length || surrogate || point > 0x10FFFF ? -1 : point;
  }

  /** Where the character that ends before {@code end} starts; at least {@code from}. */
  static int startBefore(byte[] utf8, int from, int end) {
    int at = end - 1;
    while (at > from && end - at < 4 && utf8[at] < (byte) 0xC0) {
      at--;
    }
    return at;
  }

  /** Eight bytes from {@code at} on, the first of them lowest. */
  static long eightBytes(byte[] bytes, int at) {
    return (long) LONG.get(bytes, at);
  }

  static void requireValid(byte[] utf8, int from, int to) {
    int at = from;
    while (at < to) {
      if (to - at >= Long.BYTES && (eightBytes(utf8, at) & HIGH_BITS) == 0) {
        at += Long.BYTES;
      } else {
        at += length(decode(utf8, at, to));
      }
    }
  }

  /** Where half of a surrogate pair stands alone, which has no UTF-8; -1 where none does. */
  static int loneSurrogate(String text) {
    for (int i = 0; i < text.length(); i++) {
      if (Character.isSurrogate(text.charAt(i))) {
        if (Character.charCount(text.codePointAt(i)) == 1) {
          return i;
        }
        i++;
      }
    }
    return -1;
  }

  /** Writes a character's bytes and returns the place after them. */
  static int encode(int point, byte[] out, int at) {
    int length = length(point);
    if (length == 1) {
      out[at] = (byte) point;
      return at + 1;
    }
    int rest = point;
    for (int i = length - 1; i > 0; i--) {
      out[at + i] = (byte) (0x80 | rest & 0x3F);
      rest >>= 6;
    }
    out[at] = (byte) (0xF00 >> length | rest);
    return at + length;
  }
}
