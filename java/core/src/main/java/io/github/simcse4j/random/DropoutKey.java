package io.github.simcse4j.random;

/**
 * The Philox key of one training step. Seed and step are mixed by one Philox block, so that the
 * keys of neighbouring steps and seeds are unrelated; kernels receive only the two words.
 */
public record DropoutKey(int word0, int word1) {

  /** Sets the derivation of keys apart from every mask counter; it spells "step". */
  private static final int DOMAIN = 0x73746570;

  public static DropoutKey of(long seed, long step) {
    int[] words = new int[4];
    Philox.words(
        (int) step, (int) (step >>> 32), DOMAIN, 0, (int) seed, (int) (seed >>> 32), words);
    return new DropoutKey(words[0], words[1]);
  }

  /** Dropout at a site of the encoder under this key; see {@link Dropout}. */
  public Dropout at(int site, float keepProb) {
    return new Dropout(word0, word1, site, keepProb);
  }
}
