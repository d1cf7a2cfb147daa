package io.github.simcse4j.kernels;

import io.github.simcse4j.tensor.Tensor;

/**
 * What the forward pass of the contrastive loss keeps for the backward pass, in place of the N x M
 * logits.
 *
 * @param lse log-sum-exp of each query's logits (N)
 * @param queryNorm Euclidean length of each query (N)
 * @param keyNorm Euclidean length of each key (M)
 * @param keyLse with both directions, log-sum-exp of each positive key's logits (M), infinite for a
 *     key that is no query's target; else null
 */
public record ContrastStatistics(Tensor lse, Tensor queryNorm, Tensor keyNorm, Tensor keyLse) {

  /** Of one direction. */
  public ContrastStatistics(Tensor lse, Tensor queryNorm, Tensor keyNorm) {
    this(lse, queryNorm, keyNorm, null);
  }
}
