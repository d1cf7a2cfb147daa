package io.github.simcse4j.bench;

import io.github.simcse4j.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;

/** A file of one sentence per line, held in memory. */
final class SentenceFile {

  private final byte[] utf8;
  private final int[] starts;
  private final int count;

  private SentenceFile(byte[] utf8) {
    this.utf8 = utf8;
    int[] found = new int[1 << 10];
    int lines = 0;
    for (int at = 0; at < utf8.length; at = lineEnd(at) + 1) {
      if (lines + 1 == found.length) {
        found = Arrays.copyOf(found, 2 * found.length);
      }
      found[lines++] = at;
    }
    found[lines] = utf8.length + (utf8.length > 0 && utf8[utf8.length - 1] != '\n' ? 1 : 0);
    starts = found;
    count = lines;
  }

  static SentenceFile read(Path file) throws IOException {
    return new SentenceFile(Files.readAllBytes(file));
  }

  int count() {
    return count;
  }

  int bytes() {
    return utf8.length;
  }

  /** Encodes every sentence and returns how many ids there were. */
  long encodeAll(Tokenizer tokenizer, int maxLength) {
    int[] ids = new int[maxLength];
    long total = 0;
    for (int i = 0; i < count; i++) {
      total += tokenizer.encode(utf8, starts[i], starts[i + 1] - 1, ids, 0, maxLength);
    }
    return total;
  }

  private int lineEnd(int from) {
    int at = from;
    while (at < utf8.length && utf8[at] != '\n') {
      at++;
    }
    return at;
  }
}
