package io.github.simcse4j.kernels;

import io.github.simcse4j.tensor.Tensor;

/**
 * What the contrastive loss compares.
 *
 * @param queries (N, H)
 * @param keys (M, H)
 * @param targets column of each query's positive, I32 (N), each in 0..M-1; with both directions no
 *     two are equal
 * @param queryIds what each query says, I64 (N), such as a hash of its sentence: equal ids are
 *     never negatives of each other; null where all are different
 * @param keyIds what each key says, I64 (M); null with {@code queryIds}
 */
public record ContrastPairs(
    Tensor queries, Tensor keys, Tensor targets, Tensor queryIds, Tensor keyIds) {

  /** Pairs that are all different. */
  public ContrastPairs(Tensor queries, Tensor keys, Tensor targets) {
    this(queries, keys, targets, null, null);
  }
}
