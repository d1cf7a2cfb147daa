package io.github.simcse4j.random;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.HashSet;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class DropoutTest {

  private static final int BLOCKS = 1 << 19;

  /** Two million elements; an 8-bit threshold would be off by seven standard deviations at 0.9. */
  @ParameterizedTest
  @ValueSource(floats = {0.1f, 0.5f, 0.9f, 0.999f})
  void keepsTheShareAskedFor(float keepProb) {
    Dropout dropout = DropoutKey.of(42, 0).at(Dropout.EMBEDDING_SITE, keepProb);
    int[] words = new int[4];
    long kept = 0;
    for (int i = 0; i < BLOCKS; i++) {
      kept += Integer.bitCount(dropout.keptOfBlock(i % 192, i / 192 % 32, i / 6144, 0, words));
    }
    double count = 4.0 * BLOCKS;
    double deviation = Math.sqrt(keepProb * (1 - keepProb) / count);
    assertEquals(keepProb, kept / count, 5 * deviation);
  }

  /** Neighbours in every word of the counter agree as often as independent bits would. */
  @Test
  void neighboursAreIndependent() {
    Dropout dropout = DropoutKey.of(42, 0).at(7, 0.5f);
    Dropout nextSite = DropoutKey.of(42, 0).at(8, 0.5f);
    Dropout nextStep = DropoutKey.of(42, 1).at(7, 0.5f);
    Dropout nextSeed = DropoutKey.of(43, 0).at(7, 0.5f);
    int[] words = new int[4];
    int count = 20_000;
    int[] equal = new int[7];
    for (int i = 0; i < count; i++) {
      int block = i % 20;
      int position = i / 20 % 50;
      int sample = i / 1000;
      int bits = dropout.keptOfBlock(block, position, sample, 0, words);
      int[] others = {
        dropout.keptOfBlock(block + 1, position, sample, 0, words),
        dropout.keptOfBlock(block, position + 1, sample, 0, words),
        dropout.keptOfBlock(block, position, sample + 1, 0, words),
        dropout.keptOfBlock(block, position, sample, 1, words),
        nextSite.keptOfBlock(block, position, sample, 0, words),
        nextStep.keptOfBlock(block, position, sample, 0, words),
        nextSeed.keptOfBlock(block, position, sample, 0, words)
      };
      for (int o = 0; o < others.length; o++) {
        equal[o] += 4 - Integer.bitCount(bits ^ others[o]);
      }
    }
    for (int agreements : equal) {
      assertEquals(0.5, agreements / (4.0 * count), 5 * 0.5 / Math.sqrt(4.0 * count));
    }
  }

  /**
   * The counter of the design: the same words as Philox gives for (block, position, sample, site).
   */
  @Test
  void countsAsDocumented() {
    Dropout dropout = new Dropout(11, 22, 33, 0.25f);
    int[] words = new int[4];
    int[] scratch = new int[4];
    Philox.words(5, 6 | 3 << 16, -7, 33 | 200 << 24, 11, 22, words);
    int kept = dropout.keptOfBlock(5, 6 | 3 << 16, -7, 200, scratch);
    for (int i = 0; i < 4; i++) {
      assertEquals(Integer.toUnsignedLong(words[i]) < 1L << 30, (kept >> i & 1) == 1);
    }
  }

  @Test
  void thresholdIsExact() {
    assertEquals(1L << 31, new Dropout(0, 0, 0, 0.5f).threshold());
    assertEquals(1L << 32, new Dropout(0, 0, 0, 1f).threshold());
    assertEquals(1, new Dropout(0, 0, 0, Float.MIN_VALUE).threshold());
    assertEquals(3865470464L, new Dropout(0, 0, 0, 0.9f).threshold());
    assertEquals(2f, new Dropout(0, 0, 0, 0.5f).scale());
  }

  @Test
  void noneKeepsEverything() {
    assertFalse(Dropout.NONE.active());
    assertTrue(new Dropout(0, 0, 0, 0.999f).active());
    int[] words = new int[4];
    for (int i = 0; i < 1000; i++) {
      assertEquals(0b1111, Dropout.NONE.keptOfBlock(i, i, i, 0, words));
    }
  }

  @Test
  void sitesOfAllLayersDiffer() {
    Set<Integer> sites = new HashSet<>(Set.of(Dropout.EMBEDDING_SITE));
    for (int layer = 0; layer < 48; layer++) {
      sites.add(Dropout.attentionSite(layer));
      sites.add(Dropout.attentionOutputSite(layer));
      sites.add(Dropout.feedForwardSite(layer));
    }
    assertEquals(1 + 3 * 48, sites.size());
  }

  @Test
  void keysDependOnAllBitsOfSeedAndStep() {
    DropoutKey key = DropoutKey.of(1, 1);
    assertEquals(key, DropoutKey.of(1, 1));
    for (int bit = 0; bit < 64; bit++) {
      assertNotEquals(key, DropoutKey.of(1 ^ 1L << bit, 1));
      assertNotEquals(key, DropoutKey.of(1, 1 ^ 1L << bit));
    }
  }

  @ParameterizedTest
  @ValueSource(floats = {0f, -0.1f, 1.0001f, Float.NaN, Float.POSITIVE_INFINITY})
  void refusesOtherProbabilities(float keepProb) {
    assertThrows(IllegalArgumentException.class, () -> new Dropout(0, 0, 0, keepProb));
  }

  @ParameterizedTest
  @ValueSource(ints = {-1, 1 << 24})
  void refusesOtherSites(int site) {
    assertThrows(IllegalArgumentException.class, () -> new Dropout(0, 0, site, 0.9f));
  }
}
