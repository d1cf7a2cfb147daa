package io.github.simcse4j.model;

import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Tensor;
import io.github.simcse4j.tensor.Workspace;

/**
 * The tensors of one pass over a batch.
 *
 * @param embeddings the sentence embeddings (E, H) of the activations' type or its accumulator type
 * @param pooled the pooler's result (E, H): the embeddings where there is no head, unless they
 *     would be rounded with every hidden state that is added
 * @param argmax I32 (E, H) for the pooler {@code max}, else null
 * @param head the layer behind the pooler {@code cls}, or null
 */
record PassBuffers(
    EncoderActivations activations,
    Tensor embeddings,
    Tensor pooled,
    Tensor argmax,
    PoolerHead head) {

  /**
   * Takes from a workspace all that a pass needs.
   *
   * @param embeddings (E, H), the caller's
   * @param withHead whether there is a layer behind the pooler, and it is used
   */
  static PassBuffers take(
      ModelMemory model,
      BatchDimensions dimensions,
      PassMode mode,
      boolean withHead,
      Tensor embeddings,
      Workspace workspace) {
    long rows = dimensions.embeddings();
    long h = model.layout().config().hiddenSize();
    DType dtype = model.dtype();
    EncoderActivations activations =
        new EncoderActivations(
            model.layout().config(), model.pooler(), dimensions, dtype, mode, workspace);
    Tensor pooled = embeddings;
    if (withHead) {
      pooled = workspace.tensor(embeddings.dtype(), rows, h);
    } else if (model.pooler().adds() && embeddings.dtype() != Kernels.accumulator(dtype)) {
      pooled = workspace.tensor(Kernels.accumulator(dtype), rows, h);
    }
    return new PassBuffers(
        activations,
        embeddings,
        pooled,
        model.pooler() == Pooler.MAX ? workspace.tensor(DType.I32, rows, h) : null,
        withHead ? new PoolerHead(dtype, pooled, embeddings, mode.training(), workspace) : null);
  }
}
