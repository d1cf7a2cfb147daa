package io.github.simcse4j.model;

import io.github.simcse4j.kernels.RowStatistics;
import io.github.simcse4j.tensor.Tensor;

/**
 * What one layer keeps for its backward pass: 9 H numbers a row instead of the 16 H it computes.
 * Attention, layer outputs and the GELU are computed again from these, to the same bits.
 *
 * @param rows how many rows the second half of the layer has
 * @param qkv (R, 3 H)
 * @param lse (R, A); null without a backward pass
 * @param narrowContext attention's result in the rows that the second half works on (rows, H)
 * @param attentionSum input of the first layer norm (rows, H)
 * @param attentionStatistics of {@code attentionSum}
 * @param preActivation input of the GELU (rows, F); null without a backward pass
 * @param outputSum input of the second layer norm (rows, H)
 * @param outputStatistics of {@code outputSum}
 */
record LayerActivations(
    int rows,
    Tensor qkv,
    Tensor lse,
    Tensor narrowContext,
    Tensor attentionSum,
    RowStatistics attentionStatistics,
    Tensor preActivation,
    Tensor outputSum,
    RowStatistics outputStatistics) {}
