package io.github.simcse4j.kernels;

import io.github.simcse4j.random.Dropout;
import io.github.simcse4j.tensor.Tensor;

/**
 * What a backend writes: each operation of {@link Kernels} under its name there, with arguments
 * whose shapes and types were checked. What they mean is said there.
 */
abstract class BackendOperations {

  protected abstract void doEmbeddingForward(
      PackedBatch batch,
      EmbeddingTables tables,
      LayerNorm norm,
      Dropout dropout,
      Tensor out,
      RowStatistics statistics);

  protected abstract void doEmbeddingBackward(
      PackedBatch batch,
      EmbeddingTables tables,
      LayerNorm norm,
      RowStatistics statistics,
      Dropout dropout,
      Tensor dOut,
      Tensor scratch,
      EmbeddingTables dTables,
      Tensor dGamma,
      Tensor dBeta);

  protected abstract void doGemm(
      boolean transposeA, boolean transposeB, Tensor a, Tensor b, Tensor c, GemmEpilogue epilogue);

  protected abstract void doGeluBackward(Tensor preActivation, Tensor gradient);

  protected abstract void doTanhBackward(Tensor activation, Tensor gradient);

  protected abstract void doColumnSum(Tensor x, Tensor sum);

  protected abstract void doDropoutResidualLayerNormForward(
      PackedBatch batch,
      Tensor x,
      Tensor residual,
      LayerNorm norm,
      Dropout dropout,
      Tensor out,
      RowStatistics statistics);

  protected abstract void doLayerNormReplay(
      Tensor sum, RowStatistics statistics, LayerNorm norm, Tensor out);

  protected abstract void doDropoutResidualLayerNormBackward(
      PackedBatch batch,
      Tensor dOut,
      Tensor sum,
      RowStatistics statistics,
      LayerNorm norm,
      Dropout dropout,
      Tensor dResidual,
      Tensor dX,
      Tensor dGamma,
      Tensor dBeta);

  protected abstract void doAttentionForward(
      PackedBatch batch, int heads, Tensor qkv, Dropout dropout, Tensor out, Tensor lse);

  protected abstract void doAttentionBackward(
      PackedBatch batch,
      int heads,
      Tensor qkv,
      Tensor out,
      Tensor lse,
      Tensor dOut,
      Dropout dropout,
      Tensor dQkv);

  protected abstract void doPoolingForward(
      PackedBatch batch,
      PoolingMode mode,
      Tensor hidden,
      float weight,
      boolean accumulate,
      Tensor out,
      Tensor argmax);

  protected abstract void doPoolingBackward(
      PackedBatch batch,
      PoolingMode mode,
      Tensor dOut,
      float weight,
      Tensor argmax,
      Tensor dHidden);

  protected abstract void doSimilaritySoftmaxForward(
      ContrastPairs pairs, Contrast contrast, Tensor loss, ContrastStatistics statistics);

  protected abstract void doSimilaritySoftmaxBackward(
      ContrastPairs pairs,
      Contrast contrast,
      ContrastStatistics statistics,
      float lossScale,
      Tensor dQueries,
      Tensor dKeys);

  protected abstract void doGradientNorm(Tensor gradients, Tensor norm);

  protected abstract void doAdamw(
      AdamWStep step,
      Tensor parameters,
      Tensor gradients,
      Tensor firstMoment,
      Tensor secondMoment,
      Tensor norm,
      Tensor copy);

  protected abstract void doConvert(Tensor from, Tensor to);

  protected abstract void doDropoutMask(PackedBatch batch, Dropout dropout, Tensor mask);
}
