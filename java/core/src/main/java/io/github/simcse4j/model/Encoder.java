package io.github.simcse4j.model;

import io.github.simcse4j.kernels.GemmEpilogue;
import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.kernels.PackedBatch;
import io.github.simcse4j.kernels.PoolingMode;
import io.github.simcse4j.random.Dropout;
import io.github.simcse4j.random.DropoutKey;
import io.github.simcse4j.tensor.Tensor;

/**
 * BERT with layer normalisation after each block (Devlin et al. 2019), forward and backward written
 * out as calls of {@link Kernels} over packed batches. It holds no weights and no activations; both
 * are handed in.
 */
final class Encoder {

  private final EncoderConfig config;
  private final Pooler pooler;
  private final Kernels kernels;

  Encoder(EncoderConfig config, Pooler pooler, Kernels kernels) {
    this.config = config;
    this.pooler = pooler;
    this.kernels = kernels;
  }

  /**
   * Encodes a batch and pools it.
   *
   * @param key the step's dropout key, or null to drop nothing
   * @param pooled the sentence vectors (views * B, H)
   * @param argmax for the pooler {@code max} (views * B, H), else null
   */
  void forward(
      PackedBatch batch,
      EncoderParameters weights,
      DropoutKey key,
      EncoderActivations a,
      Tensor pooled,
      Tensor argmax) {
    a.require(batch);
    kernels.iota(a.counting);
    kernels.embeddingForward(
        batch,
        weights.tables(),
        weights.embeddingNorm(),
        hidden(key, Dropout.EMBEDDING_SITE),
        a.embedded,
        a.embeddingStatistics);
    boolean empty = pool(batch, 0, a.embedded, true, pooled, argmax);
    for (int l = 0; l < config.layers(); l++) {
      Tensor output = layerForward(batch, l, weights.layer(l), key, a);
      if (a.narrow(l)) {
        PackedBatch first = batch.firstTokens(a.counting);
        kernels.poolingForward(first, PoolingMode.CLS, output, 1f, false, pooled, null);
      } else {
        empty = pool(batch, l + 1, output, empty, pooled, argmax);
      }
    }
  }

  private Tensor layerForward(
      PackedBatch batch, int l, LayerParameters weights, DropoutKey key, EncoderActivations a) {
    LayerActivations kept = a.layer(l);
    Tensor input = a.input(l);
    kernels.gemm(
        false, true, input, weights.qkvWeight(), kept.qkv(), GemmEpilogue.bias(weights.qkvBias()));
    kernels.attentionForward(
        batch,
        config.heads(),
        kept.qkv(),
        attention(key, Dropout.attentionSite(l)),
        kept.context(),
        kept.lse());

    // Where nothing is dropped and nothing kept, the product adds the residual in passing.
    boolean fused = key == null && !a.training();
    PackedBatch rows = batch;
    Tensor attended = kept.attentionOutput();
    if (a.narrow(l)) {
      rows = batch.firstTokens(a.counting);
      firstTokens(batch, kept.context(), kept.narrowContext());
      firstTokens(batch, input, attended);
      input = attended;
    }
    kernels.gemm(
        false,
        true,
        kept.narrowContext(),
        weights.contextWeight(),
        kept.attentionSum(),
        projection(fused, weights.contextBias(), input));
    kernels.dropoutResidualLayerNormForward(
        rows,
        kept.attentionSum(),
        fused ? null : input,
        weights.attentionNorm(),
        hidden(key, Dropout.attentionOutputSite(l)),
        attended,
        kept.attentionStatistics());
    kernels.gemm(
        false,
        true,
        attended,
        weights.upWeight(),
        kept.activation(),
        GemmEpilogue.biasGelu(weights.upBias(), kept.preActivation()));
    kernels.gemm(
        false,
        true,
        kept.activation(),
        weights.downWeight(),
        kept.outputSum(),
        projection(fused, weights.downBias(), attended));
    kernels.dropoutResidualLayerNormForward(
        rows,
        kept.outputSum(),
        fused ? null : attended,
        weights.outputNorm(),
        hidden(key, Dropout.feedForwardSite(l)),
        kept.output(),
        kept.outputStatistics());
    return kept.output();
  }

