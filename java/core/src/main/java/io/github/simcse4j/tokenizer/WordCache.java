package io.github.simcse4j.tokenizer;

import java.util.Arrays;

/**
 * Short words and their ids, direct-mapped: text repeats few words, and one load here replaces one
 * dependent load per byte in the trie.
 *
 * <p>A word of at most 8 bytes is a long, its rest filled with {@link CharTable#SEPARATOR}, which
 * no word holds. A spelling of at most three ids is a long too: 21 bits for each id + 1, the first
 * lowest.
 */
final class WordCache {

  /** The spelling that is not there. */
  static final long ABSENT = 0;

  private static final int ID_BITS = 21;
  private static final int MAX_IDS = Long.SIZE / ID_BITS;
  private static final long MAX_ID = (1L << ID_BITS) - 2;

  /** 128 KiB, where 7 % of the short words of running English miss; half of it 11 %. */
  private static final int SLOT_BITS = 13;

  private static final long GOLDEN_RATIO = 0x9E37_79B9_7F4A_7C15L;

  /** Word and spelling side by side, so that one cache line holds both. */
  private final long[] slots = new long[2 << SLOT_BITS];

  WordCache() {
    Arrays.fill(slots, -1);
  }

  /** The spelling of a word, or {@link #ABSENT}. */
  long get(long word) {
    int slot = slot(word);
    return slots[slot] == word ? slots[slot + 1] : ABSENT;
  }

  /** Keeps the spelling {@code ids[from .. to)} of a word if it is short enough. */
  void put(long word, int[] ids, int from, int to) {
    if (to - from > MAX_IDS) {
      return;
    }
    long spelling = 0;
    for (int i = to - 1; i >= from; i--) {
      if (ids[i] > MAX_ID) {
        return;
      }
      spelling = spelling << ID_BITS | ids[i] + 1;
    }
    int slot = slot(word);
    slots[slot] = word;
    slots[slot + 1] = spelling;
  }

  /** The first id of a spelling that is not empty. */
  static int first(long spelling) {
    return (int) (spelling & (1 << ID_BITS) - 1) - 1;
  }

  /** A spelling without its first id. */
  static long rest(long spelling) {
    return spelling >>> ID_BITS;
  }

  private static int slot(long word) {
    return (int) (word * GOLDEN_RATIO >>> Long.SIZE - SLOT_BITS) << 1;
  }
}
