package io.github.simcse4j.data;

import io.github.simcse4j.files.InputException;
import java.util.Arrays;
import java.util.Locale;

/**
 * Which groups are in which batch of which epoch: a pure function of settings, epoch and batch
 * number. So equal seeds give equal batches, a run can go on in the middle of an epoch, and no
 * order of the whole corpus is ever held. Serves one thread at a time.
 */
public final class BatchSampler {

  private final TokenStore store;
  private final BatchSettings settings;
  private final long[] sortKeys;
  private final long[] unsorted;
  private Permutation permutation;
  private long permutationEpoch;

  /**
   * Samples a store.
   *
   * @throws InputException where every batch would be dropped
   */
  public BatchSampler(TokenStore store, BatchSettings settings) {
    if (settings.dropLast() && store.groups() < settings.batchSize()) {
      throw InputException.in(
          store.file(),
          "",
          String.format(
              Locale.ROOT,
              "--batch-size %d is larger than the %,d %s of the data set",
              settings.batchSize(),
              store.groups(),
              store.columns() == 1 ? "sentences" : "groups of " + store.columns() + " sentences"),
          "choose a smaller one or keep the last batch with --no-drop-last");
    }
    this.store = store;
    this.settings = settings;
    this.sortKeys = new long[settings.batchSize()];
    this.unsorted = new long[settings.batchSize()];
  }

  /** The number of batches of an epoch. */
  public long batches() {
    long groups = store.groups();
    long full = groups / settings.batchSize();
    return settings.dropLast() || groups % settings.batchSize() == 0 ? full : full + 1;
  }

  public BatchSettings settings() {
    return settings;
  }

  /** Groups of the largest batch. */
  public int mostGroups() {
    return (int) Math.min(settings.batchSize(), store.groups());
  }

  /**
   * The groups of one batch.
   *
   * @param epoch number of the epoch, from 0
   * @param batch number of the batch in it, 0 .. {@link #batches} - 1
   * @param groups receives them; room for a full batch
   * @return how many there are: a full batch but for the last one
   */
  public int batch(long epoch, long batch, long[] groups) {
    if (batch < 0 || batch >= batches()) {
      throw new IndexOutOfBoundsException("batch " + batch + " of " + batches());
    }
    long first = batch * settings.batchSize();
    int count = (int) Math.min(settings.batchSize(), store.groups() - first);
    for (int i = 0; i < count; i++) {
      groups[i] = settings.shuffle() ? shuffled(epoch, first + i) : first + i;
    }
    if (settings.lengthAware()) {
      sortByLength(groups, count);
    }
    return count;
  }

  private long shuffled(long epoch, long index) {
    if (permutation == null || permutationEpoch != epoch) {
      permutation = new Permutation(store.groups(), settings.seed(), epoch);
      permutationEpoch = epoch;
    }
    return permutation.apply(index);
  }

  private void sortByLength(long[] groups, int count) {
    for (int i = 0; i < count; i++) {
      unsorted[i] = groups[i];
      // Ascending keys: longest first, and in the order of the shuffle among equals.
      sortKeys[i] = -(long) tokens(groups[i], 0, store.columns()) << 32 | i;
    }
    Arrays.sort(sortKeys, 0, count);
    for (int i = 0; i < count; i++) {
      groups[i] = unsorted[(int) sortKeys[i]];
    }
  }

  private int tokens(long group, int firstColumn, int columnCount) {
    int tokens = 0;
    for (int column = firstColumn; column < firstColumn + columnCount; column++) {
      tokens += store.length(group * store.columns() + column);
    }
    return tokens;
  }

  /**
   * The most tokens that columns {@code firstColumn .. firstColumn + columnCount - 1} have in any
   * of the first {@code batchCount} batches of an epoch, exactly; it looks at all their groups.
   * {@link TokenStore#mostTokens} bounds all epochs at once.
   */
  public int maxTokens(long epoch, long batchCount, int firstColumn, int columnCount) {
    long[] groups = new long[settings.batchSize()];
    long most = 0;
    for (long batch = 0; batch < Math.min(batchCount, batches()); batch++) {
      long tokens = 0;
      int count = batch(epoch, batch, groups);
      for (int i = 0; i < count; i++) {
        tokens += tokens(groups[i], firstColumn, columnCount);
      }
      most = Math.max(most, tokens);
    }
    return Math.toIntExact(most);
  }
}