  private static GemmEpilogue projection(boolean fused, Tensor bias, Tensor residual) {
    return fused ? GemmEpilogue.biasResidual(bias, residual) : GemmEpilogue.bias(bias);
  }

  /**
   * Adds the gradients of all parameters for d(pooled). The activations are used up.
   *
   * @param dPooled (views * B, H)
   * @param gradients +=
   */
  void backward(
      PackedBatch batch,
      EncoderParameters weights,
      DropoutKey key,
      EncoderActivations a,
      Tensor dPooled,
      Tensor argmax,
      EncoderParameters gradients) {
    a.require(batch);
    kernels.zero(a.dHidden);
    for (int l = config.layers() - 1; l >= 0; l--) {
      if (a.narrow(l)) {
        PackedBatch first = batch.firstTokens(a.counting);
        kernels.zero(a.dNarrowHidden);
        kernels.poolingBackward(first, PoolingMode.CLS, dPooled, 1f, null, a.dNarrowHidden);
      } else {
        poolBackward(batch, l + 1, dPooled, argmax, a.dHidden);
      }
      feedForwardBackward(batch, l, weights.layer(l), key, a, gradients.layer(l));
      attentionBackward(batch, l, weights, key, a, gradients.layer(l));
    }
    poolBackward(batch, 0, dPooled, argmax, a.dHidden);
    kernels.embeddingBackward(
        batch,
        weights.tables(),
        weights.embeddingNorm(),
        a.embeddingStatistics,
        hidden(key, Dropout.EMBEDDING_SITE),
        a.dHidden,
        a.hidden.rows(0, batch.tokens()),
        gradients.tables(),
        gradients.embeddingNorm().gamma(),
        gradients.embeddingNorm().beta());
  }

  /** From d(layer output) to d(input of the feed-forward half), in place in d(hidden). */
  private void feedForwardBackward(
      PackedBatch batch,
      int l,
      LayerParameters weights,
      DropoutKey key,
      EncoderActivations a,
      LayerParameters gradients) {
    LayerActivations kept = a.layer(l);
    PackedBatch rows = a.narrow(l) ? batch.firstTokens(a.counting) : batch;
    Tensor dOutput = a.narrow(l) ? a.dNarrowHidden : a.dHidden;
    Tensor input = kept.attentionOutput();
    Tensor dDown = kept.outputSum();
    kernels.dropoutResidualLayerNormBackward(
        rows,
        dOutput,
        kept.outputSum(),
        kept.outputStatistics(),
        weights.outputNorm(),
        hidden(key, Dropout.feedForwardSite(l)),
        dOutput,
        dDown,
        gradients.outputNorm().gamma(),
        gradients.outputNorm().beta());
    Tensor dWide = a.wide.rows(0, kept.rows());
    Tensor activation = geluBackward(kept, dDown, weights.downWeight(), dWide, a.replays());
    kernels.gemm(
        true,
        false,
        dDown,
        activation,
        gradients.downWeight(),
        GemmEpilogue.accumulate(gradients.downBias()));
    if (a.replays()) {
      kernels.layerNormReplay(
          kept.attentionSum(), kept.attentionStatistics(), weights.attentionNorm(), input);
    }
    kernels.gemm(
        true,
        false,
        dWide,
        input,
        gradients.upWeight(),
        GemmEpilogue.accumulate(gradients.upBias()));
    kernels.gemm(false, false, dWide, weights.upWeight(), dOutput, GemmEpilogue.ACCUMULATE);
  }

  /** Computes d(pre-activation) in {@code dWide}; returns the GELU's output. */
  private Tensor geluBackward(
      LayerActivations kept, Tensor dDown, Tensor downWeight, Tensor dWide, boolean replays) {
    if (replays) {
      kernels.gemm(false, false, dDown, downWeight, dWide, GemmEpilogue.STORE);
      kernels.geluBackward(kept.preActivation(), dWide);
      return kept.preActivation();
    }
    GemmEpilogue epilogue = GemmEpilogue.geluBackward(kept.preActivation());
    kernels.gemm(false, false, dDown, downWeight, dWide, epilogue);
    return kept.activation();
  }

