package io.github.simcse4j.train;

import io.github.simcse4j.data.BatchSampler;
import io.github.simcse4j.data.TokenStore;
import java.util.function.LongUnaryOperator;

/**
 * How large the largest batch is that memory is planned for.
 *
 * @param groups sentences, pairs or triples
 * @param columns sentences of a group
 * @param tokens of all sentences, in one view
 * @param longest tokens of the longest sentence
 * @param sentencesWithin a bound on the sentences that have so many tokens together
 */
public record BatchExtent(
    int groups, int columns, long tokens, int longest, LongUnaryOperator sentencesWithin) {

  /** The largest of the first {@code batchCount} batches of an epoch, exactly. */
  public static BatchExtent of(
      TokenStore store, BatchSampler sampler, long epoch, long batchCount) {
    int tokens = sampler.maxTokens(epoch, batchCount, 0, store.columns());
    return new BatchExtent(
        sampler.mostGroups(), store.columns(), tokens, store.longest(), store::mostSentences);
  }

  /**
   * A batch that is known roughly.
   *
   * @param meanLength tokens of a sentence on average
   * @param longest tokens after which a sentence is cut
   */
  public static BatchExtent estimate(int groups, int columns, double meanLength, int longest) {
    long tokens = (long) Math.ceil((double) groups * columns * meanLength);
    return new BatchExtent(
        groups, columns, tokens, longest, within -> (long) Math.ceil(within / meanLength));
  }

  /** How often every sentence is encoded. */
  int views() {
    return TrainConfig.views(columns);
  }

  /** Sentences of the batch, all columns counted. */
  int sentences() {
    return groups * columns;
  }

  /** Rows of the embeddings. */
  long embeddings() {
    return (long) views() * sentences();
  }

  /** Rows of the activations. */
  long rows() {
    return views() * tokens;
  }
}
