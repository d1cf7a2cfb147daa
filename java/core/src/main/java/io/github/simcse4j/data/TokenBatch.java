package io.github.simcse4j.data;

import io.github.simcse4j.kernels.BatchLimits;
import io.github.simcse4j.kernels.PackedBatch;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.HostMemory;
import io.github.simcse4j.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * A packed batch of sentences that come from no file: what evaluation and encoding fill sentence by
 * sentence. Its memory is used again for every batch.
 */
public final class TokenBatch implements AutoCloseable {

  private final BatchTables tables;
  private final Tensor ids;

  /** Room for one batch. */
  public TokenBatch(BatchLimits limits) {
    tables = new BatchTables(limits.sentences());
    ids = Tensor.host(DType.I32, limits.tokens());
  }

  /** Empties the batch. */
  public void clear() {
    tables.clear();
  }

  /** Whether one more sentence of {@code length} tokens has room. */
  public boolean fits(int length) {
    return tables.sentences() < tables.maxSentences() && length <= ids.elements() - tables.tokens();
  }

  /**
   * Adds the sentence {@code source[from] .. source[from + length - 1]}.
   *
   * @param length at least 1
   * @param sample its index in the data set
   */
  public void add(int[] source, int from, int length, int sample) {
    if (length < 1 || !fits(length)) {
      throw new IllegalArgumentException(
          "a sentence of "
              + length
              + " tokens does not fit behind "
              + tables.sentences()
              + " of "
              + tables.maxSentences()
              + " sentences and "
              + tables.tokens()
              + " of "
              + ids.elements()
              + " tokens");
    }
    int start = tables.tokens();
    MemorySegment.copy(
        source, from, ids.segment(), ValueLayout.JAVA_INT, Integer.BYTES * (long) start, length);
    tables.add(start, length, sample);
  }

  /** The number of sentences added since {@link #clear}. */
  public int sentences() {
    return tables.sentences();
  }

  /** The number of their tokens. */
  public int tokens() {
    return tables.tokens();
  }

  /** The batch in one view, on the host, valid until {@link #clear}. */
  public PackedBatch packed() {
    return tables.packed(ids);
  }

  @Override
  public void close() {
    tables.close();
    ((HostMemory) ids.memory()).close();
  }
}
