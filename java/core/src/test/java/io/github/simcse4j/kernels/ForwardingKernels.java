package io.github.simcse4j.kernels;

import io.github.simcse4j.random.Dropout;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Memory;
import io.github.simcse4j.tensor.Tensor;

/** Kernels that hand every call on to others; a test overrides what is to go wrong. */
public class ForwardingKernels extends Kernels {

  private final Kernels inner;

  public ForwardingKernels(Kernels inner) {
    this.inner = inner;
  }

  /** Is called before every operation, with its name in Java. */
  protected void before(String operation) {}

  @Override
  public String name() {
    return inner.name();
  }

  @Override
  public String description() {
    return inner.description();
  }

  @Override
  public boolean supports(DType dtype) {
    return inner.supports(dtype);
  }

  @Override
  public Memory allocate(long bytes) {
    return inner.allocate(bytes);
  }

  @Override
  public void upload(Tensor host, Tensor tensor) {
    inner.upload(host, tensor);
  }

  @Override
  public void download(Tensor tensor, Tensor host) {
    inner.download(tensor, host);
  }

  @Override
  public void holdWeights(Tensor weights) {
    inner.holdWeights(weights);
  }

  @Override
  public void releaseWeights(Tensor weights) {
    inner.releaseWeights(weights);
  }

  @Override
  public void synchronize() {
    inner.synchronize();
  }

  @Override
  public void zero(Tensor tensor) {
    inner.zero(tensor);
  }

  @Override
  public void iota(Tensor tensor) {
    inner.iota(tensor);
  }

  @Override
  public void close() {
    inner.close();
  }

  @Override
  protected void doEmbeddingForward(
      PackedBatch batch,
      EmbeddingTables tables,
      LayerNorm norm,
      Dropout dropout,
      Tensor out,
      RowStatistics statistics) {
    before("embeddingForward");
    inner.doEmbeddingForward(batch, tables, norm, dropout, out, statistics);
  }

  @Override
  protected void doEmbeddingBackward(
      PackedBatch batch,
      EmbeddingTables tables,
      LayerNorm norm,
      RowStatistics statistics,
      Dropout dropout,
      Tensor dOut,
      Tensor scratch,
      EmbeddingTables dTables,
      Tensor dGamma,
      Tensor dBeta) {
    before("embeddingBackward");
    inner.doEmbeddingBackward(
        batch, tables, norm, statistics, dropout, dOut, scratch, dTables, dGamma, dBeta);
  }

  @Override
  protected void doGemm(
      boolean transposeA, boolean transposeB, Tensor a, Tensor b, Tensor c, GemmEpilogue epilogue) {
    before("gemm");
    inner.doGemm(transposeA, transposeB, a, b, c, epilogue);
  }

  @Override
  protected void doGeluBackward(Tensor preActivation, Tensor gradient) {
    before("geluBackward");
    inner.doGeluBackward(preActivation, gradient);
  }

  @Override
  protected void doTanhBackward(Tensor activation, Tensor gradient) {
    before("tanhBackward");
    inner.doTanhBackward(activation, gradient);
  }

  @Override
  protected void doColumnSum(Tensor x, Tensor sum) {
    before("columnSum");
    inner.doColumnSum(x, sum);
  }

  @Override
  protected void doDropoutResidualLayerNormForward(
      PackedBatch batch,
      Tensor x,
      Tensor residual,
      LayerNorm norm,
      Dropout dropout,
      Tensor out,
      RowStatistics statistics) {
    before("dropoutResidualLayerNormForward");
    inner.doDropoutResidualLayerNormForward(batch, x, residual, norm, dropout, out, statistics);
  }

  @Override
  protected void doLayerNormReplay(
      Tensor sum, RowStatistics statistics, LayerNorm norm, Tensor out) {
    before("layerNormReplay");
    inner.doLayerNormReplay(sum, statistics, norm, out);
  }

  @Override
  protected void doDropoutResidualLayerNormBackward(
      PackedBatch batch,
      Tensor dOut,
      Tensor sum,
      RowStatistics statistics,
      LayerNorm norm,
      Dropout dropout,
      Tensor dResidual,
      Tensor dX,
      Tensor dGamma,
      Tensor dBeta) {
    before("dropoutResidualLayerNormBackward");
    inner.doDropoutResidualLayerNormBackward(
        batch, dOut, sum, statistics, norm, dropout, dResidual, dX, dGamma, dBeta);
  }

  @Override
  protected void doAttentionForward(
      PackedBatch batch, int heads, Tensor qkv, Dropout dropout, Tensor out, Tensor lse) {
    before("attentionForward");
    inner.doAttentionForward(batch, heads, qkv, dropout, out, lse);
  }

  @Override
  protected void doAttentionBackward(
      PackedBatch batch,
      int heads,
      Tensor qkv,
      Tensor out,
      Tensor lse,
      Tensor dOut,
      Dropout dropout,
      Tensor dQkv) {
    before("attentionBackward");
    inner.doAttentionBackward(batch, heads, qkv, out, lse, dOut, dropout, dQkv);
  }

  @Override
  protected void doPoolingForward(
      PackedBatch batch,
      PoolingMode mode,
      Tensor hidden,
      float weight,
      boolean accumulate,
      Tensor out,
      Tensor argmax) {
    before("poolingForward");
    inner.doPoolingForward(batch, mode, hidden, weight, accumulate, out, argmax);
  }

  @Override
  protected void doPoolingBackward(
      PackedBatch batch,
      PoolingMode mode,
      Tensor dOut,
      float weight,
      Tensor argmax,
      Tensor dHidden) {
    before("poolingBackward");
    inner.doPoolingBackward(batch, mode, dOut, weight, argmax, dHidden);
  }

  @Override
  protected void doSimilaritySoftmaxForward(
      Tensor queries,
      Tensor keys,
      Tensor targets,
      Contrast contrast,
      Tensor loss,
      ContrastStatistics statistics) {
    before("similaritySoftmaxForward");
    inner.doSimilaritySoftmaxForward(queries, keys, targets, contrast, loss, statistics);
  }

  @Override
  protected void doSimilaritySoftmaxBackward(
      Tensor queries,
      Tensor keys,
      Tensor targets,
      Contrast contrast,
      ContrastStatistics statistics,
      float lossScale,
      Tensor dQueries,
      Tensor dKeys) {
    before("similaritySoftmaxBackward");
    inner.doSimilaritySoftmaxBackward(
        queries, keys, targets, contrast, statistics, lossScale, dQueries, dKeys);
  }

  @Override
  protected void doGradientNorm(Tensor gradients, Tensor norm) {
    before("gradientNorm");
    inner.doGradientNorm(gradients, norm);
  }

  @Override
  protected void doAdamw(
      AdamWStep step,
      Tensor parameters,
      Tensor gradients,
      Tensor firstMoment,
      Tensor secondMoment,
      Tensor norm,
      Tensor copy) {
    before("adamw");
    inner.doAdamw(step, parameters, gradients, firstMoment, secondMoment, norm, copy);
  }

  @Override
  protected void doConvert(Tensor from, Tensor to) {
    before("convert");
    inner.doConvert(from, to);
  }

  @Override
  protected void doDropoutMask(PackedBatch batch, Dropout dropout, Tensor mask) {
    before("dropoutMask");
    inner.doDropoutMask(batch, dropout, mask);
  }
}
