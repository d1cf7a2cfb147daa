package io.github.simcse4j.random;

/**
 * Which elements of one site are kept: a pure function of where the element stands in the model and
 * in the data, never of where it lies in memory. The counter of an element is
 *
 * <pre>
 *   c0 = channel / 4           hidden sites; key position / 4 in attention
 *   c1 = position              of the token in its sentence; query position | head &lt;&lt; 16 in attention
 *   c2 = sample                index of the sentence in the data set
 *   c3 = site | view &lt;&lt; 24     view 0 and 1 are the two masks of SimCSE
 * </pre>
 *
 * and its word is number {@code channel % 4} (key position % 4 in attention) of the block. An
 * element is kept when that word, unsigned, is below {@link #threshold}; kept values are scaled by
 * {@link #scale}.
 *
 * @param key0 first word of the step's key
 * @param key1 second word of the step's key
 * @param site 0 embedding; 1 + 3 layer attention; 2 + 3 layer attention output; 3 + 3 layer
 *     feed-forward output
 * @param keepProb the probability of being kept, in (0, 1]
 */
public record Dropout(int key0, int key1, int site, float keepProb) {

  /** Keeps everything. */
  public static final Dropout NONE = new Dropout(0, 0, 0, 1f);

  public static final int EMBEDDING_SITE = 0;

  public Dropout {
    if (!(keepProb > 0f && keepProb <= 1f)) {
      throw new IllegalArgumentException("keepProb must be in (0, 1], found " + keepProb);
    }
    if (site < 0 || site >= 1 << 24) {
      throw new IllegalArgumentException("site must be in 0..2^24 - 1, found " + site);
    }
  }

  public static int attentionSite(int layer) {
    return 1 + 3 * layer;
  }

  public static int attentionOutputSite(int layer) {
    return 2 + 3 * layer;
  }

  public static int feedForwardSite(int layer) {
    return 3 + 3 * layer;
  }

  /** Whether anything is dropped at all. */
  public boolean active() {
    return keepProb < 1f;
  }

  /** The bound below which a word keeps its element, from 1 to 2^32. */
  public long threshold() {
    return (long) Math.ceil((double) keepProb * 4294967296.0);
  }

  /** The factor on kept values, 1 / keepProb. */
  public float scale() {
    return 1f / keepProb;
  }

  /** Counter word c3 of a view. */
  public int siteAndView(int view) {
    return site | view << 24;
  }

  /**
   * The mask bits of elements {@code 4 block .. 4 block + 3}: bit i is set when element i is kept.
   *
   * @param words scratch of four ints
   */
  public int keptOfBlock(int block, int position, int sample, int view, int[] words) {
    Philox.words(block, position, sample, siteAndView(view), key0, key1, words);
    long threshold = threshold();
    int kept = 0;
    for (int i = 0; i < 4; i++) {
      if ((words[i] & 0xFFFFFFFFL) < threshold) {
        kept |= 1 << i;
      }
    }
    return kept;
  }
}
