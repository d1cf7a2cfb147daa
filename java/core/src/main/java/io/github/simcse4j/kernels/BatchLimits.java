package io.github.simcse4j.kernels;

/**
 * How large the batches are that pass through a {@link BatchStage}.
 *
 * @param batches how many are in use at once at most
 * @param sentences most sentences of one
 * @param tokens most tokens of one
 * @param vocabulary its ids are below this
 */
public record BatchLimits(int batches, int sentences, long tokens, int vocabulary) {

  public BatchLimits {
    if (batches < 1 || sentences < 1 || tokens < 1 || vocabulary < 1) {
      throw new IllegalArgumentException(
          "%d batches of %d sentences, %d tokens over %d ids are none"
              .formatted(batches, sentences, tokens, vocabulary));
    }
  }
}
