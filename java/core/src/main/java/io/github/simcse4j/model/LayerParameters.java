package io.github.simcse4j.model;

import io.github.simcse4j.kernels.LayerNorm;
import io.github.simcse4j.tensor.Tensor;

/**
 * The parameters of one BERT layer, or their gradients. Weights are (out, in), as PyTorch's Linear
 * keeps them; query, key and value lie one after the other and are used as one.
 */
record LayerParameters(
    Tensor qkvWeight,
    Tensor qkvBias,
    Tensor contextWeight,
    Tensor contextBias,
    LayerNorm attentionNorm,
    Tensor upWeight,
    Tensor upBias,
    Tensor downWeight,
    Tensor downBias,
    LayerNorm outputNorm) {}
