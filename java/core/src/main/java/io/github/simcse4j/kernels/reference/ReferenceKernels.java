package io.github.simcse4j.kernels.reference;

import io.github.simcse4j.kernels.AdamWStep;
import io.github.simcse4j.kernels.Contrast;
import io.github.simcse4j.kernels.ContrastPairs;
import io.github.simcse4j.kernels.ContrastStatistics;
import io.github.simcse4j.kernels.EmbeddingTables;
import io.github.simcse4j.kernels.GemmEpilogue;
import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.kernels.LayerNorm;
import io.github.simcse4j.kernels.PackedBatch;
import io.github.simcse4j.kernels.PoolingMode;
import io.github.simcse4j.kernels.RowStatistics;
import io.github.simcse4j.random.Dropout;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.HostMemory;
import io.github.simcse4j.tensor.Memory;
import io.github.simcse4j.tensor.Tensor;
import java.lang.foreign.ValueLayout;
import java.util.Set;

/**
 * The truth: every operation as plain loops in double over tensors of the host, in F64, F32 or
 * BF16. What is read is widened, what is written is rounded once. It defines what the other
 * backends compute and is not made to be fast.
 */
public final class ReferenceKernels extends Kernels {

  static final Set<DType> TYPES = Set.of(DType.F64, DType.F32, DType.BF16);

  @Override
  public String name() {
    return "reference";
  }

  @Override
  public String description() {
    return "plain loops in double, 1 thread";
  }

  @Override
  public boolean supports(DType dtype) {
    return TYPES.contains(dtype);
  }

  @Override
  public Memory allocate(long bytes) {
    return HostMemory.allocate(bytes);
  }

  @Override
  public void upload(Tensor host, Tensor tensor) {
    copy("upload", host, tensor);
  }

  @Override
  public void download(Tensor tensor, Tensor host) {
    copy("download", tensor, host);
  }

  @Override
  public void synchronize() {}

  @Override
  public void zero(Tensor tensor) {
    tensor.segment().fill((byte) 0);
  }

  @Override
  public void iota(Tensor tensor) {
    Sentences.require(tensor.dtype() == DType.I32, "iota", "expected I32, found " + tensor);
    for (long i = 0; i < tensor.elements(); i++) {
      tensor.set(i, i);
    }
  }

  @Override
  public void close() {}

  @Override
  protected void doEmbeddingForward(
      PackedBatch batch,
      EmbeddingTables tables,
      LayerNorm norm,
      Dropout dropout,
      Tensor out,
      RowStatistics statistics) {
    EmbeddingReference.forward(batch, tables, norm, dropout, out, statistics);
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
    EmbeddingReference.backward(
        batch, tables, norm, statistics, dropout, dOut, dTables, dGamma, dBeta);
  }

  @Override
  protected void doGemm(
      boolean transposeA, boolean transposeB, Tensor a, Tensor b, Tensor c, GemmEpilogue epilogue) {
    GemmReference.gemm(transposeA, transposeB, a, b, c, epilogue);
  }

  @Override
  protected void doGeluBackward(Tensor preActivation, Tensor gradient) {
    GemmReference.geluBackward(preActivation, gradient);
  }

  @Override
  protected void doTanhBackward(Tensor activation, Tensor gradient) {
    GemmReference.tanhBackward(activation, gradient);
  }

  @Override
  protected void doColumnSum(Tensor x, Tensor sum) {
    GemmReference.columnSum(x, sum);
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
    LayerNormReference.forward(batch, x, residual, norm, dropout, out, statistics);
  }

  @Override
  protected void doLayerNormReplay(
      Tensor sum, RowStatistics statistics, LayerNorm norm, Tensor out) {
    LayerNormReference.replay(sum, statistics, norm, out);
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
    LayerNormReference.backward(
        batch, dOut, sum, statistics, norm, dropout, dResidual, dX, dGamma, dBeta);
  }

  @Override
  protected void doAttentionForward(
      PackedBatch batch, int heads, Tensor qkv, Dropout dropout, Tensor out, Tensor lse) {
    new AttentionReference("attention_forward", batch, heads, qkv, dropout).forward(out, lse);
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
    new AttentionReference("attention_backward", batch, heads, qkv, dropout)
        .backward(out, lse, dOut, dQkv);
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
    PoolingReference.forward(batch, mode, hidden, weight, accumulate, out, argmax);
  }

  @Override
  protected void doPoolingBackward(
      PackedBatch batch,
      PoolingMode mode,
      Tensor dOut,
      float weight,
      Tensor argmax,
      Tensor dHidden) {
    PoolingReference.backward(batch, mode, dOut, weight, argmax, dHidden);
  }

  @Override
  protected void doSimilaritySoftmaxForward(
      ContrastPairs pairs, Contrast contrast, Tensor loss, ContrastStatistics statistics) {
    new SimilarityReference("similarity_softmax_forward", pairs, contrast)
        .forward(loss, statistics);
  }

  @Override
  protected void doSimilaritySoftmaxBackward(
      ContrastPairs pairs,
      Contrast contrast,
      ContrastStatistics statistics,
      float lossScale,
      Tensor dQueries,
      Tensor dKeys) {
    new SimilarityReference("similarity_softmax_backward", pairs, contrast)
        .backward(statistics, lossScale, dQueries, dKeys);
  }

  @Override
  protected void doGradientNorm(Tensor gradients, Tensor norm) {
    OptimiserReference.gradientNorm(gradients, norm);
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
    OptimiserReference.adamw(step, parameters, gradients, firstMoment, secondMoment, norm);
    if (copy != null) {
      doConvert(parameters, copy);
    }
  }

  @Override
  protected void doConvert(Tensor from, Tensor to) {
    for (long i = 0; i < from.elements(); i++) {
      to.set(i, from.get(i));
    }
  }

  @Override
  protected void doDropoutMask(PackedBatch batch, Dropout dropout, Tensor mask) {
    double[] factors =
        Masks.hidden(Sentences.of("dropout_mask", batch), dropout, Math.toIntExact(mask.extent(1)));
    for (int i = 0; i < factors.length; i++) {
      mask.segment().set(ValueLayout.JAVA_BYTE, i, (byte) (factors[i] > 0 ? 1 : 0));
    }
  }

  private static void copy(String operation, Tensor from, Tensor to) {
    Sentences.require(
        from.dtype() == to.dtype() && from.shape().equals(to.shape()),
        operation,
        from + " cannot be copied to " + to);
    to.segment().copyFrom(from.segment());
  }
}
