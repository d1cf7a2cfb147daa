package io.github.simcse4j.kernels.vector;

import io.github.simcse4j.kernels.PackedBatch;
import io.github.simcse4j.tensor.Tensor;

/**
 * Where the sentences of a batch lie among its rows: the batch's own tensors, checked and laid out
 * by token. The arrays are kept from call to call and only grow.
 */
final class Sentences {

  private int[] starts = new int[0];
  private int[] positions = new int[0];
  private int[] samples = new int[0];
  private int[] ids = new int[0];
  private int firstView;
  private int tokens;

  /** Reads a batch; whatever was read before is forgotten. */
  void read(String operation, PackedBatch batch) {
    int count = batch.sentences();
    firstView = batch.firstView();
    tokens = batch.tokens();
    starts = atLeast(starts, count + 1);
    positions = atLeast(positions, tokens);
    samples = atLeast(samples, tokens);
    long cuSeqlens = Floats.address(batch.cuSeqlens());
    long sampleAt = Floats.address(batch.samples());
    starts[0] = Floats.getInt(cuSeqlens);
    require(starts[0] == 0, operation, "cuSeqlens starts at %d, not at 0", starts[0]);
    for (int b = 0; b < count; b++) {
      int from = starts[b];
      int to = Floats.getInt(cuSeqlens + 4L * (b + 1));
      require(
          to > from && to <= tokens && to - from <= batch.maxLength(),
          operation,
          "cuSeqlens of sentence %d runs from %d to %d, and a sentence has 1 to %d of %d tokens"
              + " here",
          b,
          from,
          to,
          batch.maxLength(),
          tokens);
      starts[b + 1] = to;
      int sample = Floats.getInt(sampleAt + 4L * b);
      for (int t = from; t < to; t++) {
        positions[t] = t - from;
        samples[t] = sample;
      }
    }
    require(
        starts[count] == tokens,
        operation,
        "cuSeqlens ends at %d, not at the %d tokens of the batch",
        starts[count],
        tokens);
  }

  /** Reads the token ids of the batch read last, each below {@code vocabulary}. */
  void readIds(String operation, PackedBatch batch, Tensor wordTable) {
    long vocabulary = wordTable.extent(0);
    ids = atLeast(ids, tokens);
    long idsAt = Floats.address(batch.ids());
    long startsAt = Floats.address(batch.starts());
    for (int b = 0; b < batch.sentences(); b++) {
      int length = length(b);
      long start = Floats.getLong(startsAt + 8L * b);
      require(
          start >= 0 && start <= batch.ids().elements() - length,
          operation,
          "starts[%d] is %d, and %d tokens from there on are not in the %d ids",
          b,
          start,
          length,
          batch.ids().elements());
      for (int p = 0; p < length; p++) {
        int id = Floats.getInt(idsAt + 4 * (start + p));
        require(
            id >= 0 && id < vocabulary,
            operation,
            "ids[%d] is %d, outside the vocabulary of %d",
            start + p,
            id,
            vocabulary);
        ids[starts[b] + p] = id;
      }
    }
  }

  /** First token of a sentence. */
  int start(int sentence) {
    return starts[sentence];
  }

  int length(int sentence) {
    return starts[sentence + 1] - starts[sentence];
  }

  int position(int token) {
    return positions[token];
  }

  int sample(int token) {
    return samples[token];
  }

  int id(int token) {
    return ids[token];
  }

  /** Writes the dropout factors of a row of a hidden site. */
  void factors(VectorPhilox philox, int row, int channels, long out) {
    int token = row % tokens;
    int view = firstView + row / tokens;
    philox.factors(channels, positions[token], samples[token], view, out);
  }

  private static int[] atLeast(int[] array, int length) {
    return array.length >= length ? array : new int[length + length / 8];
  }

  private static void require(boolean holds, String operation, String message, Object... values) {
    if (!holds) {
      throw new IllegalArgumentException(operation + ": " + message.formatted(values));
    }
  }
}
