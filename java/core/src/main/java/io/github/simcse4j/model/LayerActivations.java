package io.github.simcse4j.model;

import io.github.simcse4j.kernels.RowStatistics;
import io.github.simcse4j.tensor.Tensor;

/**
 * What one layer computes. {@code qkv}, the sums and {@code preActivation}, 9 H numbers a row, are
 * its own wherever a backward pass follows. The other 7 H are its own under {@link PassMode#KEEP};
 * else all layers share them, and the backward pass computes them again.
 *
 * @param rows how many rows the second half of the layer has
 * @param qkv (R, 3 H)
 * @param lse (R, A); null without a backward pass
 * @param context attention's result (R, H); shared
 * @param narrowContext {@code context} in the rows that the second half works on (rows, H)
 * @param attentionSum input of the first layer norm (rows, H)
 * @param attentionStatistics of {@code attentionSum}
 * @param attentionOutput of the first layer norm (rows, H); shared
 * @param preActivation input of the GELU (rows, F); null without a backward pass
 * @param activation output of the GELU (rows, F); shared
 * @param outputSum input of the second layer norm (rows, H)
 * @param outputStatistics of {@code outputSum}
 * @param output of the second layer norm (rows, H); shared, and may be {@code attentionOutput}
 */
record LayerActivations(
    int rows,
    Tensor qkv,
    Tensor lse,
    Tensor context,
    Tensor narrowContext,
    Tensor attentionSum,
    RowStatistics attentionStatistics,
    Tensor attentionOutput,
    Tensor preActivation,
    Tensor activation,
    Tensor outputSum,
    RowStatistics outputStatistics,
    Tensor output) {}
