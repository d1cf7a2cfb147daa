package io.github.simcse4j.kernels;

import io.github.simcse4j.tensor.Tensor;

/**
 * Mean and reciprocal standard deviation of every row, kept by a layer normalisation for its
 * backward pass.
 *
 * @param mean one number a row
 * @param rstd one number a row
 */
public record RowStatistics(Tensor mean, Tensor rstd) {}
