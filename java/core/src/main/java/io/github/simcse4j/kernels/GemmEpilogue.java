package io.github.simcse4j.kernels;

import io.github.simcse4j.tensor.Tensor;

/**
 * What a matrix product does with its result before it is written.
 *
 * @param kind the operation
 * @param bias one number per column of the result (N), or null where the kind has none
 * @param preActivation where product + bias is kept for the backward pass (M, N), or null
 * @param residual added to the result, of its type (M, N); may be the result's own tensor. Null
 *     where the kind has none
 */
public record GemmEpilogue(Kind kind, Tensor bias, Tensor preActivation, Tensor residual) {

  /** The operations; P is the matrix product. */
  public enum Kind {
    /** C = P. */
    STORE,
    /** C = C + P. */
    ACCUMULATE,
    /** C = P + bias. */
    BIAS,
    /** C = gelu(P + bias), gelu(x) = x / 2 (1 + erf(x / sqrt 2)), Hendrycks and Gimpel 2016. */
    BIAS_GELU,
    /** C = tanh(P + bias). */
    BIAS_TANH,
    /** C = P + bias + residual. */
    BIAS_RESIDUAL
  }

  public static final GemmEpilogue STORE = new GemmEpilogue(Kind.STORE, null, null, null);
  public static final GemmEpilogue ACCUMULATE = new GemmEpilogue(Kind.ACCUMULATE, null, null, null);

  public GemmEpilogue {
    boolean takesBias = kind != Kind.STORE && kind != Kind.ACCUMULATE;
    if (takesBias != (bias != null)) {
      throw new IllegalArgumentException(
          "gemm: epilogue " + kind + " and bias " + bias + " disagree");
    }
    if (preActivation != null && kind != Kind.BIAS_GELU) {
      throw new IllegalArgumentException("gemm: epilogue " + kind + " keeps no pre-activation");
    }
    if ((kind == Kind.BIAS_RESIDUAL) != (residual != null)) {
      throw new IllegalArgumentException(
          "gemm: epilogue " + kind + " and residual " + residual + " disagree");
    }
  }

  public static GemmEpilogue bias(Tensor bias) {
    return new GemmEpilogue(Kind.BIAS, bias, null, null);
  }

  public static GemmEpilogue biasTanh(Tensor bias) {
    return new GemmEpilogue(Kind.BIAS_TANH, bias, null, null);
  }

  /** {@code preActivation} may be null where no backward pass follows. */
  public static GemmEpilogue biasGelu(Tensor bias, Tensor preActivation) {
    return new GemmEpilogue(Kind.BIAS_GELU, bias, preActivation, null);
  }

  public static GemmEpilogue biasResidual(Tensor bias, Tensor residual) {
    return new GemmEpilogue(Kind.BIAS_RESIDUAL, bias, null, residual);
  }
}
