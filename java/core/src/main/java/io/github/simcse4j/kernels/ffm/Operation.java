package io.github.simcse4j.kernels.ffm;

import static io.github.simcse4j.kernels.ffm.Struct.sized;
import static io.github.simcse4j.kernels.ffm.Structs.CONTRAST;
import static io.github.simcse4j.kernels.ffm.Structs.DROPOUT;
import static io.github.simcse4j.kernels.ffm.Structs.LAYER_NORM;

import java.util.Locale;

/** The operations of the table, each with the layout of its arguments in {@code simcse.h}. */
enum Operation {
  EMBEDDING_FORWARD(
      sized()
          .pointer("batch")
          .int32("dtype", "hidden", "vocabulary", "positions")
          .pointer("word", "position", "type")
          .struct("norm", LAYER_NORM)
          .struct("dropout", DROPOUT)
          .pointer("out", "mean", "rstd")),
  EMBEDDING_BACKWARD(
      sized()
          .pointer("batch")
          .int32("dtype", "hidden", "vocabulary", "positions")
          .pointer("word", "position", "type")
          .struct("norm", LAYER_NORM)
          .struct("dropout", DROPOUT)
          .pointer("mean", "rstd", "d_out", "d_word", "d_position", "d_type", "d_gamma", "d_beta")),
  GEMM(
      sized()
          .int32("dtype", "c_dtype", "transpose_a", "transpose_b", "epilogue", "reserved")
          .int64("m", "n", "k")
          .pointer("a", "b", "c", "bias", "pre_activation", "residual", "bias_gradient")),
  GELU_BACKWARD(
      sized().int32("dtype", "reserved").int64("count").pointer("pre_activation", "gradient")),
  TANH_BACKWARD(
      sized().int32("dtype", "reserved").int64("count").pointer("activation", "gradient")),
  COLUMN_SUM(sized().int32("dtype", "reserved").int64("rows", "columns").pointer("x", "sum")),
  DROPOUT_RESIDUAL_LAYER_NORM_FORWARD(
      sized()
          .pointer("batch")
          .int32("dtype", "hidden")
          .pointer("x", "residual")
          .struct("norm", LAYER_NORM)
          .struct("dropout", DROPOUT)
          .pointer("out", "mean", "rstd")),
  LAYER_NORM_REPLAY(
      sized()
          .int32("dtype", "hidden")
          .int64("rows")
          .pointer("sum", "mean", "rstd")
          .struct("norm", LAYER_NORM)
          .pointer("out")),
  DROPOUT_RESIDUAL_LAYER_NORM_BACKWARD(
      sized()
          .pointer("batch")
          .int32("dtype", "hidden")
          .pointer("d_out", "sum", "mean", "rstd")
          .struct("norm", LAYER_NORM)
          .struct("dropout", DROPOUT)
          .pointer("d_residual", "d_x", "d_gamma", "d_beta")),
  ATTENTION_FORWARD(
      sized()
          .pointer("batch")
          .int32("dtype", "hidden", "heads", "reserved")
          .pointer("qkv")
          .struct("dropout", DROPOUT)
          .pointer("out", "lse")),
  ATTENTION_BACKWARD(
      sized()
          .pointer("batch")
          .int32("dtype", "hidden", "heads", "reserved")
          .pointer("qkv", "out", "lse", "d_out")
          .struct("dropout", DROPOUT)
          .pointer("d_qkv")),
  POOLING_FORWARD(
      sized()
          .pointer("batch")
          .int32("dtype", "out_dtype", "hidden", "mode", "accumulate")
          .float32("weight")
          .pointer("x", "out", "argmax")),
  POOLING_BACKWARD(
      sized()
          .pointer("batch")
          .int32("dtype", "out_dtype", "hidden", "mode")
          .float32("weight")
          .int32("reserved")
          .pointer("d_out", "argmax", "d_x")),
  SIMILARITY_SOFTMAX_FORWARD(
      sized()
          .int32("dtype", "hidden")
          .int64("queries_count", "keys_count")
          .pointer("queries", "keys", "targets")
          .struct("contrast", CONTRAST)
          .pointer("loss", "lse", "query_norm", "key_norm", "key_lse")),
  SIMILARITY_SOFTMAX_BACKWARD(
      sized()
          .int32("dtype", "hidden")
          .int64("queries_count", "keys_count")
          .pointer("queries", "keys", "targets")
          .struct("contrast", CONTRAST)
          .pointer("lse", "query_norm", "key_norm", "key_lse")
          .float32("loss_scale")
          .int32("reserved")
          .pointer("d_queries", "d_keys")),
  GRADIENT_NORM(sized().int64("count").pointer("gradients", "norm")),
  ADAMW(
      sized()
          .int64("count", "step")
          .float64("learning_rate", "beta1", "beta2", "epsilon", "weight_decay", "max_grad_norm")
          .pointer(
              "parameters", "gradients", "first_moment", "second_moment", "norm", "bf16_copy")),
  DROPOUT_MASK(
      sized()
          .pointer("batch")
          .int32("channels", "reserved")
          .struct("dropout", DROPOUT)
          .pointer("mask")),
  CONVERT(sized().int32("from_dtype", "to_dtype").int64("count").pointer("from", "to")),
  GEMM_EPILOGUE(
      sized()
          .int32("dtype", "c_dtype", "epilogue", "reserved")
          .int64("m", "n")
          .pointer("product", "c", "bias", "pre_activation", "residual"));

  private final Struct arguments;

  Operation(Struct arguments) {
    this.arguments = arguments;
  }

  Struct arguments() {
    return arguments;
  }

  /** Its name in the table, and in messages. */
  String member() {
    return name().toLowerCase(Locale.ROOT);
  }
}
