#include "checks.hpp"

#include <cinttypes>

#include "check.hpp"
#include "epilogues.hpp"

namespace simcse {

namespace {

// An array with `columns` elements for every row of the batch.
void activations(const Check &check, const char *name, const simcse_batch &batch, int64_t columns, simcse_dtype dtype) {
  check.bytes(name, {rows_of(batch), columns}, size_of(dtype));
}

template <typename Arguments>
void tables(const Check &check, const Arguments &a, bool readable) {
  check.dtype("dtype", a.dtype);
  check.hidden(a.hidden);
  check.at_least("vocabulary", a.vocabulary, 1);
  check.batch(a.batch, readable);
  check.that(a.positions >= a.batch->max_length, "positions is %" PRId32 ", below batch.max_length, which is %" PRId32,
             a.positions, a.batch->max_length);
  activations(check, "views * tokens * hidden", *a.batch, a.hidden, a.dtype);
  check.bytes("vocabulary * hidden", {a.vocabulary, a.hidden}, 4);
  check.bytes("positions * hidden", {a.positions, a.hidden}, 4);
  check.array("word", a.word, a.dtype);
  check.array("position", a.position, a.dtype);
  check.array("type", a.type, a.dtype);
  check.norm(a.norm);
  check.dropout(a.dropout);
  check.array("mean", a.mean);
  check.array("rstd", a.rstd);
}

template <typename Arguments>
void attention(const Check &check, const Arguments &a, bool readable) {
  check.dtype("dtype", a.dtype);
  check.hidden(a.hidden);
  check.at_least("heads", a.heads, 1);
  check.that(a.hidden % a.heads == 0, "hidden is %" PRId32 ", which %" PRId32 " heads do not divide", a.hidden,
             a.heads);
  check.reserved(a.reserved);
  check.dropout(a.dropout);
  check.batch(a.batch, readable);
  // The counter of the masks has 16 bits for each.
  bool drops = a.dropout.keep_prob < 1;
  check.that(!drops || a.heads <= 65536, "heads is %" PRId32 ", above 65536, with dropout", a.heads);
  check.that(!drops || a.batch->max_length <= 65536, "batch.max_length is %" PRId32 ", above 65536, with dropout",
             a.batch->max_length);
  activations(check, "views * tokens * 3 * hidden", *a.batch, 3 * (int64_t)a.hidden, a.dtype);
  activations(check, "views * tokens * heads", *a.batch, a.heads, SIMCSE_F32);
  check.array("qkv", a.qkv, a.dtype);
  check.array("out", a.out, a.dtype);
}

template <typename Arguments>
void pooling(const Check &check, const Arguments &a, bool readable) {
  check.dtype("dtype", a.dtype);
  check.dtype_or_f32("out_dtype", a.out_dtype, a.dtype);
  check.hidden(a.hidden);
  check.that(a.mode >= SIMCSE_POOLING_CLS && a.mode <= SIMCSE_POOLING_MAX, "mode is %" PRId32 ", not a pooling mode",
             a.mode);
  check.finite("weight", a.weight);
  check.batch(a.batch, readable);
  activations(check, "views * tokens * hidden", *a.batch, a.hidden, SIMCSE_F32);
  if (a.mode == SIMCSE_POOLING_MAX) {
    check.array("argmax", a.argmax);
  } else {
    check.absent("argmax", a.argmax, "unless mode is SIMCSE_POOLING_MAX");
  }
}

// What gemm does with its product.
template <typename Arguments>
void epilogue(const Check &check, const Arguments &a) {
  check.bytes("m * n", {a.m, a.n}, 4);
  check.array("c", a.c, a.c_dtype);
  if (adds_bias(a.epilogue)) {
    check.array("bias", a.bias);
  } else {
    check.absent("bias", a.bias, "with an epilogue that adds none");
  }
  if (a.epilogue == SIMCSE_EPILOGUE_BIAS_RESIDUAL) {
    check.array("residual", a.residual, a.c_dtype);
  } else {
    check.absent("residual", a.residual, "unless epilogue is SIMCSE_EPILOGUE_BIAS_RESIDUAL");
  }
  if (a.pre_activation != nullptr || a.epilogue == SIMCSE_EPILOGUE_GELU_BACKWARD) {
    check.that(a.epilogue == SIMCSE_EPILOGUE_BIAS_GELU || a.epilogue == SIMCSE_EPILOGUE_GELU_BACKWARD,
               "pre_activation must be null unless epilogue is SIMCSE_EPILOGUE_BIAS_GELU or _GELU_BACKWARD");
    check.array("pre_activation", a.pre_activation, a.dtype);
  }
}

void is_epilogue(const Check &check, simcse_epilogue epilogue) {
  check.that(epilogue >= SIMCSE_EPILOGUE_STORE && epilogue <= SIMCSE_EPILOGUE_GELU_BACKWARD,
             "epilogue is %" PRId32 ", not an epilogue", epilogue);
}

}  // namespace

bool check(const simcse_embedding_forward *a, bool readable) {
  Check check("embedding_forward", a);
  tables(check, *a, readable);
  check.array("out", a->out, a->dtype);
  if (readable) check.ids(*a->batch, a->vocabulary);
  return true;
}

bool check(const simcse_embedding_backward *a, bool readable) {
  Check check("embedding_backward", a);
  tables(check, *a, readable);
  check.array("d_out", a->d_out, a->dtype);
  check.array("d_word", a->d_word);
  check.array("d_position", a->d_position);
  check.array("d_type", a->d_type);
  check.array("d_gamma", a->d_gamma);
  check.array("d_beta", a->d_beta);
  if (readable) check.ids(*a->batch, a->vocabulary);
  return true;
}

bool check(const simcse_gemm *a, bool) {
  Check check("gemm", a);
  check.dtype("dtype", a->dtype);
  check.dtype_or_f32("c_dtype", a->c_dtype, a->dtype);
  check.flag("transpose_a", a->transpose_a);
  check.flag("transpose_b", a->transpose_b);
  is_epilogue(check, a->epilogue);
  check.reserved(a->reserved);
  check.at_least("m", a->m, 0);
  check.at_least("n", a->n, 0);
  check.at_least("k", a->k, 1);
  if (a->m == 0 || a->n == 0) return false;
  check.bytes("m * k", {a->m, a->k}, size_of(a->dtype));
  check.bytes("k * n", {a->k, a->n}, size_of(a->dtype));
  check.array("a", a->a, a->dtype);
  check.array("b", a->b, a->dtype);
  epilogue(check, *a);
  if (a->bias_gradient != nullptr) {
    check.that(a->epilogue == SIMCSE_EPILOGUE_ACCUMULATE && a->transpose_a == 1,
               "bias_gradient must be null unless epilogue is SIMCSE_EPILOGUE_ACCUMULATE and transpose_a is 1");
    check.array("bias_gradient", a->bias_gradient);
  }
  return true;
}

bool check(const simcse_gemm_epilogue *a, bool) {
  Check check("gemm_epilogue", a);
  check.dtype("dtype", a->dtype);
  check.dtype_or_f32("c_dtype", a->c_dtype, a->dtype);
  is_epilogue(check, a->epilogue);
  check.reserved(a->reserved);
  check.at_least("m", a->m, 0);
  check.at_least("n", a->n, 0);
  if (a->m == 0 || a->n == 0) return false;
  check.array("product", a->product);
  epilogue(check, *a);
  return true;
}

bool check(const simcse_gelu_backward *a, bool) {
  Check check("gelu_backward", a);
  check.dtype("dtype", a->dtype);
  check.reserved(a->reserved);
  check.at_least("count", a->count, 0);
  if (a->count == 0) return false;
  check.bytes("count", {a->count}, size_of(a->dtype));
  check.array("pre_activation", a->pre_activation, a->dtype);
  check.array("gradient", a->gradient, a->dtype);
  return true;
}

bool check(const simcse_tanh_backward *a, bool) {
  Check check("tanh_backward", a);
  check.dtype("dtype", a->dtype);
  check.reserved(a->reserved);
  check.at_least("count", a->count, 0);
  if (a->count == 0) return false;
  check.bytes("count", {a->count}, size_of(a->dtype));
  check.array("activation", a->activation, a->dtype);
  check.array("gradient", a->gradient, a->dtype);
  return true;
}

bool check(const simcse_column_sum *a, bool) {
  Check check("column_sum", a);
  check.dtype("dtype", a->dtype);
  check.reserved(a->reserved);
  check.at_least("rows", a->rows, 0);
  check.at_least("columns", a->columns, 0);
  if (a->rows == 0 || a->columns == 0) return false;
  check.bytes("rows * columns", {a->rows, a->columns}, 4);
  check.array("x", a->x, a->dtype);
  check.array("sum", a->sum);
  return true;
}

bool check(const simcse_dropout_residual_layer_norm_forward *a, bool readable) {
  Check check("dropout_residual_layer_norm_forward", a);
  check.dtype("dtype", a->dtype);
  check.hidden(a->hidden);
  check.batch(a->batch, readable);
  activations(check, "views * tokens * hidden", *a->batch, a->hidden, a->dtype);
  check.norm(a->norm);
  check.dropout(a->dropout);
  check.array("x", a->x, a->dtype);
  if (a->residual == nullptr) {
    check.that(a->dropout.keep_prob == 1, "residual is null, which dropout.keep_prob below 1 does not allow");
  } else {
    check.array("residual", a->residual, a->dtype);
  }
  check.array("out", a->out, a->dtype);
  check.array("mean", a->mean);
  check.array("rstd", a->rstd);
  return true;
}

bool check(const simcse_dropout_residual_layer_norm_backward *a, bool readable) {
  Check check("dropout_residual_layer_norm_backward", a);
  check.dtype("dtype", a->dtype);
  check.hidden(a->hidden);
  check.batch(a->batch, readable);
  activations(check, "views * tokens * hidden", *a->batch, a->hidden, a->dtype);
  check.norm(a->norm);
  check.dropout(a->dropout);
  check.array("d_out", a->d_out, a->dtype);
  check.array("sum", a->sum, a->dtype);
  check.array("mean", a->mean);
  check.array("rstd", a->rstd);
  check.array("d_residual", a->d_residual, a->dtype);
  check.array("d_x", a->d_x, a->dtype);
  check.array("d_gamma", a->d_gamma);
  check.array("d_beta", a->d_beta);
  return true;
}

bool check(const simcse_layer_norm_replay *a, bool) {
  Check check("layer_norm_replay", a);
  check.dtype("dtype", a->dtype);
  check.hidden(a->hidden);
  check.at_least("rows", a->rows, 0);
  if (a->rows == 0) return false;
  check.bytes("rows * hidden", {a->rows, a->hidden}, 4);
  check.norm(a->norm);
  check.array("sum", a->sum, a->dtype);
  check.array("mean", a->mean);
  check.array("rstd", a->rstd);
  check.array("out", a->out, a->dtype);
  return true;
}

bool check(const simcse_attention_forward *a, bool readable) {
  Check check("attention_forward", a);
  attention(check, *a, readable);
  if (a->lse != nullptr) check.array("lse", a->lse);
  return true;
}

bool check(const simcse_attention_backward *a, bool readable) {
  Check check("attention_backward", a);
  attention(check, *a, readable);
  check.array("lse", a->lse);
  check.array("d_out", a->d_out, a->dtype);
  check.array("d_qkv", a->d_qkv, a->dtype);
  return true;
}

bool check(const simcse_pooling_forward *a, bool readable) {
  Check check("pooling_forward", a);
  pooling(check, *a, readable);
  check.flag("accumulate", a->accumulate);
  check.array("x", a->x, a->dtype);
  check.array("out", a->out, a->out_dtype);
  return true;
}

bool check(const simcse_pooling_backward *a, bool readable) {
  Check check("pooling_backward", a);
  pooling(check, *a, readable);
  check.reserved(a->reserved);
  check.array("d_out", a->d_out, a->out_dtype);
  check.array("d_x", a->d_x, a->dtype);
  if (!readable || a->mode != SIMCSE_POOLING_MAX) return true;
  int64_t values = (int64_t)a->batch->views * a->batch->sentences * a->hidden;
  for (int64_t i = 0; i < values; i++) {
    check.that(a->argmax[i] >= 0 && a->argmax[i] < rows_of(*a->batch),
               "argmax[%" PRId64 "] is %" PRId32 ", not a row of d_x, 0 .. %" PRId64, i, a->argmax[i],
               rows_of(*a->batch) - 1);
  }
  return true;
}

bool check(const simcse_gradient_norm *a, bool) {
  Check check("gradient_norm", a);
  check.at_least("count", a->count, 0);
  check.bytes("count", {a->count}, 4);
  if (a->count > 0) check.array("gradients", a->gradients);
  check.array("norm", a->norm);
  return true;
}

bool check(const simcse_adamw *a, bool) {
  Check check("adamw", a);
  check.at_least("count", a->count, 0);
  check.at_least("step", a->step, 1);
  check.not_negative("learning_rate", a->learning_rate);
  check.that(a->beta1 >= 0 && a->beta1 < 1, "beta1 is %g, not in [0, 1)", a->beta1);
  check.that(a->beta2 >= 0 && a->beta2 < 1, "beta2 is %g, not in [0, 1)", a->beta2);
  check.not_negative("epsilon", a->epsilon);
  check.not_negative("weight_decay", a->weight_decay);
  check.not_negative("max_grad_norm", a->max_grad_norm);
  if (a->count == 0) return false;
  check.bytes("count", {a->count}, 4);
  check.array("parameters", a->parameters);
  check.array("gradients", a->gradients);
  check.array("first_moment", a->first_moment);
  check.array("second_moment", a->second_moment);
  check.array("norm", a->norm);
  if (a->bf16_copy != nullptr) check.array("bf16_copy", a->bf16_copy);
  return true;
}

bool check(const simcse_dropout_mask *a, bool readable) {
  Check check("dropout_mask", a);
  check.at_least("channels", a->channels, 1);
  check.reserved(a->reserved);
  check.dropout(a->dropout);
  check.batch(a->batch, readable);
  check.array("mask", a->mask);
  return true;
}

bool check(const simcse_convert *a, bool) {
  Check check("convert", a);
  check.dtype("from_dtype", a->from_dtype);
  check.dtype("to_dtype", a->to_dtype);
  check.that(a->to_dtype != a->from_dtype, "to_dtype is from_dtype");
  check.at_least("count", a->count, 0);
  if (a->count == 0) return false;
  check.bytes("count", {a->count}, 4);
  check.array("from", a->from, a->from_dtype);
  check.array("to", a->to, a->to_dtype);
  return true;
}

}  // namespace simcse
