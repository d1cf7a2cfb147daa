package io.github.simcse4j.eval;

import java.util.List;

/** What is evaluated: anything that turns sentences into vectors of one length. */
@FunctionalInterface
public interface SentenceVectors {

  /**
   * The vectors of sentences, in their order.
   *
   * @param sentences n sentences
   * @return (n, dimension), row-major; need not be normalised
   */
  float[] encode(List<String> sentences);
}
