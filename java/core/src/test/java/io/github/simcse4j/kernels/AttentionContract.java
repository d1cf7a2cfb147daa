package io.github.simcse4j.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.simcse4j.random.Dropout;
import io.github.simcse4j.random.DropoutKey;
import io.github.simcse4j.tensor.Tensor;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Attention over packed sentences. */
interface AttentionContract extends KernelsContract {

  @ParameterizedTest(name = "{0} heads of {1}")
  @CsvSource({"1, 1", "3, 1", "1, 7", "5, 7", "2, 16", "4, 32", "2, 64", "1, 128", "3, 33"})
  default void attention(int heads, int headSize) {
    if (headSize(headSize) != headSize) {
      refusesHeads(heads, headSize);
      return;
    }
    for (BatchShape shape : BatchShape.values()) {
      for (float keepProb : LayerNormContract.KEEP_PROBS) {
        check(
            "attention",
            "%s, %d heads of %d, keepProb %s".formatted(shape, heads, headSize, keepProb),
            fixture -> {
              double[] qkv = fixture.normal(3L * shape.rows() * heads * headSize);
              attention(fixture, shape.batch(fixture), heads, headSize, qkv, keepProb);
            });
      }
    }
  }

  private void refusesHeads(int heads, int headSize) {
    try (KernelsFixture fixture = new KernelsFixture(kernels(), dtype(), 1)) {
      PackedBatch batch = BatchShape.ONE_SENTENCE.batch(fixture);
      int hidden = heads * headSize;
      Tensor qkv = fixture.activations(batch.rows(), 3 * hidden);
      Tensor out = fixture.output(batch.rows(), hidden);
      UnsupportedOperationException refusal =
          assertThrows(
              UnsupportedOperationException.class,
              () -> kernels().attentionForward(batch, heads, qkv, Dropout.NONE, out, null));
      assertTrue(refusal.getMessage().startsWith("attention_forward: "), refusal.getMessage());
      assertTrue(refusal.getMessage().contains(heads + " heads"), refusal.getMessage());
      fixture.assertNothingWritten("attention");
    }
  }

  @Test
  default void attentionOfLongSentences() {
    check(
        "attention",
        "lengths 65, 3, 130",
        fixture -> {
          double[] qkv = fixture.normal(3L * 198 * 64);
          attention(fixture, Batches.random(fixture, 1, 0, 65, 3, 130), 2, 32, qkv, 0.9f);
        });
  }

  @Test
  default void attentionOfManySentences() {
    int[] lengths = new int[40];
    Arrays.setAll(lengths, b -> 1 + b * 5 % 19);
    int rows = 2 * Arrays.stream(lengths).sum();
    check(
        "attention",
        "40 sentences",
        fixture -> {
          double[] qkv = fixture.normal(3L * rows * 96);
          attention(fixture, Batches.random(fixture, 2, 0, lengths), 3, 32, qkv, 0.9f);
        });
  }

  /** Outliers in the values. */
  @Test
  default void attentionToOutliers() {
    int hidden = 64;
    BatchShape shape = BatchShape.AROUND_16;
    check(
        "attention",
        "outliers in the values",
        fixture -> {
          double[] qkv = fixture.normal(3L * shape.rows() * hidden);
          for (int row = 0; row < shape.rows(); row++) {
            qkv[row * 3 * hidden + 2 * hidden + fixture.random().nextInt(hidden)] *= 1e4;
          }
          attention(fixture, shape.batch(fixture), 2, 32, qkv, 0.9f);
        });
  }

