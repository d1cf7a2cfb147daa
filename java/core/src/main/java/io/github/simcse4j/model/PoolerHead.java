package io.github.simcse4j.model;

import io.github.simcse4j.kernels.GemmEpilogue;
import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Tensor;
import io.github.simcse4j.tensor.Workspace;

/**
 * The linear layer with tanh behind the pooler {@code cls}: embeddings = tanh(pooled W^T + b), with
 * the tensors it computes in. Where sentence vectors are of the accumulator type, what goes into a
 * product is rounded to the type of the weights.
 */
final class PoolerHead {

  /** The sentence embeddings (E, H); in the backward pass d(pooled). */
  final Tensor embeddings;

  private final Tensor input;
  private final Tensor gradient;

  /**
   * @param dtype type of the weights
   * @param pooled (E, H)
   * @param embeddings (E, H)
   */
  PoolerHead(DType dtype, Tensor pooled, Tensor embeddings, boolean training, Workspace workspace) {
    long[] extents = pooled.shape().extents();
    boolean rounds = dtype != pooled.dtype();
    this.embeddings = embeddings;
    this.input = rounds ? workspace.tensor(dtype, extents) : pooled;
    this.gradient = rounds && training ? workspace.tensor(dtype, extents) : null;
  }

  void forward(Kernels kernels, Tensor pooled, EncoderParameters weights) {
    if (input != pooled) {
      kernels.convert(pooled, input);
    }
    GemmEpilogue epilogue = GemmEpilogue.biasTanh(weights.headBias());
    kernels.gemm(false, true, input, weights.headWeight(), embeddings, epilogue);
  }

  /**
   * Adds the gradients of the layer's parameters; {@link #embeddings} becomes d(pooled).
   *
   * @param dEmbeddings (E, H); overwritten
   */
  void backward(
      Kernels kernels, Tensor dEmbeddings, EncoderParameters weights, EncoderParameters gradients) {
    kernels.tanhBackward(embeddings, dEmbeddings);
    kernels.columnSum(dEmbeddings, gradients.headBias());
    Tensor d = dEmbeddings;
    if (gradient != null) {
      kernels.convert(dEmbeddings, gradient);
      d = gradient;
    }
    kernels.gemm(true, false, d, input, gradients.headWeight(), GemmEpilogue.ACCUMULATE);
    kernels.gemm(false, false, d, weights.headWeight(), embeddings, GemmEpilogue.STORE);
  }
}
