package io.github.simcse4j.kernels;

import io.github.simcse4j.random.Dropout;
import io.github.simcse4j.random.DropoutKey;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Tensor;
import io.github.simcse4j.tensor.Workspace;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A wrong argument is refused by operation and name before anything is written. */
interface ArgumentContract extends KernelsContract {

  private static PackedBatch batch(KernelsFixture fixture) {
    return Batches.random(fixture, 1, 0, 3, 2);
  }

  @Test
  default void gemmRefusesOtherShapes() {
    refuse("gemm", "a", f -> gemm(f, f.activations(3, 5), f.activations(4, 2), f.output(4, 2)));
    refuse("gemm", "b", f -> gemm(f, f.activations(3, 5), f.activations(4, 2), f.output(3, 2)));
    refuse("gemm", "c", f -> gemm(f, f.activations(3, 5), f.activations(5, 2), f.output(6)));
    refuse("gemm", "a", f -> gemm(f, f.activations(15), f.activations(5, 2), f.output(3, 2)));
    refuse("gemm", "b", f -> gemm(f, f.activations(3, 5), null, f.output(3, 2)));
    refuse(
        "gemm",
        "I32",
        f -> gemm(f, f.output(DType.I32, 3, 5), f.activations(5, 2), f.output(3, 2)));
    refuse(
        "gemm",
        "bias",
        f ->
            f.kernels()
                .gemm(
                    false,
                    false,
                    f.activations(3, 5),
                    f.activations(5, 2),
                    f.output(3, 2),
                    GemmEpilogue.bias(f.parameters(3))));
    refuse(
        "gemm",
        "residual",
        f ->
            f.kernels()
                .gemm(
                    false,
                    false,
                    f.activations(3, 5),
                    f.activations(5, 2),
                    f.output(3, 2),
                    GemmEpilogue.biasResidual(f.parameters(2), f.activations(2, 3))));
    refuse(
        "gemm",
        "preActivation",
        f ->
            f.kernels()
                .gemm(
                    false,
                    false,
                    f.activations(3, 5),
                    f.activations(5, 2),
                    f.output(3, 2),
                    GemmEpilogue.geluBackward(f.activations(2, 3))));
  }

  @Test
  default void gemmRefusesOtherBiasGradients() {
    for (boolean transposed : new boolean[] {false, true}) {
      refuse(
          "gemm",
          "biasGradient",
          f ->
              f.kernels()
                  .gemm(
                      transposed,
                      false,
                      f.activations(transposed ? 5 : 3, transposed ? 3 : 5),
                      f.activations(5, 2),
                      f.output(3, 2),
                      GemmEpilogue.accumulate(f.parameters(transposed ? 5 : 3))));
    }
  }

  private static void gemm(KernelsFixture fixture, Tensor a, Tensor b, Tensor c) {
    fixture.kernels().gemm(false, false, a, b, c, GemmEpilogue.STORE);
  }

  @Test
  default void elementwiseOperationsRefuseOtherShapes() {
    refuse("gelu_backward", "gradient", f -> f.kernels().geluBackward(f.output(6), f.output(7)));
    refuse("tanh_backward", "gradient", f -> f.kernels().tanhBackward(f.output(6), f.output(7)));
    refuse("column_sum", "sum", f -> f.kernels().columnSum(f.activations(3, 4), f.parameters(3)));
    refuse("column_sum", "x", f -> f.kernels().columnSum(f.activations(12), f.parameters(3)));
    refuse(
        "gradient_norm",
        "norm",
        f -> f.kernels().gradientNorm(f.activations(6), f.output(DType.I32, 1)));
    refuse("adamw", "secondMoment", f -> adamw(f, f.output(f.accumulator(), 6), 5, null));
    refuse("adamw", "copy", f -> adamw(f, f.output(f.accumulator(), 6), 6, f.output(DType.I32, 6)));
    refuse(
        "adamw", "copy", f -> adamw(f, f.output(f.accumulator(), 6), 6, f.output(DType.BF16, 5)));
    refuse("adamw", "I32", f -> adamw(f, f.output(DType.I32, 6), 6, null));
    refuse("convert", "both", f -> f.kernels().convert(f.activations(6), f.output(6)));
    refuse("convert", "I32", f -> f.kernels().convert(f.activations(6), f.output(DType.I32, 6)));
    refuse("convert", "missing", f -> f.kernels().convert(null, f.output(6)));
    refuse(
        "dropout_mask",
        "mask",
        f -> f.kernels().dropoutMask(batch(f), Dropout.NONE, f.output(DType.U8, 4, 8)));
  }

  private static void adamw(KernelsFixture f, Tensor parameters, int moments, Tensor copy) {
    AdamWStep step = new AdamWStep(1, 1, 0.9, 0.999, 1e-8, 0, 0);
    f.kernels()
        .adamw(
            step,
            parameters,
            f.parameters(6),
            f.parameters(6),
            f.parameters(moments),
            f.parameters(1),
            copy);
  }

