package io.github.simcse4j.model;

import io.github.simcse4j.kernels.PackedBatch;
import io.github.simcse4j.random.DropoutKey;
import io.github.simcse4j.tensor.Tensor;

/** A batch that was encoded, with what its backward pass needs. Its tensors live in a workspace. */
public final class ForwardPass {

  final PackedBatch batch;
  final DropoutKey key;
  final PassBuffers buffers;

  ForwardPass(PackedBatch batch, DropoutKey key, PassBuffers buffers) {
    this.batch = batch;
    this.key = key;
    this.buffers = buffers;
  }

  /** The sentence embeddings (views * B, H), view after view. */
  public Tensor embeddings() {
    return buffers.embeddings();
  }
}
