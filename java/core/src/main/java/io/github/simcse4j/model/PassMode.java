package io.github.simcse4j.model;

/**
 * What a pass leaves for a backward pass. The embeddings have the same bits in each. Gradients
 * differ by rounding at most, as a GELU that is computed again takes numbers that were rounded.
 */
public enum PassMode {
  /** Nothing: none follows. */
  ENCODE,
  /** What is dear to compute; the rest is computed again: least memory. */
  REPLAY,
  /** All that a backward pass reads: least work. */
  KEEP;

  /** Whether a backward pass follows. */
  boolean training() {
    return this != ENCODE;
  }
}
