package io.github.simcse4j.kernels;

import io.github.simcse4j.tensor.Tensor;

/**
 * The parameters of a layer normalisation (Ba et al. 2016): y = (x - mean) * rstd * gamma + beta
 * with rstd = 1 / sqrt(variance + epsilon) over the channels of a row.
 *
 * @param gamma scale (H)
 * @param beta shift (H)
 * @param epsilon added to the variance
 */
public record LayerNorm(Tensor gamma, Tensor beta, float epsilon) {}
