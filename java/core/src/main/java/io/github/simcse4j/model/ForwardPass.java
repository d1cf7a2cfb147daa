package io.github.simcse4j.model;

import io.github.simcse4j.kernels.PackedBatch;
import io.github.simcse4j.random.DropoutKey;
import io.github.simcse4j.tensor.Tensor;

/** A batch that was encoded, with what its backward pass needs. Its tensors live in a workspace. */
public final class ForwardPass {

  final PackedBatch batch;
  final DropoutKey key;
  final EncoderActivations activations;
  final Tensor pooled;
  final Tensor argmax;
  final boolean head;
  private final Tensor embeddings;

  ForwardPass(
      PackedBatch batch,
      DropoutKey key,
      EncoderActivations activations,
      Tensor pooled,
      Tensor argmax,
      boolean head,
      Tensor embeddings) {
    this.batch = batch;
    this.key = key;
    this.activations = activations;
    this.pooled = pooled;
    this.argmax = argmax;
    this.head = head;
    this.embeddings = embeddings;
  }

  /** The sentence embeddings (views * B, H), view after view. */
  public Tensor embeddings() {
    return embeddings;
  }
}
