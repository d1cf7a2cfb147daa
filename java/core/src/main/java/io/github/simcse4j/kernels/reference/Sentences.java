package io.github.simcse4j.kernels.reference;

import io.github.simcse4j.kernels.PackedBatch;

/**
 * Where the sentences of a batch lie among its rows, read from the batch's tensors and checked.
 *
 * @param views how often every sentence is encoded
 * @param firstView number of the first view
 * @param tokens T
 * @param first first token of each sentence (B)
 * @param length tokens of each sentence (B)
 * @param sample index of each sentence in the data set (B)
 */
record Sentences(int views, int firstView, int tokens, int[] first, int[] length, int[] sample) {

  static Sentences of(String operation, PackedBatch batch) {
    int[] ends = Values.integers(batch.cuSeqlens());
    int count = batch.sentences();
    int[] first = new int[count];
    int[] length = new int[count];
    require(ends[0] == 0, operation, "cuSeqlens starts at " + ends[0] + ", not at 0");
    for (int b = 0; b < count; b++) {
      first[b] = ends[b];
      length[b] = ends[b + 1] - ends[b];
      require(
          ends[b] >= 0 && ends[b + 1] > ends[b] && length[b] <= batch.maxLength(),
          operation,
          "cuSeqlens of sentence "
              + b
              + " runs from "
              + ends[b]
              + " to "
              + ends[b + 1]
              + ", and a sentence has 1 to "
              + batch.maxLength()
              + " tokens here");
    }
    require(
        ends[count] == batch.tokens(),
        operation,
        "cuSeqlens ends at "
            + ends[count]
            + ", not at the "
            + batch.tokens()
            + " tokens of the batch");
    return new Sentences(
        batch.views(),
        batch.firstView(),
        batch.tokens(),
        first,
        length,
        Values.integers(batch.samples()));
  }

  int count() {
    return first.length;
  }

  /** The row of a token under the view of this index, counted from the batch's first. */
  int row(int viewIndex, int sentence, int position) {
    return viewIndex * tokens + first[sentence] + position;
  }

  /** The row of a sentence embedding. */
  int embedding(int viewIndex, int sentence) {
    return viewIndex * count() + sentence;
  }

  static void require(boolean holds, String operation, String message) {
    if (!holds) {
      throw new IllegalArgumentException(operation + ": " + message);
    }
  }
}
