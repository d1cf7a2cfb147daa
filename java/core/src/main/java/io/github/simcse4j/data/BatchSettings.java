package io.github.simcse4j.data;

/**
 * How groups are put into batches.
 *
 * @param batchSize groups of a batch
 * @param seed of the shuffle
 * @param shuffle whether an epoch has an order of its own; otherwise it is the order of the store
 * @param dropLast whether a last batch that is not full is left out
 * @param lengthAware whether the groups inside a batch stand by length, longest first, so that
 *     pieces of it hold sentences of like length; which groups are in a batch does not change
 */
public record BatchSettings(
    int batchSize, long seed, boolean shuffle, boolean dropLast, boolean lengthAware) {

  public BatchSettings {
    if (batchSize < 1) {
      throw new IllegalArgumentException("batchSize must be at least 1, found " + batchSize);
    }
  }
}
