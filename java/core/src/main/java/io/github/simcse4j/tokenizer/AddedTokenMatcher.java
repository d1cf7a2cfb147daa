package io.github.simcse4j.tokenizer;

import java.util.List;

/**
 * Finds added tokens: the leftmost, then the longest, never overlapping. Immutable; a {@link Scan}
 * holds the state of one search.
 *
 * <p>As in the reference, a match that {@code singleWord} rejects is stepped over all the same.
 */
final class AddedTokenMatcher {

  private static final long ONES = 0x0101_0101_0101_0101L;
  private static final long HIGH_BITS = 0x8080_8080_8080_8080L;

  private final AddedToken[] tokens;
  private final PieceTrie trie;
  private final boolean[] starts = new boolean[256];
  private final long onlyStart;
  private final CodePointSet whitespace;
  private final CodePointSet word;

  /** Takes the tokens and, in the same order, the distinct and not empty bytes to look for. */
  AddedTokenMatcher(List<AddedToken> tokens, List<byte[]> patterns, UnicodeTables tables) {
    this.tokens = tokens.toArray(AddedToken[]::new);
    int[] indexes = new int[patterns.size()];
    for (int i = 0; i < indexes.length; i++) {
      indexes[i] = i;
      starts[patterns.get(i)[0] & 0xFF] = true;
    }
    byte first = patterns.isEmpty() ? 0 : patterns.getFirst()[0];
    boolean same = patterns.stream().allMatch(pattern -> pattern[0] == first);
    onlyStart = same ? (first & 0xFF) * ONES : 0;
    trie = new PieceTrie(patterns.toArray(byte[][]::new), indexes);
    whitespace = tables.whitespace();
    word = tables.word();
  }

  boolean isEmpty() {
    return tokens.length == 0;
  }

  /** One search from left to right, to be used again for the next text. */
  final class Scan {
    private byte[] text;
    private int from;
    private int to;
    private int at;
    private int id;
    private int start;
    private int stop;
    private int matchEnd;

    void reset(byte[] text, int from, int to) {
      this.text = text;
      this.from = from;
      this.to = to;
      at = from;
      stop = from;
    }

    /** Moves to the next token; false where there is none. */
    boolean next() {
      for (at = nextStart(at); at < to; at = nextStart(at)) {
        AddedToken token = longest();
        if (token == null) {
          at++;
          continue;
        }
        int matchStart = at;
        at = matchEnd;
        if (token.singleWord() && touchesWord(matchStart, matchEnd)) {
          continue;
        }
        id = token.id();
        start = token.lstrip() ? Math.max(spaceBefore(matchStart), stop) : matchStart;
        stop = token.rstrip() ? spaceAfter(matchEnd) : matchEnd;
        return true;
      }
      return false;
    }

    int id() {
      return id;
    }

    /** First byte of the token and the whitespace that it eats. */
    int start() {
      return start;
    }

    /** One past the last byte of the token and the whitespace that it eats. */
    int stop() {
      return stop;
    }

    /** Where the next byte lies with which a token may start; {@code to} where there is none. */
    private int nextStart(int first) {
      int i = first;
      while (onlyStart != 0 && to - i >= Long.BYTES) {
        long equal = Utf8.eightBytes(text, i) ^ onlyStart;
        if ((equal - ONES & ~equal & HIGH_BITS) != 0) {
          break;
        }
        i += Long.BYTES;
      }
      while (i < to && !starts[text[i] & 0xFF]) {
        i++;
      }
      return i;
    }

    private AddedToken longest() {
      AddedToken found = null;
      long node = trie.root();
      for (int i = at; i < to; i++) {
        node = trie.child(node, text[i] & 0xFF);
        if (node == PieceTrie.NONE) {
          break;
        }
        if (PieceTrie.value(node) >= 0) {
          found = tokens[PieceTrie.value(node)];
          matchEnd = i + 1;
        }
      }
      return found;
    }

    private boolean touchesWord(int matchStart, int end) {
      if (matchStart > from) {
        int before = Utf8.startBefore(text, from, matchStart);
        if (word.contains(Utf8.decodeOrNegative(text, before, matchStart))) {
          return true;
        }
      }
      return end < to && word.contains(Utf8.decodeOrNegative(text, end, to));
    }

    private int spaceBefore(int end) {
      int first = end;
      while (first > from) {
        int before = Utf8.startBefore(text, from, first);
        if (!whitespace.contains(Utf8.decodeOrNegative(text, before, first))) {
          break;
        }
        first = before;
      }
      return first;
    }

    private int spaceAfter(int first) {
      int end = first;
      while (end < to) {
        int point = Utf8.decodeOrNegative(text, end, to);
        if (!whitespace.contains(point)) {
          break;
        }
        end += Utf8.length(point);
      }
      return end;
    }
  }
}
