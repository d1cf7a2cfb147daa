package io.github.simcse4j.kernels;

import io.github.simcse4j.tensor.Tensor;

/**
 * The lookup tables of BERT's input, or their gradients.
 *
 * @param word one row per vocabulary entry (V, H)
 * @param position one row per position (P, H)
 * @param type one row per segment type (S, H); every token here is of type 0
 */
public record EmbeddingTables(Tensor word, Tensor position, Tensor type) {}
