package io.github.simcse4j.kernels;

/** Batches that between them have every kind of sentence length and view. */
public enum BatchShape {
  ONE_TOKEN(1, 0, 1),
  ONE_SENTENCE(1, 0, 7),
  ONE_TOKEN_SENTENCES(2, 0, 1, 1, 1, 1, 1),
  RAGGED(2, 0, 5, 1, 12, 3, 8, 2),
  AROUND_16(1, 1, 15, 16, 17),
  AROUND_32(2, 3, 31, 32, 33);

  private final int views;
  private final int firstView;
  private final int[] lengths;

  BatchShape(int views, int firstView, int... lengths) {
    this.views = views;
    this.firstView = firstView;
    this.lengths = lengths;
  }

  public int tokens() {
    int tokens = 0;
    for (int length : lengths) {
      tokens += length;
    }
    return tokens;
  }

  public int rows() {
    return views * tokens();
  }

  public int embeddings() {
    return views * lengths.length;
  }

  public int[] lengths() {
    return lengths.clone();
  }

  /** A random batch of this shape over a vocabulary of {@link Batches#VOCABULARY}. */
  public PackedBatch batch(KernelsFixture fixture) {
    return Batches.random(fixture, views, firstView, lengths);
  }
}