  /**
   * Scores far beyond the range of the exponential, around 0 or all below it: each query sees the
   * one key of the largest score. All scores are integers, so that no backend rounds them.
   */
  @ParameterizedTest
  @ValueSource(ints = {0, -1000})
  default void attentionOfHugeScores(int middle) {
    int length = 9;
    int headSize = headSize(16);
    check(
        "attention",
        "huge scores around " + middle,
        fixture -> {
          int width = 3 * headSize;
          double query = 8192;
          double[] qkv = fixture.normal((long) length * width);
          for (int row = 0; row < length; row++) {
            Arrays.fill(qkv, row * width, row * width + 2 * headSize, 0);
            qkv[row * width] = query;
            qkv[row * width + headSize] = middle + (row * 4 % length - 4) * 80;
          }
          PackedBatch batch = Batches.random(fixture, 1, 0, length);
          // The gradient of a saturated softmax is 0: a difference of equal numbers, times the
          // query.
          attention(fixture, batch, 1, headSize, qkv, 1f, query / Math.sqrt(headSize));
        });
  }

  @Test
  default void attentionNeedNotKeepItsStatistics() {
    check(
        "attention",
        "no lse",
        fixture -> {
          PackedBatch batch = BatchShape.RAGGED.batch(fixture);
          int hidden = 2 * headSize(8);
          Tensor qkv = fixture.activations(batch.rows(), 3 * hidden);
          Tensor out = fixture.output(batch.rows(), hidden);
          fixture.kernels().attentionForward(batch, 2, qkv, Dropout.NONE, out, null);
          fixture.result("out", out);
        });
  }

  /** What a sentence becomes does not depend on what else is in its batch, nor where. */
  @Test
  default void attentionKeepsSentencesApart() {
    check(
        "attention",
        "the same sentence in two batches",
        fixture -> {
          int hidden = 2 * headSize(8);
          int width = 3 * hidden;
          double[] sentence = fixture.normal(5L * width);
          double[] neighbours = fixture.normal(7L * width);
          double[] both = Arrays.copyOf(neighbours, 12 * width);
          System.arraycopy(sentence, 0, both, neighbours.length, sentence.length);
          int[] samples = {3, 4};
          PackedBatch packed = Batches.random(fixture, 1, 0, samples, new int[] {7, 5});
          PackedBatch alone = Batches.random(fixture, 1, 0, new int[] {4}, new int[] {5});
          Dropout dropout = DropoutKey.of(1, 1).at(Dropout.attentionSite(0), 0.5f);
          Tensor packedOut = fixture.output(12, hidden);
          Tensor aloneOut = fixture.output(5, hidden);
          Kernels kernels = fixture.kernels();
          Tensor packedQkv = fixture.input(fixture.dtype(), both, 12, width);
          Tensor aloneQkv = fixture.input(fixture.dtype(), sentence, 5, width);
          kernels.attentionForward(packed, 2, packedQkv, dropout, packedOut, null);
          kernels.attentionForward(alone, 2, aloneQkv, dropout, aloneOut, null);
          assertArrayEquals(
              fixture.values(aloneOut),
              fixture.values(packedOut.rows(7, 12)),
              tolerance("attention"));
        });
  }

  private static void attention(
      KernelsFixture fixture,
      PackedBatch batch,
      int heads,
      int headSize,
      double[] values,
      float keepProb) {
    attention(fixture, batch, heads, headSize, values, keepProb, 0);
  }

  /**
   * @param scale what rounding errors of dQkv are relative to, where that is more than dQkv
   */
  private static void attention(
      KernelsFixture fixture,
      PackedBatch batch,
      int heads,
      int headSize,
      double[] values,
      float keepProb,
      double scale) {
    int rows = batch.rows();
    int hidden = heads * headSize;
    Dropout dropout = DropoutKey.of(5, 9).at(Dropout.attentionSite(1), keepProb);
    Tensor qkv = fixture.input(fixture.dtype(), values, rows, 3 * hidden);
    Tensor out = fixture.output(rows, hidden);
    Tensor lse = fixture.output(fixture.accumulator(), rows, heads);
    fixture.kernels().attentionForward(batch, heads, qkv, dropout, out, lse);
    fixture.result("out", out);
    fixture.result("lse", lse);

    Tensor dOut = fixture.activations(rows, hidden);
    Tensor dQkv = fixture.output(rows, 3 * hidden);
    fixture.kernels().attentionBackward(batch, heads, qkv, out, lse, dOut, dropout, dQkv);
    fixture.result("dQkv", dQkv, scale);
  }
}
