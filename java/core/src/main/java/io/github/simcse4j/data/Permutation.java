package io.github.simcse4j.data;

import io.github.simcse4j.random.Philox;

/**
 * A random permutation of 0 .. size - 1 in no memory: a Feistel network keyed by Philox over the
 * next power of two, walked until it lands inside (Black and Rogaway, "Ciphers with arbitrary
 * finite domains", CT-RSA 2002). At most two steps are walked on average.
 */
final class Permutation {

  /** Sets these counters apart from those of dropout masks and keys; it spells "shuf". */
  private static final int DOMAIN = 0x73687566;

  private static final int ROUNDS = 8;

  private final long size;
  private final int rightBits;
  private final long leftMask;
  private final long rightMask;
  private final int key0;
  private final int key1;
  private final int[] words = new int[4];

  /** The permutation of one epoch. */
  Permutation(long size, long seed, long epoch) {
    this.size = size;
    int bits = size <= 1 ? 0 : Long.SIZE - Long.numberOfLeadingZeros(size - 1);
    this.rightBits = bits / 2;
    this.rightMask = (1L << rightBits) - 1;
    this.leftMask = (1L << (bits - rightBits)) - 1;
    Philox.words(
        (int) epoch, (int) (epoch >>> 32), DOMAIN, 0, (int) seed, (int) (seed >>> 32), words);
    this.key0 = words[0];
    this.key1 = words[1];
  }

  /** Where {@code index} goes. */
  long apply(long index) {
    long at = index;
    do {
      at = network(at);
    } while (at >= size);
    return at;
  }

  private long network(long value) {
    long left = value >>> rightBits & leftMask;
    long right = value & rightMask;
    for (int round = 0; round < ROUNDS; round += 2) {
      left ^= mixed(right, round) & leftMask;
      right ^= mixed(left, round + 1) & rightMask;
    }
    return left << rightBits | right;
  }

  private long mixed(long half, int round) {
    Philox.words((int) half, (int) (half >>> 32), DOMAIN, round, key0, key1, words);
    return words[0] & 0xFFFFFFFFL;
  }
}
