package io.github.simcse4j.kernels.vector;

import static io.github.simcse4j.kernels.vector.Floats.address;

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

/**
 * The backend in pure Java: F32 on the JDK's Vector API, at the vector width that the JVM prefers,
 * on a fixed number of threads. Results are the same bits for any number of threads.
 */
public class VectorKernels extends Kernels {

  private final WorkerPool pool;
  private final Scratch scratch;
  private final VectorEmbedding embedding;
  private final VectorGemm gemm;
  private final VectorActivations activations;
  private final VectorLayerNorm layerNorm;
  private final VectorAttention attention;
  private final VectorPooling pooling;
  private final VectorSimilaritySoftmax similaritySoftmax;
  private final VectorAdamW adamw;
  private final VectorDropoutMask dropoutMask;

  /**
   * @param threads how many threads compute, the caller among them
   */
  public VectorKernels(int threads) {
    pool = new WorkerPool(threads);
    scratch = new Scratch(threads);
    Sentences sentences = new Sentences();
    embedding = new VectorEmbedding(pool, scratch, sentences);
    gemm = new VectorGemm(pool, scratch);
    activations = new VectorActivations(pool, scratch);
    layerNorm = new VectorLayerNorm(pool, scratch, sentences);
    attention = new VectorAttention(pool, scratch, sentences);
    pooling = new VectorPooling(pool, sentences);
    similaritySoftmax = new VectorSimilaritySoftmax(pool, scratch);
    adamw = new VectorAdamW(pool, scratch);
    dropoutMask = new VectorDropoutMask(pool, scratch, sentences);
  }

  @Override
  public String name() {
    return "vector";
  }

  @Override
  public String description() {
    int threads = pool.threads();
    return "Vector API, %d bit, %d thread%s"
        .formatted(Floats.VECTOR * 8, threads, threads == 1 ? "" : "s");
  }

  @Override
  public boolean supports(DType dtype) {
    return dtype == DType.F32;
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

  private static void copy(String operation, Tensor from, Tensor to) {
    if (from.dtype() != to.dtype() || !from.shape().equals(to.shape())) {
      throw new IllegalArgumentException(operation + ": " + from + " does not fit " + to);
    }
    to.segment().copyFrom(from.segment());
  }

  @Override
  public void synchronize() {}

  @Override
  public void close() {
    pool.close();
    scratch.close();
  }

  @Override
  public void zero(Tensor tensor) {
    tensor.segment().fill((byte) 0);
  }

  @Override
  public void iota(Tensor tensor) {
    if (tensor.dtype() != DType.I32) {
      throw new IllegalArgumentException("iota: expected I32, found " + tensor);
    }
    long at = address(tensor);
    for (int i = 0; i < tensor.elements(); i++) {
      Floats.putInt(at + 4L * i, i);
    }
  }

  @Override
  protected void doEmbeddingForward(
      PackedBatch batch,
      EmbeddingTables tables,
      LayerNorm norm,
      Dropout dropout,
      Tensor out,
      RowStatistics statistics) {
    embedding.forward(batch, tables, norm, dropout, out, statistics);
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
    embedding.backward(
        batch, tables, norm, statistics, dropout, dOut, scratch, dTables, dGamma, dBeta);
  }

  @Override
  protected void doGemm(
      boolean transposeA, boolean transposeB, Tensor a, Tensor b, Tensor c, GemmEpilogue epilogue) {
    if (epilogue.biasGradient() != null) {
      activations.columnSum(a, epilogue.biasGradient());
    }
    gemm.gemm(transposeA, transposeB, a, b, c, epilogue);
  }

  @Override
  protected void doGeluBackward(Tensor preActivation, Tensor gradient) {
    activations.geluBackward(preActivation, gradient);
  }

  @Override
  protected void doTanhBackward(Tensor activation, Tensor gradient) {
    activations.tanhBackward(activation, gradient);
  }

  @Override
  protected void doColumnSum(Tensor x, Tensor sum) {
    activations.columnSum(x, sum);
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
    layerNorm.forward(batch, x, residual, norm, dropout, out, statistics);
  }

  @Override
  protected void doLayerNormReplay(
      Tensor sum, RowStatistics statistics, LayerNorm norm, Tensor out) {
    layerNorm.replay(sum, statistics, norm, out);
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
    layerNorm.backward(batch, dOut, sum, statistics, norm, dropout, dResidual, dX, dGamma, dBeta);
  }

  @Override
  protected void doAttentionForward(
      PackedBatch batch, int heads, Tensor qkv, Dropout dropout, Tensor out, Tensor lse) {
    attention.forward(batch, heads, qkv, dropout, out, lse);
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
    attention.backward(batch, heads, qkv, out, dOut, dropout, dQkv);
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
    pooling.forward(batch, mode, hidden, weight, accumulate, out, argmax);
  }

  @Override
  protected void doPoolingBackward(
      PackedBatch batch,
      PoolingMode mode,
      Tensor dOut,
      float weight,
      Tensor argmax,
      Tensor dHidden) {
    pooling.backward(batch, mode, dOut, weight, argmax, dHidden);
  }

  @Override
  protected void doSimilaritySoftmaxForward(
      ContrastPairs pairs, Contrast contrast, Tensor loss, ContrastStatistics statistics) {
    similaritySoftmax.forward(pairs, contrast, loss, statistics);
  }

  @Override
  protected void doSimilaritySoftmaxBackward(
      ContrastPairs pairs,
      Contrast contrast,
      ContrastStatistics statistics,
      float lossScale,
      Tensor dQueries,
      Tensor dKeys) {
    similaritySoftmax.backward(pairs, contrast, statistics, lossScale, dQueries, dKeys);
  }

  @Override
  protected void doGradientNorm(Tensor gradients, Tensor norm) {
    adamw.gradientNorm(gradients, norm);
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
    adamw.adamw(step, parameters, gradients, firstMoment, secondMoment, norm);
    if (copy != null) {
      adamw.round(parameters, copy);
    }
  }

  /** {@link #convert} has refused: only one type is supported. */
  @Override
  protected void doConvert(Tensor from, Tensor to) {
    throw new UnsupportedOperationException("convert: " + from + " to " + to);
  }

  @Override
  protected void doDropoutMask(PackedBatch batch, Dropout dropout, Tensor mask) {
    dropoutMask.write(batch, dropout, mask);
  }
}
