package io.github.simcse4j.kernels;

import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Tensor;

/**
 * B sentences of T tokens in all, without pads, as every operation sees them. Sentence b has the
 * tokens {@code ids[starts[b] .. starts[b] + cuSeqlens[b + 1] - cuSeqlens[b])}: the ids are the
 * values buffer of an Arrow list column as it lies in the mapped file, so that a shuffled batch
 * needs no copy either.
 *
 * <p>The batch is encoded {@code views} times at once, each with dropout masks of its own.
 * Activations have R = views * T rows, view after view: row {@code v * T + t} is token t under view
 * {@code firstView + v}. Sentence embeddings have views * B rows in the same order.
 *
 * @param ids token ids, I32, any number
 * @param starts where each sentence starts in {@code ids}, I64 (B)
 * @param cuSeqlens running sum of the sentence lengths, I32 (B + 1), from 0 to T; every sentence
 *     has at least one token
 * @param samples index of each sentence in the data set, I32 (B); it names the sentence's dropout
 *     masks
 * @param tokens T
 * @param maxLength the longest sentence
 * @param views how often every sentence is encoded
 * @param firstView number of the first view
 */
public record PackedBatch(
    Tensor ids,
    Tensor starts,
    Tensor cuSeqlens,
    Tensor samples,
    int tokens,
    int maxLength,
    int views,
    int firstView) {

  public PackedBatch {
    long sentences = samples.elements();
    Checks.shape("PackedBatch", "ids", ids, DType.I32, ids.elements());
    Checks.shape("PackedBatch", "starts", starts, DType.I64, sentences);
    Checks.shape("PackedBatch", "cuSeqlens", cuSeqlens, DType.I32, sentences + 1);
    Checks.shape("PackedBatch", "samples", samples, DType.I32, sentences);
    Checks.that(views >= 1, "PackedBatch", "views must be at least 1, found %d", views);
    Checks.that(
        firstView >= 0 && firstView + views <= 256,
        "PackedBatch",
        "views %d..%d do not fit in 8 bits",
        firstView,
        firstView + views - 1);
    Checks.that(
        sentences <= tokens && maxLength <= tokens && (long) views * tokens <= Integer.MAX_VALUE,
        "PackedBatch",
        "%d sentences of at most %d tokens, %d in all, in %d views are not a batch",
        sentences,
        maxLength,
        tokens,
        views);
  }

  /** B. */
  public int sentences() {
    return (int) samples.elements();
  }

  /** R: rows of every activation. */
  public int rows() {
    return views * tokens;
  }

  /** Rows of the sentence embeddings: views * B. */
  public int embeddings() {
    return views * sentences();
  }

  /**
   * The batch of the first tokens alone, with the dropout masks they have here: what the last layer
   * needs when only the first token's vector is used.
   *
   * @param counting the numbers 0..B, I32 (B + 1)
   */
  public PackedBatch firstTokens(Tensor counting) {
    return new PackedBatch(ids, starts, counting, samples, sentences(), 1, views, firstView);
  }

  /** The same sentences under other views. */
  public PackedBatch withViews(int first, int count) {
    return new PackedBatch(ids, starts, cuSeqlens, samples, tokens, maxLength, count, first);
  }
}