  /** From d(input of the feed-forward half) to d(layer input), in place in d(hidden). */
  private void attentionBackward(
      PackedBatch batch,
      int l,
      EncoderParameters parameters,
      DropoutKey key,
      EncoderActivations a,
      LayerParameters gradients) {
    LayerParameters weights = parameters.layer(l);
    LayerActivations kept = a.layer(l);
    boolean narrow = a.narrow(l);
    Tensor dOutput = narrow ? a.dNarrowHidden : a.dHidden;
    Tensor dProjection = kept.attentionSum();
    Dropout dropout = attention(key, Dropout.attentionSite(l));
    if (a.replays()) {
      kernels.attentionForward(
          batch, config.heads(), kept.qkv(), dropout, kept.context(), kept.lse());
    }
    kernels.dropoutResidualLayerNormBackward(
        narrow ? batch.firstTokens(a.counting) : batch,
        dOutput,
        kept.attentionSum(),
        kept.attentionStatistics(),
        weights.attentionNorm(),
        hidden(key, Dropout.attentionOutputSite(l)),
        dOutput,
        dProjection,
        gradients.attentionNorm().gamma(),
        gradients.attentionNorm().beta());
    kernels.gemm(
        true,
        false,
        dProjection,
        kept.narrowContext(),
        gradients.contextWeight(),
        GemmEpilogue.accumulate(gradients.contextBias()));
    Tensor dContext = a.hidden;
    Tensor dNarrowContext = narrow ? a.narrowHidden : dContext;
    kernels.gemm(
        false, false, dProjection, weights.contextWeight(), dNarrowContext, GemmEpilogue.STORE);
    if (narrow) {
      kernels.zero(dContext);
      kernels.poolingBackward(batch, PoolingMode.CLS, dNarrowContext, 1f, null, dContext);
      kernels.poolingBackward(batch, PoolingMode.CLS, dOutput, 1f, null, a.dHidden);
    }
    kernels.attentionBackward(
        batch, config.heads(), kept.qkv(), kept.context(), kept.lse(), dContext, dropout, a.dQkv);
    Tensor input = layerInput(l, parameters, a);
    kernels.gemm(
        true,
        false,
        a.dQkv,
        input,
        gradients.qkvWeight(),
        GemmEpilogue.accumulate(gradients.qkvBias()));
    kernels.gemm(false, false, a.dQkv, weights.qkvWeight(), a.dHidden, GemmEpilogue.ACCUMULATE);
  }

  /** The input of a layer, kept or computed again. */
  private Tensor layerInput(int l, EncoderParameters parameters, EncoderActivations a) {
    Tensor input = a.input(l);
    if (l > 0 && a.replays()) {
      LayerActivations before = a.layer(l - 1);
      kernels.layerNormReplay(
          before.outputSum(),
          before.outputStatistics(),
          parameters.layer(l - 1).outputNorm(),
          input);
    }
    return input;
  }

  private void firstTokens(PackedBatch batch, Tensor hidden, Tensor first) {
    kernels.poolingForward(batch, PoolingMode.CLS, hidden, 1f, false, first, null);
  }

  /** Adds hidden state {@code state} to the pooled vectors; tells whether they are still unset. */
  private boolean pool(
      PackedBatch batch, int state, Tensor hidden, boolean empty, Tensor pooled, Tensor argmax) {
    float weight = pooler.weight(state, config.layers());
    if (weight == 0f) {
      return empty;
    }
    kernels.poolingForward(batch, pooler.mode(), hidden, weight, !empty, pooled, argmax);
    return false;
  }

  private void poolBackward(
      PackedBatch batch, int state, Tensor dPooled, Tensor argmax, Tensor dHidden) {
    float weight = pooler.weight(state, config.layers());
    if (weight != 0f) {
      kernels.poolingBackward(batch, pooler.mode(), dPooled, weight, argmax, dHidden);
    }
  }

  private Dropout hidden(DropoutKey key, int site) {
    return key == null ? Dropout.NONE : key.at(site, (float) config.hiddenKeepProb());
  }

  private Dropout attention(DropoutKey key, int site) {
    return key == null ? Dropout.NONE : key.at(site, (float) config.attentionKeepProb());
  }
}
