package io.github.simcse4j.train;

import io.github.simcse4j.data.TokenStore;
import java.util.ArrayList;
import java.util.List;

/**
 * A stretch of a batch that is encoded at once: sentences {@code from .. to - 1} of its columns,
 * column after column, in one view or, where it is the whole batch, in all. So its embeddings are
 * neighbours among those of the batch, which stand view after view.
 *
 * @param rows its tokens, every view counted
 */
record BatchChunk(int firstView, int views, int from, int to, long rows) {

  /**
   * Cuts a batch into chunks of at most {@code limit} rows, in the order of their embeddings. What
   * fits is left whole.
   *
   * @param groups of the batch, the first {@code count}
   * @param limit at least the longest sentence
   */
  static List<BatchChunk> cut(TokenStore store, long[] groups, int count, int views, long limit) {
    int sentences = count * store.columns();
    List<BatchChunk> ofView = new ArrayList<>();
    int from = 0;
    long rows = 0;
    long all = 0;
    for (int i = 0; i < sentences; i++) {
      int length = store.length(groups[i % count] * store.columns() + i / count);
      if (rows + length > limit) {
        ofView.add(new BatchChunk(0, 1, from, i, rows));
        from = i;
        rows = 0;
      }
      rows += length;
      all += length;
    }
    ofView.add(new BatchChunk(0, 1, from, sentences, rows));
    if (views * all <= limit) {
      return List.of(new BatchChunk(0, views, 0, sentences, views * all));
    }
    List<BatchChunk> chunks = new ArrayList<>(views * ofView.size());
    for (int view = 0; view < views; view++) {
      for (BatchChunk chunk : ofView) {
        chunks.add(new BatchChunk(view, 1, chunk.from, chunk.to, chunk.rows));
      }
    }
    return chunks;
  }

  /** Its first row among the embeddings of the batch. */
  long firstEmbedding(int sentencesOfBatch) {
    return (long) firstView * sentencesOfBatch + from;
  }

  /** Rows of its embeddings. */
  long embeddings() {
    return (long) views * (to - from);
  }
}