  /** What cannot be a parameter's type, and shapes that differ, where there are two types. */
  @Test
  default void mixedTypesAreRefused() {
    if (dtype() != DType.BF16) {
      return;
    }
    refuse("adamw", "BF16", f -> adamw(f, f.output(6), 6, null));
    refuse(
        "gradient_norm",
        "BF16",
        f -> f.kernels().gradientNorm(f.activations(6), f.output(DType.F32, 1)));
    refuse("convert", "to", f -> f.kernels().convert(f.activations(6), f.output(DType.F32, 2, 3)));
    refuse(
        "gemm",
        "residual",
        f ->
            f.kernels()
                .gemm(
                    false,
                    false,
                    f.activations(3, 5),
                    f.activations(5, 2),
                    f.output(3, 2),
                    GemmEpilogue.biasResidual(f.parameters(2), f.parameters(3, 2))));
    refuse("pooling_forward", "pooled", f -> pool(f, PoolingMode.MEAN, f.output(DType.I32, 2, 8)));
  }

  @Test
  default void layerNormRefusesOtherShapes() {
    refuse("dropout_residual_layer_norm_forward", "x", f -> layerNorm(f, 4, 5, 8, 5));
    refuse("dropout_residual_layer_norm_forward", "residual", f -> layerNorm(f, 5, 4, 8, 5));
    refuse("dropout_residual_layer_norm_forward", "gamma", f -> layerNorm(f, 5, 5, 7, 5));
    refuse("dropout_residual_layer_norm_forward", "mean", f -> layerNorm(f, 5, 5, 8, 4));
    refuse(
        "dropout_residual_layer_norm_forward",
        "residual",
        f ->
            f.kernels()
                .dropoutResidualLayerNormForward(
                    batch(f),
                    f.output(5, 8),
                    null,
                    f.layerNorm(8),
                    DropoutKey.of(1, 1).at(1, 0.5f),
                    f.output(5, 8),
                    f.rowStatistics(5)));
    refuse(
        "layer_norm_replay",
        "out",
        f ->
            f.kernels()
                .layerNormReplay(
                    f.activations(5, 8), f.rowStatistics(5), f.layerNorm(8), f.output(8, 5)));
    refuse(
        "dropout_residual_layer_norm_backward",
        "dX",
        f ->
            f.kernels()
                .dropoutResidualLayerNormBackward(
                    batch(f),
                    f.activations(5, 8),
                    f.activations(5, 8),
                    f.rowStatistics(5),
                    f.layerNorm(8),
                    Dropout.NONE,
                    f.output(5, 8),
                    f.output(5, 9),
                    f.output(f.accumulator(), 8),
                    f.output(f.accumulator(), 8)));
  }

  private static void layerNorm(KernelsFixture f, int rows, int residuals, int norm, int means) {
    f.kernels()
        .dropoutResidualLayerNormForward(
            batch(f),
            f.output(rows, 8),
            f.activations(residuals, 8),
            f.layerNorm(norm),
            Dropout.NONE,
            f.output(5, 8),
            f.rowStatistics(means));
  }

  @Test
  default void attentionRefusesOtherShapes() {
    refuse("attention_forward", "heads", f -> attention(f, 3, 24, 8));
    refuse("attention_forward", "qkv", f -> attention(f, 2, 8, 8));
    refuse("attention_forward", "out", f -> attention(f, 1, 24, null));
    refuse(
        "attention_backward",
        "lse",
        f ->
            f.kernels()
                .attentionBackward(
                    batch(f),
                    2,
                    f.activations(5, 24),
                    f.activations(5, 8),
                    null,
                    f.activations(5, 8),
                    Dropout.NONE,
                    f.output(5, 24)));
  }

  private static void attention(KernelsFixture f, int heads, int channels, Integer hidden) {
    Tensor out = hidden == null ? f.output(40) : f.output(5, hidden);
    f.kernels()
        .attentionForward(batch(f), heads, f.activations(5, channels), Dropout.NONE, out, null);
  }

  @Test
  default void poolingRefusesOtherShapes() {
    refuse("pooling_forward", "argmax", f -> pool(f, PoolingMode.MAX, f.output(2, 8)));
    refuse("pooling_forward", "pooled", f -> pool(f, PoolingMode.MEAN, f.output(3, 8)));
    refuse(
        "pooling_backward",
        "hidden",
        f ->
            f.kernels()
                .poolingBackward(
                    batch(f), PoolingMode.CLS, f.activations(2, 8), 1, null, f.output(4, 8)));
  }

  private static void pool(KernelsFixture f, PoolingMode mode, Tensor out) {
    f.kernels().poolingForward(batch(f), mode, f.activations(5, 8), 1, false, out, null);
  }

