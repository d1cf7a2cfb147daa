package io.github.simcse4j.model;

/**
 * The sizes that a batch's activations depend on.
 *
 * @param tokens T
 * @param sentences B
 * @param views how often each sentence is encoded
 */
public record BatchDimensions(int tokens, int sentences, int views) {

  /** Rows of an activation. */
  public int rows() {
    return Math.multiplyExact(views, tokens);
  }

  /** Rows of the sentence embeddings. */
  public int embeddings() {
    return Math.multiplyExact(views, sentences);
  }
}
