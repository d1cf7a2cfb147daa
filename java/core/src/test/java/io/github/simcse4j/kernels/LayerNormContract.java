package io.github.simcse4j.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import io.github.simcse4j.random.Dropout;
import io.github.simcse4j.random.DropoutKey;
import io.github.simcse4j.tensor.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Dropout, residual and layer normalisation. */
interface LayerNormContract extends KernelsContract {

  int[] HIDDEN = {1, 7, 16, 33, 128};
  float[] KEEP_PROBS = {1f, 0.9f, 0.5f};

  @ParameterizedTest
  @EnumSource
  default void layerNorm(BatchShape shape) {
    for (int hidden : HIDDEN) {
      for (float keepProb : KEEP_PROBS) {
        layerNorm(shape, hidden, keepProb, false, false);
        layerNorm(shape, hidden, keepProb, true, false);
      }
      layerNorm(shape, hidden, 0.9f, false, true);
    }
  }

  @Test
  default void layerNormOfManyRows() {
    int[] lengths = new int[90];
    for (int b = 0; b < lengths.length; b++) {
      lengths[b] = 1 + b % 11;
    }
    check(
        "dropout_residual_layer_norm",
        "90 sentences",
        fixture -> layerNorm(fixture, Batches.random(fixture, 2, 0, lengths), 65, 0.9f, true, 0));
  }

  /** The sum is there already, as a product with a residual leaves it. */
  @ParameterizedTest
  @EnumSource
  default void layerNormOfASum(BatchShape shape) {
    for (int hidden : HIDDEN) {
      check(
          "dropout_residual_layer_norm",
          "%s, hidden %d, no residual".formatted(shape, hidden),
          fixture -> {
            PackedBatch batch = shape.batch(fixture);
            int rows = batch.rows();
            double[] values = fixture.normal((long) rows * hidden);
            Tensor sum = fixture.inOut(fixture.dtype(), values, rows, hidden);
            Tensor out = fixture.output(rows, hidden);
            RowStatistics statistics = fixture.rowStatistics(rows);
            LayerNorm norm = fixture.layerNorm(hidden);
            fixture
                .kernels()
                .dropoutResidualLayerNormForward(
                    batch, sum, null, norm, Dropout.NONE, out, statistics);
            fixture.result("sum", sum);
            fixture.result("out", out);
            fixture.result("mean", statistics.mean(), 1);
            fixture.result("rstd", statistics.rstd());
          });
    }
  }

  /** A mean that is large against the deviation must not cost the variance its digits. */
  @Test
  default void layerNormFarFromZero() {
    check(
        "dropout_residual_layer_norm",
        "mean 100",
        fixture -> layerNorm(fixture, BatchShape.RAGGED.batch(fixture), 128, 1f, false, 100));
  }

  private void layerNorm(
      BatchShape shape, int hidden, float keepProb, boolean aliased, boolean spikes) {
    check(
        "dropout_residual_layer_norm",
        "%s, hidden %d, keepProb %s%s%s"
            .formatted(
                shape, hidden, keepProb, aliased ? ", in place" : "", spikes ? ", outliers" : ""),
        fixture ->
            layerNorm(fixture, shape.batch(fixture), hidden, keepProb, aliased, spikes ? -1 : 0));
  }

  /**
   * Forward, replay and backward.
   *
   * @param aliased uses every overlap of arguments that the contract allows
   * @param offset added to the residual, or -1 for outliers in it
   */
  private static void layerNorm(
      KernelsFixture fixture,
      PackedBatch batch,
      int hidden,
      float keepProb,
      boolean aliased,
      double offset) {
    Kernels kernels = fixture.kernels();
    int rows = batch.rows();
    long count = (long) rows * hidden;
    double[] residuals = offset < 0 ? fixture.spiky(count) : fixture.normal(count);
    for (int i = 0; i < residuals.length && offset > 0; i++) {
      residuals[i] += offset;
    }
    Tensor x = fixture.inOut(fixture.dtype(), fixture.normal(count), rows, hidden);
    Tensor residual =
        aliased
            ? fixture.inOut(fixture.dtype(), residuals, rows, hidden)
            : fixture.input(fixture.dtype(), residuals, rows, hidden);
    Tensor out = aliased ? residual : fixture.output(rows, hidden);
    LayerNorm norm = fixture.layerNorm(hidden);
    RowStatistics statistics = fixture.rowStatistics(rows);
    Dropout dropout = DropoutKey.of(7, 3).at(Dropout.attentionOutputSite(2), keepProb);
    kernels.dropoutResidualLayerNormForward(batch, x, residual, norm, dropout, out, statistics);
    fixture.result("sum", x);
    fixture.result("out", out);
    // Means and sums of numbers of size 1 may be almost 0.
    fixture.result("mean", statistics.mean(), 1);
    fixture.result("rstd", statistics.rstd());

    Tensor replayed = fixture.output(rows, hidden);
    kernels.layerNormReplay(x, statistics, norm, replayed);
    assertArrayEquals(
        fixture.bytes(out),
        fixture.bytes(replayed),
        "layer_norm_replay does not give the same bits");

    Tensor dOut = fixture.inOut(fixture.dtype(), fixture.normal(count), rows, hidden);
    Tensor dResidual = aliased ? dOut : fixture.output(rows, hidden);
    Tensor dX = aliased ? x : fixture.output(rows, hidden);
    Tensor dGamma = fixture.inOut(fixture.accumulator(), fixture.normal(hidden), hidden);
    Tensor dBeta = fixture.inOut(fixture.accumulator(), fixture.normal(hidden), hidden);
    kernels.dropoutResidualLayerNormBackward(
        batch, dOut, x, statistics, norm, dropout, dResidual, dX, dGamma, dBeta);
    fixture.result("dResidual", dResidual);
    fixture.result("dX", dX);
    fixture.result("dGamma", dGamma, 1);
    fixture.result("dBeta", dBeta, 1);
  }
}
