package io.github.simcse4j.train;

import java.util.Locale;

/** Amounts of memory for messages. */
final class ByteText {

  private static final double GIGABYTE = 1e9;

  private ByteText() {}

  static String of(long bytes) {
    return bytes < GIGABYTE
        ? String.format(Locale.ROOT, "%.1f MB", bytes / 1e6)
        : String.format(Locale.ROOT, "%,.2f GB", bytes / GIGABYTE);
  }
}