  @ParameterizedTest
  @ValueSource(ints = {-1, Batches.VOCABULARY, Integer.MAX_VALUE, Integer.MIN_VALUE})
  default void embeddingRefusesTokensOutsideTheVocabulary(int id) {
    for (boolean backward : new boolean[] {false, true}) {
      refuse(
          backward ? "embedding_backward" : "embedding_forward",
          "ids",
          f -> {
            PackedBatch sound = batch(f);
            double[] ids = f.values(sound.ids());
            ids[(int) f.values(sound.starts())[1] + 1] = id;
            Tensor changed = f.input(DType.I32, ids, ids.length);
            embedding(
                f, sent(f, with(sound, changed, sound.starts(), sound.cuSeqlens())), backward);
          });
    }
  }

  @ParameterizedTest
  @ValueSource(longs = {-1, 1000, Long.MAX_VALUE, Long.MIN_VALUE, 1L << 32})
  default void embeddingRefusesSentencesOutsideTheIds(long start) {
    for (boolean backward : new boolean[] {false, true}) {
      refuse(
          backward ? "embedding_backward" : "embedding_forward",
          "starts",
          f -> {
            PackedBatch sound = batch(f);
            Tensor starts = f.input(DType.I64, new double[] {0, start}, 2);
            embedding(f, sent(f, with(sound, sound.ids(), starts, sound.cuSeqlens())), backward);
          });
    }
  }

  /**
   * The batch has sentences of 3 and 2 tokens: anything but 0, 3, 5 disagrees with its row count.
   */
  @ParameterizedTest
  @CsvSource({
    "1, 3, 5",
    "0, 0, 5",
    "0, 5, 5",
    "0, 6, 5",
    "0, -1, 5",
    "0, 3, 4",
    "0, 3, 2147483647"
  })
  default void operationsRefuseOffsetsThatAreNoSentences(int first, int second, int third) {
    for (boolean backward : new boolean[] {false, true}) {
      refuse(
          backward ? "embedding_backward" : "embedding_forward",
          "cuSeqlens",
          f -> embedding(f, offsets(f, first, second, third), backward));
    }
    refuse(
        "attention_forward",
        "cuSeqlens",
        f ->
            f.kernels()
                .attentionForward(
                    offsets(f, first, second, third),
                    2,
                    f.activations(5, 24),
                    Dropout.NONE,
                    f.output(5, 8),
                    null));
    refuse(
        "pooling_forward",
        "cuSeqlens",
        f ->
            f.kernels()
                .poolingForward(
                    offsets(f, first, second, third),
                    PoolingMode.MEAN,
                    f.activations(5, 8),
                    1,
                    false,
                    f.output(2, 8),
                    null));
  }

  private PackedBatch offsets(KernelsFixture f, int... cuSeqlens) {
    PackedBatch sound = batch(f);
    return sent(f, with(sound, sound.ids(), sound.starts(), Batches.integers(f, cuSeqlens)));
  }

  /** As operations get it that do not check its content: the stage on the way does. */
  private PackedBatch sent(KernelsFixture f, PackedBatch batch) {
    if (checksContent()) {
      return batch;
    }
    BatchLimits limits = new BatchLimits(1, 9, 99, Batches.VOCABULARY);
    Kernels kernels = f.kernels();
    try (Workspace workspace = new Workspace(kernels.allocate(kernels.stageBytes(limits)));
        BatchStage stage = kernels.stage(limits, workspace)) {
      return stage.put(Batches.onHost(f, batch));
    }
  }

  private static PackedBatch with(PackedBatch batch, Tensor ids, Tensor starts, Tensor cuSeqlens) {
    return new PackedBatch(
        ids, starts, cuSeqlens, batch.samples(), batch.tokens(), batch.maxLength(), 1, 0);
  }

  private static void embedding(KernelsFixture f, PackedBatch batch, boolean backward) {
    embedding(f, batch, 5, backward);
  }

  /** Over a vocabulary of {@link Batches#VOCABULARY}, 9 positions and 2 types, with 8 channels. */
  private static void embedding(KernelsFixture f, PackedBatch batch, int rows, boolean backward) {
    EmbeddingTables tables =
        new EmbeddingTables(
            f.activations(Batches.VOCABULARY, 8), f.activations(9, 8), f.activations(2, 8));
    LayerNorm norm = f.layerNorm(8);
    if (!backward) {
      f.kernels()
          .embeddingForward(
              batch, tables, norm, Dropout.NONE, f.output(rows, 8), f.rowStatistics(rows));
      return;
    }
    f.kernels()
        .embeddingBackward(
            batch,
            tables,
            norm,
            new RowStatistics(f.parameters(rows), f.parameters(rows)),
            Dropout.NONE,
            f.activations(rows, 8),
            f.output(rows, 8),
            new EmbeddingTables(
                f.output(f.accumulator(), Batches.VOCABULARY, 8),
                f.output(f.accumulator(), 9, 8),
                f.output(f.accumulator(), 2, 8)),
            f.output(f.accumulator(), 8),
            f.output(f.accumulator(), 8));
  }

  @Test
  default void embeddingRefusesSentencesLongerThanItsPositions() {
    refuse(
        "embedding_forward",
        "positions",
        f -> embedding(f, Batches.random(f, 1, 0, 10), 10, false));
  }
}
