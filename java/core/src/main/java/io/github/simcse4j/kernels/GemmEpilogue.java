package io.github.simcse4j.kernels;

import io.github.simcse4j.tensor.Tensor;

/**
 * What a matrix product does with its result before it is written.
 *
 * @param kind the operation
 * @param bias one number per column of the result (N), or null where the kind has none
 * @param preActivation of the inputs' type (M, N): where product + bias is kept for the backward
 *     pass, or null; in the backward pass what was kept. Null where the kind has none
 * @param residual added to the result, of its type (M, N); may be the result's own tensor. Null
 *     where the kind has none
 * @param biasGradient += the sum of the rows of a transposed A (M), or null
 */
public record GemmEpilogue(
    Kind kind, Tensor bias, Tensor preActivation, Tensor residual, Tensor biasGradient) {

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
    BIAS_RESIDUAL,
    /** C = P * gelu'(preActivation). */
    GELU_BACKWARD;

    private boolean addsBias() {
      return switch (this) {
        case BIAS, BIAS_GELU, BIAS_TANH, BIAS_RESIDUAL -> true;
        case STORE, ACCUMULATE, GELU_BACKWARD -> false;
      };
    }
  }

  public static final GemmEpilogue STORE = new GemmEpilogue(Kind.STORE, null, null, null, null);
  public static final GemmEpilogue ACCUMULATE = accumulate(null);

  public GemmEpilogue {
    if (kind.addsBias() != (bias != null)) {
      throw new IllegalArgumentException(
          "gemm: epilogue " + kind + " and bias " + bias + " disagree");
    }
    if (kind == Kind.GELU_BACKWARD && preActivation == null) {
      throw new IllegalArgumentException("gemm: epilogue " + kind + " needs the pre-activation");
    }
    if (preActivation != null && kind != Kind.BIAS_GELU && kind != Kind.GELU_BACKWARD) {
      throw new IllegalArgumentException("gemm: epilogue " + kind + " keeps no pre-activation");
    }
    if ((kind == Kind.BIAS_RESIDUAL) != (residual != null)) {
      throw new IllegalArgumentException(
          "gemm: epilogue " + kind + " and residual " + residual + " disagree");
    }
    if (biasGradient != null && kind != Kind.ACCUMULATE) {
      throw new IllegalArgumentException("gemm: epilogue " + kind + " sums no bias gradient");
    }
  }

  /**
   * The gradients of a linear layer's parameters: C = C + A^T B for A the gradient of its output
   * and B its input, and beside it the sum of A's rows.
   *
   * @param biasGradient += (M); may be null
   */
  public static GemmEpilogue accumulate(Tensor biasGradient) {
    return new GemmEpilogue(Kind.ACCUMULATE, null, null, null, biasGradient);
  }

  public static GemmEpilogue bias(Tensor bias) {
    return new GemmEpilogue(Kind.BIAS, bias, null, null, null);
  }

  public static GemmEpilogue biasTanh(Tensor bias) {
    return new GemmEpilogue(Kind.BIAS_TANH, bias, null, null, null);
  }

  /** {@code preActivation} may be null where no backward pass follows. */
  public static GemmEpilogue biasGelu(Tensor bias, Tensor preActivation) {
    return new GemmEpilogue(Kind.BIAS_GELU, bias, preActivation, null, null);
  }

  public static GemmEpilogue biasResidual(Tensor bias, Tensor residual) {
    return new GemmEpilogue(Kind.BIAS_RESIDUAL, bias, null, residual, null);
  }

  /** {@code preActivation} is what {@link #biasGelu} kept. */
  public static GemmEpilogue geluBackward(Tensor preActivation) {
    return new GemmEpilogue(Kind.GELU_BACKWARD, null, preActivation, null, null);
  }
}
