package io.github.simcse4j.tokenizer;

import java.nio.charset.StandardCharsets;
import java.util.List;

/**
 * Spells words by the longest piece first (Schuster and Nakajima 2012; Devlin et al. 2019): the
 * first piece as it stands in the vocabulary, the others behind the continuing prefix. Immutable.
 */
final class WordPiece {

  private final PieceTrie trie;
  private final long continuing;
  private final int unkId;
  private final int maxCharsPerWord;

  /**
   * Takes a vocabulary whose index is the id.
   *
   * @param maxCharsPerWord a longer word is unknown
   */
  WordPiece(List<String> vocabulary, int unkId, String continuingPrefix, int maxCharsPerWord) {
    byte[][] keys = new byte[vocabulary.size()][];
    int[] ids = new int[keys.length];
    for (int id = 0; id < keys.length; id++) {
      keys[id] = vocabulary.get(id).getBytes(StandardCharsets.UTF_8);
      ids[id] = id;
    }
    trie = new PieceTrie(keys, ids);
    continuing = trie.descend(trie.root(), continuingPrefix.getBytes(StandardCharsets.UTF_8));
    this.unkId = unkId;
    this.maxCharsPerWord = maxCharsPerWord;
  }

  /**
   * Encodes words that {@link CharTable#SEPARATOR} divides and ends.
   *
   * @param cache remembers words of this model between calls
   * @param out receives ids from {@code at} on, before {@code limit}
   * @return the place after the last id
   */
  int encode(TextBuffer words, WordCache cache, int[] out, int at, int limit) {
    byte[] text = words.bytes();
    int length = words.length();
    int n = at;
    int i = 0;
    while (i < length && n < limit) {
      long eight = Utf8.eightBytes(text, i);
      int bytes = bytesBeforeSeparator(eight);
      if (bytes == 0) {
        i++;
        continue;
      }
      if (bytes == Long.BYTES && text[i + Long.BYTES] != CharTable.SEPARATOR) {
        int end = i + Long.BYTES;
        while (text[end] != CharTable.SEPARATOR) {
          end++;
        }
        n = spell(text, i, end, out, n, limit);
        i = end + 1;
        continue;
      }
      long word = bytes == Long.BYTES ? eight : eight | -1L << Byte.SIZE * bytes;
      long spelling = cache.get(word);
      if (spelling == WordCache.ABSENT) {
        int first = n;
        n = spell(text, i, i + bytes, out, n, limit);
        if (n < limit) {
          cache.put(word, out, first, n);
        }
      }
      for (; spelling != 0 && n < limit; spelling = WordCache.rest(spelling)) {
        out[n++] = WordCache.first(spelling);
      }
      i += bytes + 1;
    }
    return n;
  }

  /** How many of eight bytes come before the first that has all bits set; 8 where none has. */
  private static int bytesBeforeSeparator(long eight) {
    long inverted = ~eight;
    long zeros = inverted - 0x0101_0101_0101_0101L & eight & 0x8080_8080_8080_8080L;
    return Long.numberOfTrailingZeros(zeros) >>> 3;
  }

  private int spell(byte[] text, int start, int end, int[] out, int at, int limit) {
    if (end - start > maxCharsPerWord && characters(text, start, end) > maxCharsPerWord) {
      out[at] = unkId;
      return at + 1;
    }
    int n = at;
    int from = start;
    long node = trie.root();
    while (from < end) {
      int id = -1;
      int stop = from;
      for (int i = from; i < end && node != PieceTrie.NONE; i++) {
        node = trie.child(node, text[i] & 0xFF);
        if (PieceTrie.value(node) >= 0) {
          id = PieceTrie.value(node);
          stop = i + 1;
        }
      }
      if (id < 0) {
        out[at] = unkId;
        return at + 1;
      }
      if (n < limit) {
        out[n++] = id;
      }
      from = stop;
      node = continuing;
    }
    return n;
  }

  private static int characters(byte[] text, int start, int end) {
    int count = 0;
    for (int i = start; i < end; i++) {
      count += text[i] >= (byte) 0xC0 ? 1 : 0;
    }
    return count;
  }
}
