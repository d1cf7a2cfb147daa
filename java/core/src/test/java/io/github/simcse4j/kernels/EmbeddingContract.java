package io.github.simcse4j.kernels;

import io.github.simcse4j.random.Dropout;
import io.github.simcse4j.random.DropoutKey;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** BERT's input and its gradients. */
interface EmbeddingContract extends KernelsContract {

  int POSITIONS = 37;

  @ParameterizedTest
  @EnumSource
  default void embedding(BatchShape shape) {
    for (int hidden : LayerNormContract.HIDDEN) {
      for (float keepProb : LayerNormContract.KEEP_PROBS) {
        embedding(shape, hidden, keepProb, false);
      }
      embedding(shape, hidden, 0.9f, true);
    }
  }

  @Test
  default void embeddingOfManySentences() {
    int[] lengths = new int[120];
    for (int b = 0; b < lengths.length; b++) {
      lengths[b] = 1 + b * 7 % 13;
    }
    check(
        "embedding",
        "120 sentences",
        fixture -> embedding(fixture, Batches.random(fixture, 2, 0, lengths), 65, 0.9f, false));
  }

  private void embedding(BatchShape shape, int hidden, float keepProb, boolean spikes) {
    check(
        "embedding",
        "%s, hidden %d, keepProb %s%s"
            .formatted(shape, hidden, keepProb, spikes ? ", outliers" : ""),
        fixture -> embedding(fixture, shape.batch(fixture), hidden, keepProb, spikes));
  }

  private static void embedding(
      KernelsFixture fixture, PackedBatch batch, int hidden, float keepProb, boolean spikes) {
    EmbeddingTables tables =
        new EmbeddingTables(
            fixture.activations(spikes, Batches.VOCABULARY, hidden),
            fixture.activations(POSITIONS, hidden),
            fixture.activations(2, hidden));
    LayerNorm norm = fixture.layerNorm(hidden);
    Dropout dropout = DropoutKey.of(11, 5).at(Dropout.EMBEDDING_SITE, keepProb);
    Tensor out = fixture.output(batch.rows(), hidden);
    RowStatistics statistics = fixture.rowStatistics(batch.tokens());
    fixture.kernels().embeddingForward(batch, tables, norm, dropout, out, statistics);
    fixture.result("out", out);
    // Means and sums of numbers of size 1 may be almost 0.
    fixture.result("mean", statistics.mean(), 1);
    fixture.result("rstd", statistics.rstd());

    EmbeddingTables dTables =
        new EmbeddingTables(
            gradient(fixture, Batches.VOCABULARY, hidden),
            gradient(fixture, POSITIONS, hidden),
            gradient(fixture, 2, hidden));
    Tensor dGamma = gradient(fixture, hidden);
    Tensor dBeta = gradient(fixture, hidden);
    fixture
        .kernels()
        .embeddingBackward(
            batch,
            tables,
            norm,
            statistics,
            dropout,
            fixture.activations(batch.rows(), hidden),
            fixture.output(batch.tokens(), hidden),
            dTables,
            dGamma,
            dBeta);
    fixture.result("d(word)", dTables.word());
    fixture.result("d(position)", dTables.position());
    fixture.result("d(type)", dTables.type());
    fixture.result("dGamma", dGamma, 1);
    fixture.result("dBeta", dBeta, 1);
  }

  /** A gradient that already holds something. */
  private static Tensor gradient(KernelsFixture fixture, long... extents) {
    DType type = fixture.accumulator();
    long count = 1;
    for (long extent : extents) {
      count *= extent;
    }
    return fixture.inOut(type, fixture.normal(count), extents);
  }
}
