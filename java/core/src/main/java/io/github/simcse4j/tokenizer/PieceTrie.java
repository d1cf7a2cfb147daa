package io.github.simcse4j.tokenizer;

import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.BitSet;

/**
 * A byte trie as a double array (Aoe 1989): the child of a node for a byte is one load away.
 *
 * <p>A node is a long: 9 bits label + 1 (0 marks an empty place), 27 bits base, 28 bits value + 1.
 * No two nodes share a base, so the label alone tells whose child lies at a place.
 */
final class PieceTrie {

  /** What {@link #child} returns where there is none. */
  static final long NONE = 0;

  /** The most bytes all keys together may have. */
  static final int MAX_KEY_BYTES = 1 << 24;

  private static final int LABEL_BITS = 9;
  private static final int BASE_BITS = 27;
  private static final int BYTES = 256;

  /**
   * A search that fails this often moves the start of later ones: what lies there is nearly full.
   */
  private static final int MAX_TRIES = 256;

  private record Entry(byte[] key, int value) {}

  private record Range(int first, int end, int depth, int place) {}

  private final BitSet usedBases = new BitSet();
  private final int[] labels = new int[BYTES];
  private long[] nodes = new long[1 << 12];
  private int searchFrom = 2 * BYTES;
  private int highest = 2 * BYTES;

  /**
   * Takes distinct keys with their values, which are at least 0 and below 2^28 - 1.
   *
   * @throws IllegalArgumentException if the keys have more than {@link #MAX_KEY_BYTES} together
   */
  PieceTrie(byte[][] keys, int[] values) {
    Entry[] entries = new Entry[keys.length];
    long total = 0;
    for (int i = 0; i < keys.length; i++) {
      entries[i] = new Entry(keys[i], values[i]);
      total += keys[i].length;
    }
    if (total > MAX_KEY_BYTES) {
      throw new IllegalArgumentException("keys of " + total + " bytes; at most " + MAX_KEY_BYTES);
    }
    Arrays.sort(entries, (a, b) -> Arrays.compareUnsigned(a.key, b.key));
    var open = new ArrayDeque<Range>();
    open.add(new Range(0, entries.length, 0, 0));
    while (!open.isEmpty()) {
      place(entries, open.remove(), open);
    }
    nodes = Arrays.copyOf(nodes, highest + BYTES);
    usedBases.clear();
  }

  long root() {
    return nodes[0];
  }

  /** The child of a node for a byte of 0 to 255, or {@link #NONE}. */
  long child(long node, int label) {
    long child = nodes[base(node) + label];
    return (child & (1 << LABEL_BITS) - 1) == label + 1 ? child : NONE;
  }

  /** The node that a key leads to from {@code node}, or {@link #NONE}. */
  long descend(long node, byte[] key) {
    long at = node;
    for (int i = 0; i < key.length && at != NONE; i++) {
      at = child(at, key[i] & 0xFF);
    }
    return at;
  }

  /** The value of the key that ends at a node, or -1. */
  static int value(long node) {
    return (int) (node >>> LABEL_BITS + BASE_BITS) - 1;
  }

  private static int base(long node) {
    return (int) (node >>> LABEL_BITS) & (1 << BASE_BITS) - 1;
  }

  private void place(Entry[] entries, Range range, ArrayDeque<Range> open) {
    int first = range.first;
    int depth = range.depth;
    long value = 0;
    if (first < range.end && entries[first].key.length == depth) {
      value = entries[first].value + 1L;
      first++;
    }
    int children = 0;
    for (int i = first; i < range.end; i++) {
      int label = entries[i].key[depth] & 0xFF;
      if (children == 0 || labels[children - 1] != label) {
        labels[children++] = label;
      }
    }
    int base = children == 0 ? 0 : findBase(children);
    nodes[range.place] |= (long) base << LABEL_BITS | value << LABEL_BITS + BASE_BITS;
    for (int i = 0, from = first; i < children; i++) {
      int end = from;
      while (end < range.end && (entries[end].key[depth] & 0xFF) == labels[i]) {
        end++;
      }
      nodes[base + labels[i]] = labels[i] + 1;
      highest = Math.max(highest, base + labels[i]);
      open.add(new Range(from, end, depth + 1, base + labels[i]));
      from = end;
    }
  }

  /** A base, not used before, at which the places of all labels are free; leaves share base 0. */
  private int findBase(int children) {
    int tries = 0;
    for (int place = searchFrom; ; place++) {
      int base = place - labels[0];
      reserve(base + BYTES);
      if (!usedBases.get(base) && areFree(base, children)) {
        usedBases.set(base);
        return base;
      }
      if (++tries > MAX_TRIES) {
        searchFrom++;
      }
    }
  }

  private boolean areFree(int base, int children) {
    for (int i = 0; i < children; i++) {
      if (nodes[base + labels[i]] != 0) {
        return false;
      }
    }
    return true;
  }

  private void reserve(int places) {
    if (places > 1 << BASE_BITS) {
      throw new IllegalArgumentException(
          "the keys do not fit into " + (1 << BASE_BITS) + " places");
    }
    if (places >= nodes.length) {
      nodes = Arrays.copyOf(nodes, 2 * places);
    }
  }
}
