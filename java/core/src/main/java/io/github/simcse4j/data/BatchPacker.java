package io.github.simcse4j.data;

import io.github.simcse4j.files.InputException;
import io.github.simcse4j.kernels.PackedBatch;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Makes packed batches of sentences in a token store. The ids stay where they are in the mapped
 * file; only starts, lengths and sample numbers are written, into memory of the packer. A batch is
 * therefore valid until the next one is packed: two packers let one batch be used while the next is
 * made.
 *
 * <p>The sample of a sentence is its index in the store (low 32 bits).
 */
public final class BatchPacker implements AutoCloseable {

  private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED;

  private final TokenStore store;
  private final int vocabularySize;
  private final BatchTables tables;

  /**
   * A packer for one store.
   *
   * @param maxSentences most sentences of a batch, all columns counted
   * @param vocabularySize rows of the model's embedding table; an id beyond is a fault of the file
   */
  public BatchPacker(TokenStore store, int maxSentences, int vocabularySize) {
    this.store = store;
    this.vocabularySize = vocabularySize;
    this.tables = new BatchTables(maxSentences);
  }

  /**
   * Column {@code column} of groups {@code groups[from] .. groups[to - 1]}, in that order, in one
   * view.
   *
   * @throws InputException where the file holds an id that is not in the vocabulary
   */
  public PackedBatch pack(long[] groups, int from, int to, int column) {
    tables.clear();
    for (int i = from; i < to; i++) {
      add(groups[i], column);
    }
    return tables.packed(store.ids());
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
    tables.clear();
    for (int i = from; i < to; i++) {
      add(groups[i % count], i / count);
    }
    return tables.packed(store.ids());
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
    tables.close();
  }
}
