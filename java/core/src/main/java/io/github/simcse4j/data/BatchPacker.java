package io.github.simcse4j.data;

import io.github.simcse4j.files.InputException;
import io.github.simcse4j.kernels.BatchLimits;
import io.github.simcse4j.kernels.BatchStage;
import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.kernels.PackedBatch;
import io.github.simcse4j.tensor.Workspace;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;

/**
 * Makes packed batches of sentences in a token store. On the host the ids stay where they are in
 * the mapped file; only starts, lengths and sample numbers are written, into memory of the packer.
 * For a device they are gathered from there. A batch is valid until so many more were packed as may
 * be in use at once.
 *
 * <p>The sample of a sentence is its index in the store (low 32 bits).
 */
public final class BatchPacker implements AutoCloseable {

  private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED;

  private final TokenStore store;
  private final int vocabularySize;
  private final BatchStage stage;
  private final List<BatchTables> ring = new ArrayList<>();
  private BatchTables tables;
  private long packed;

  /**
   * A packer for one store.
   *
   * @param kernels what the batches are for
   * @param limits of the batches, all columns counted; an id beyond their vocabulary is a fault of
   *     the file
   * @param workspace of which {@link Kernels#stageBytes} are taken, until this is closed
   */
  public BatchPacker(TokenStore store, Kernels kernels, BatchLimits limits, Workspace workspace) {
    this.store = store;
    this.vocabularySize = limits.vocabulary();
    this.stage = kernels.stage(limits, workspace);
    for (int i = 0; i < limits.batches(); i++) {
      ring.add(new BatchTables(limits.sentences()));
    }
  }

  /**
   * Column {@code column} of groups {@code groups[from] .. groups[to - 1]}, in that order, in one
   * view.
   *
   * @throws InputException where the file holds an id that is not in the vocabulary
   */
  public PackedBatch pack(long[] groups, int from, int to, int column) {
    begin();
    for (int i = from; i < to; i++) {
      add(groups[i], column);
    }
    return stage.put(tables.packed(store.ids()));
  }

  /**
   * A stretch of a batch's sentences, in one view. The batch has the columns of {@code groups[0] ..
   * groups[count - 1]} column after column: sentence {@code column * count + i} is column {@code
   * column} of {@code groups[i]}.
   *
   * @param from first sentence of the stretch
   * @param to where it ends, exclusive; at most {@code columns * count}
   * @throws InputException where the file holds an id that is not in the vocabulary
   */
  public PackedBatch packColumns(long[] groups, int count, int from, int to) {
    begin();
    for (int i = from; i < to; i++) {
      add(groups[i % count], i / count);
    }
    return stage.put(tables.packed(store.ids()));
  }

  private void begin() {
    tables = ring.get((int) (packed++ % ring.size()));
    tables.clear();
  }

  private void add(long group, int column) {
    if (column < 0 || column >= store.columns()) {
      throw new IndexOutOfBoundsException("column " + column + " of " + store.columns());
    }
    long sentence = group * store.columns() + column;
    long start = store.start(sentence);
    int length = store.length(sentence);
    checkIds(sentence, start, length);
    tables.add(start, length, (int) sentence);
  }

  /** Kernels index the embedding table with these ids, and a file may hold anything. */
  private void checkIds(long sentence, long start, int length) {
    MemorySegment ids = store.ids().segment();
    for (long i = start; i < start + length; i++) {
      int id = ids.get(INT, Integer.BYTES * i);
      if (id < 0 || id >= vocabularySize) {
        throw InputException.in(
            store.file(),
            "sentence " + sentence,
            "token id " + id + " is not in the vocabulary of " + vocabularySize,
            "prepare the token store again with this model");
      }
    }
  }

  /** Frees the tables; the store stays open. */
  @Override
  public void close() {
    stage.close();
    ring.forEach(BatchTables::close);
  }
}
