/* The faults that bad_input.c plants: a member, a wrong value, and what the message then says. */

struct Fault {
  size_t offset, size;
  union {
    int32_t i32;
    int64_t i64;
    float f32;
    double f64;
    const void *pointer;
  } value;
  const char *text; /* what the message says after the operation */
};

#define AT(name, member) offsetof(simcse_##name, member)
#define I32(name, member, number, text) {AT(name, member), 4, {.i32 = (number)}, text}
#define I64(name, member, number, text) {AT(name, member), 8, {.i64 = (number)}, text}
#define F32(name, member, number, text) {AT(name, member), 4, {.f32 = (number)}, text}
#define F64(name, member, number, text) {AT(name, member), 8, {.f64 = (number)}, text}
#define NONE(name, member) {AT(name, member), 8, {.pointer = NULL}, #member " is null"}
#define ODD(name, member) {AT(name, member), 8, {.pointer = (char *)&arena + 1}, #member " is not aligned"}
#define ARRAY(name, member) NONE(name, member), ODD(name, member)
#define SIZE(name)                                                                \
  {0, 8, {.i64 = sizeof(simcse_##name) - 8}, "arguments.struct_size is"},         \
      {0, 8, {.i64 = sizeof(simcse_##name) + 8}, "arguments.struct_size is"}, {0, 8, {.i64 = 0}, "struct_size is 0"}
#define DTYPE(name) I32(name, dtype, 0, "dtype is 0"), I32(name, dtype, 3, "dtype is 3")
#define HIDDEN(name)                                                                     \
  I32(name, hidden, 0, "hidden is 0"), I32(name, hidden, -8, "hidden is -8"),            \
      I32(name, hidden, INT32_MAX, "hidden is 2147483647")
#define BATCH(name) NONE(name, batch)
#define NORMS(name)                                                                               \
  ARRAY(name, norm.gamma), ARRAY(name, norm.beta), F32(name, norm.epsilon, NAN, "norm.epsilon is"), \
      F32(name, norm.epsilon, -1, "norm.epsilon is -1"), I32(name, norm.reserved, 1, "norm.reserved is 1")
#define DROPOUTS(name)                                                                               \
  F32(name, dropout.keep_prob, 0, "dropout.keep_prob is 0"),                                         \
      F32(name, dropout.keep_prob, -0.5f, "dropout.keep_prob is -0.5"),                              \
      F32(name, dropout.keep_prob, 1.5f, "dropout.keep_prob is 1.5"),                                \
      F32(name, dropout.keep_prob, NAN, "dropout.keep_prob is"),                                     \
      I32(name, dropout.site, -1, "dropout.site is -1"), I32(name, dropout.site, 1 << 24, "dropout.site is 16777216")
#define TABLES(name)                                                                                       \
  SIZE(name), DTYPE(name), HIDDEN(name), BATCH(name), NORMS(name), DROPOUTS(name),                         \
      I32(name, vocabulary, 0, "vocabulary is 0"), I32(name, positions, 2, "positions is 2, below batch.max_length"), \
      I32(name, vocabulary, 10, "batch.ids[1] is 10, not in 0 .. 9"), ARRAY(name, word), ARRAY(name, position), \
      ARRAY(name, type), ARRAY(name, mean), ARRAY(name, rstd)
#define ATTENTION(name)                                                                                    \
  SIZE(name), DTYPE(name), HIDDEN(name), BATCH(name), DROPOUTS(name), I32(name, heads, 0, "heads is 0"),   \
      I32(name, heads, 3, "hidden is 8, which 3 heads do not divide"), I32(name, reserved, 1, "reserved is 1"), \
      ARRAY(name, qkv), ARRAY(name, out)
#define POOLING(name)                                                                                  \
  SIZE(name), DTYPE(name), HIDDEN(name), BATCH(name), I32(name, out_dtype, SIMCSE_BF16, "out_dtype is 2"), \
      I32(name, mode, 3, "mode is 3"), I32(name, mode, -1, "mode is -1"),                              \
      I32(name, mode, SIMCSE_POOLING_CLS, "argmax must be null unless"), F32(name, weight, NAN, "weight is"), \
      F32(name, weight, INFINITY, "weight is inf"), ARRAY(name, argmax)
#define COUNT(name) I64(name, count, -1, "count is -1"), I64(name, count, INT64_MAX, "count overflows")
#define CONTRAST(name)                                                                                             \
  SIZE(name), DTYPE(name), HIDDEN(name), I64(name, queries_count, 0, "queries_count is 0"),                        \
      I64(name, keys_count, -4, "keys_count is -4"),                                                               \
      I64(name, queries_count, INT64_MAX, "queries_count * hidden overflows"),                                     \
      I64(name, keys_count, INT64_MAX / 4, "keys_count * hidden overflows"),                                       \
      I64(name, keys_count, 1, "contrast.own_negative_offset is 2"),                                               \
      I64(name, contrast.own_negative_offset, 3, "contrast.own_negative_offset is 3"),                             \
      I64(name, contrast.own_negative_offset, -1, "contrast.own_negative_offset is -1"),                           \
      I64(name, contrast.own_negative_offset, INT64_MAX, "contrast.own_negative_offset is"),                       \
      F32(name, contrast.own_negative_bias, NAN, "contrast.own_negative_bias is"),                                 \
      F32(name, contrast.temperature, 0, "contrast.temperature is 0, not above 0"),                                \
      F32(name, contrast.temperature, -1, "contrast.temperature is -1"),                                           \
      F32(name, contrast.temperature, NAN, "contrast.temperature is"),                                             \
      F32(name, contrast.temperature, INFINITY, "contrast.temperature is inf"),                                    \
      I32(name, contrast.both_directions, 2, "contrast.both_directions is 2"),                                     \
      I32(name, contrast.both_directions, 0, "key_lse must be null unless contrast.both_directions is 1"),         \
      I32(name, contrast.same_side_negatives, -1, "contrast.same_side_negatives is -1"),                           \
      I32(name, contrast.has_margin, 2, "contrast.has_margin is 2"),                                               \
      I32(name, contrast.has_margin, 0, "contrast.false_negative_margin is 0.25, but has_margin is 0"),            \
      F32(name, contrast.false_negative_margin, NAN, "contrast.false_negative_margin is"),                         \
      F32(name, contrast.false_negative_margin, -2, "contrast.false_negative_margin is -2, not above -2"),         \
      ARRAY(name, contrast.query_ids), ARRAY(name, contrast.key_ids), ARRAY(name, queries), ARRAY(name, keys),     \
      ARRAY(name, targets), ARRAY(name, lse), ARRAY(name, query_norm), ARRAY(name, key_norm), ARRAY(name, key_lse)

static const struct Fault embedding_forward_faults[] = {TABLES(embedding_forward), ARRAY(embedding_forward, out)};
static const struct Fault embedding_backward_faults[] = {
    TABLES(embedding_backward),         ARRAY(embedding_backward, d_out),  ARRAY(embedding_backward, d_word),
    ARRAY(embedding_backward, d_position), ARRAY(embedding_backward, d_type), ARRAY(embedding_backward, d_gamma),
    ARRAY(embedding_backward, d_beta)};
static const struct Fault gemm_faults[] = {
    SIZE(gemm), DTYPE(gemm), I32(gemm, c_dtype, SIMCSE_BF16, "c_dtype is 2"),
    I32(gemm, transpose_a, 2, "transpose_a is 2"),
    I32(gemm, transpose_b, -1, "transpose_b is -1"), I32(gemm, epilogue, 7, "epilogue is 7"),
    I32(gemm, epilogue, -1, "epilogue is -1"), I32(gemm, reserved, 1, "reserved is 1"), I64(gemm, m, -1, "m is -1"),
    I64(gemm, n, -1, "n is -1"), I64(gemm, k, 0, "k is 0"), I64(gemm, k, INT64_MIN, "k is -9223372036854775808"),
    I64(gemm, m, INT64_MAX / 2, "m * k overflows"), I64(gemm, k, INT64_MAX, "m * k overflows"),
    I64(gemm, n, INT64_MAX / 8, "k * n overflows"), ARRAY(gemm, a), ARRAY(gemm, b), ARRAY(gemm, c), ARRAY(gemm, bias),
    ARRAY(gemm, residual), I32(gemm, epilogue, SIMCSE_EPILOGUE_STORE, "bias must be null"),
    I32(gemm, epilogue, SIMCSE_EPILOGUE_ACCUMULATE, "bias must be null"),
    I32(gemm, epilogue, SIMCSE_EPILOGUE_BIAS, "residual must be null"),
    I32(gemm, epilogue, SIMCSE_EPILOGUE_BIAS_GELU, "residual must be null"),
    I32(gemm, epilogue, SIMCSE_EPILOGUE_GELU_BACKWARD, "bias must be null"),
    {AT(gemm, pre_activation), 8, {.pointer = P(6)}, "pre_activation must be null"},
    {AT(gemm, bias_gradient), 8, {.pointer = P(6)}, "bias_gradient must be null"}};
static const struct Fault gemm_epilogue_faults[] = {
    SIZE(gemm_epilogue), DTYPE(gemm_epilogue), I32(gemm_epilogue, c_dtype, SIMCSE_BF16, "c_dtype is 2"),
    I32(gemm_epilogue, epilogue, 7, "epilogue is 7"), I32(gemm_epilogue, reserved, 1, "reserved is 1"),
    I64(gemm_epilogue, m, -1, "m is -1"), I64(gemm_epilogue, n, -1, "n is -1"),
    I64(gemm_epilogue, n, INT64_MAX / 8, "m * n overflows"), ARRAY(gemm_epilogue, product), ARRAY(gemm_epilogue, c),
    ARRAY(gemm_epilogue, bias), ARRAY(gemm_epilogue, residual),
    I32(gemm_epilogue, epilogue, SIMCSE_EPILOGUE_STORE, "bias must be null"),
    I32(gemm_epilogue, epilogue, SIMCSE_EPILOGUE_BIAS, "residual must be null"),
    {AT(gemm_epilogue, pre_activation), 8, {.pointer = P(6)}, "pre_activation must be null"}};
static const struct Fault gelu_backward_faults[] = {
    SIZE(gelu_backward), DTYPE(gelu_backward), I32(gelu_backward, reserved, 1, "reserved is 1"), COUNT(gelu_backward),
    ARRAY(gelu_backward, pre_activation), ARRAY(gelu_backward, gradient)};
static const struct Fault tanh_backward_faults[] = {
    SIZE(tanh_backward), DTYPE(tanh_backward), I32(tanh_backward, reserved, 1, "reserved is 1"), COUNT(tanh_backward),
    ARRAY(tanh_backward, activation), ARRAY(tanh_backward, gradient)};
static const struct Fault column_sum_faults[] = {
    SIZE(column_sum), DTYPE(column_sum), I32(column_sum, reserved, 1, "reserved is 1"),
    I64(column_sum, rows, -1, "rows is -1"), I64(column_sum, columns, -1, "columns is -1"),
    I64(column_sum, rows, INT64_MAX, "rows * columns overflows"), ARRAY(column_sum, x), ARRAY(column_sum, sum)};
static const struct Fault dropout_residual_layer_norm_forward_faults[] = {
    SIZE(dropout_residual_layer_norm_forward), DTYPE(dropout_residual_layer_norm_forward),
    HIDDEN(dropout_residual_layer_norm_forward), BATCH(dropout_residual_layer_norm_forward),
    NORMS(dropout_residual_layer_norm_forward), DROPOUTS(dropout_residual_layer_norm_forward),
    ARRAY(dropout_residual_layer_norm_forward, x), ARRAY(dropout_residual_layer_norm_forward, residual),
    ARRAY(dropout_residual_layer_norm_forward, out), ARRAY(dropout_residual_layer_norm_forward, mean),
    ARRAY(dropout_residual_layer_norm_forward, rstd)};
static const struct Fault dropout_residual_layer_norm_backward_faults[] = {
    SIZE(dropout_residual_layer_norm_backward), DTYPE(dropout_residual_layer_norm_backward),
    HIDDEN(dropout_residual_layer_norm_backward), BATCH(dropout_residual_layer_norm_backward),
    NORMS(dropout_residual_layer_norm_backward), DROPOUTS(dropout_residual_layer_norm_backward),
    ARRAY(dropout_residual_layer_norm_backward, d_out), ARRAY(dropout_residual_layer_norm_backward, sum),
    ARRAY(dropout_residual_layer_norm_backward, mean), ARRAY(dropout_residual_layer_norm_backward, rstd),
    ARRAY(dropout_residual_layer_norm_backward, d_residual), ARRAY(dropout_residual_layer_norm_backward, d_x),
    ARRAY(dropout_residual_layer_norm_backward, d_gamma), ARRAY(dropout_residual_layer_norm_backward, d_beta)};
static const struct Fault layer_norm_replay_faults[] = {
    SIZE(layer_norm_replay), DTYPE(layer_norm_replay), HIDDEN(layer_norm_replay), NORMS(layer_norm_replay),
    I64(layer_norm_replay, rows, -1, "rows is -1"),
    I64(layer_norm_replay, rows, INT64_MAX / 8, "rows * hidden overflows"),
    ARRAY(layer_norm_replay, sum), ARRAY(layer_norm_replay, mean), ARRAY(layer_norm_replay, rstd),
    ARRAY(layer_norm_replay, out)};
static const struct Fault attention_forward_faults[] = {ATTENTION(attention_forward), ODD(attention_forward, lse)};
static const struct Fault attention_backward_faults[] = {ATTENTION(attention_backward), ARRAY(attention_backward, lse),
                                                         ARRAY(attention_backward, d_out),
                                                         ARRAY(attention_backward, d_qkv)};
static const struct Fault pooling_forward_faults[] = {
    POOLING(pooling_forward), I32(pooling_forward, accumulate, 2, "accumulate is 2"), ARRAY(pooling_forward, x),
    ARRAY(pooling_forward, out)};
static const struct Fault pooling_backward_faults[] = {
    POOLING(pooling_backward), I32(pooling_backward, reserved, 1, "reserved is 1"), ARRAY(pooling_backward, d_out),
    ARRAY(pooling_backward, d_x)};
static const struct Fault similarity_softmax_forward_faults[] = {CONTRAST(similarity_softmax_forward),
                                                                 ARRAY(similarity_softmax_forward, loss)};
static const struct Fault similarity_softmax_backward_faults[] = {
    CONTRAST(similarity_softmax_backward), F32(similarity_softmax_backward, loss_scale, NAN, "loss_scale is"),
    I32(similarity_softmax_backward, reserved, 1, "reserved is 1"), ARRAY(similarity_softmax_backward, d_queries),
    ARRAY(similarity_softmax_backward, d_keys)};
static const struct Fault gradient_norm_faults[] = {SIZE(gradient_norm), COUNT(gradient_norm),
                                                    ARRAY(gradient_norm, gradients), ARRAY(gradient_norm, norm)};
static const struct Fault adamw_faults[] = {
    SIZE(adamw), COUNT(adamw), I64(adamw, step, 0, "step is 0"), F64(adamw, learning_rate, NAN, "learning_rate is"),
    F64(adamw, learning_rate, -1, "learning_rate is -1"), F64(adamw, beta1, 1, "beta1 is 1"),
    F64(adamw, beta1, NAN, "beta1 is"), F64(adamw, beta2, -0.5, "beta2 is -0.5"),
    F64(adamw, epsilon, -1, "epsilon is -1"),
    F64(adamw, weight_decay, INFINITY, "weight_decay is inf"), F64(adamw, max_grad_norm, -1, "max_grad_norm is -1"),
    ARRAY(adamw, parameters), ARRAY(adamw, gradients), ARRAY(adamw, first_moment), ARRAY(adamw, second_moment),
    ARRAY(adamw, norm), ODD(adamw, bf16_copy)};
static const struct Fault dropout_mask_faults[] = {
    SIZE(dropout_mask), BATCH(dropout_mask), DROPOUTS(dropout_mask), I32(dropout_mask, channels, 0, "channels is 0"),
    I32(dropout_mask, reserved, 1, "reserved is 1"), NONE(dropout_mask, mask)};
static const struct Fault convert_faults[] = {
    SIZE(convert), I32(convert, from_dtype, 0, "from_dtype is 0"), I32(convert, to_dtype, 3, "to_dtype is 3"),
    I32(convert, to_dtype, SIMCSE_F32, "to_dtype is from_dtype"), COUNT(convert), ARRAY(convert, from),
    ARRAY(convert, to)};

/* Of the batch; the operations that have one hold it at the same place. */
#define B(member, number, text) {offsetof(simcse_batch, member), 4, {.i32 = (number)}, text}
static const struct Fault batch_faults[] = {
    {0, 8, {.i64 = sizeof(simcse_batch) + 8}, "batch.struct_size is 80, this library knows 72"},
    {offsetof(simcse_batch, ids), 8, {.pointer = NULL}, "batch.ids is null"},
    {offsetof(simcse_batch, starts), 8, {.pointer = NULL}, "batch.starts is null"},
    {offsetof(simcse_batch, cu_seqlens), 8, {.pointer = NULL}, "batch.cu_seqlens is null"},
    {offsetof(simcse_batch, samples), 8, {.pointer = NULL}, "batch.samples is null"},
    {offsetof(simcse_batch, id_count), 8, {.i64 = 0}, "batch.id_count is 0"},
    {offsetof(simcse_batch, id_count), 8, {.i64 = 5}, "batch.starts[0] is 3"},
    B(sentences, 0, "batch.sentences is 0"),
    B(sentences, 6, "batch.tokens is 5, below batch.sentences"),
    B(sentences, 1, "batch.cu_seqlens[1] is 3, not batch.tokens"),
    B(tokens, 4, "batch.cu_seqlens[2] is 5, not batch.tokens, which is 4"),
    B(tokens, -1, "batch.tokens is -1"),
    B(max_length, 0, "batch.max_length is 0"),
    B(max_length, 6, "batch.max_length is 6, above batch.tokens"),
    B(max_length, 2, "batch.max_length is 2, but the longest sentence has 3"),
    B(views, 0, "batch.views is 0"),
    B(views, 257, "batch.first_view + batch.views is 257, above 256"),
    B(first_view, -1, "batch.first_view is -1"),
    B(first_view, INT32_MAX, "batch.first_view + batch.views is 2147483649"),
    B(tokens, INT32_MAX, "batch.views * batch.tokens overflows 31 bits"),
    B(reserved, 7, "batch.reserved is 7")};

/* Of what the batch points to. */
static const struct {
  int32_t *at;
  int32_t value;
  const char *text;
} content_faults[] = {{&arena.cu_seqlens[0], 1, "batch.cu_seqlens[0] is 1, not 0"},
                      {&arena.cu_seqlens[1], 0, "batch.cu_seqlens[1] is 0, not above the one before"},
                      {&arena.cu_seqlens[1], 5, "batch.cu_seqlens[2] is 5, not above"},
                      {&arena.cu_seqlens[1], -2147483647, "batch.cu_seqlens[1] is -2147483647, not above"},
                      {&arena.cu_seqlens[2], 6, "batch.cu_seqlens[2] is 6, not batch.tokens, which is 5"},
                      {(int32_t *)&arena.starts[1], 5, "batch.starts[1] is 5"},
                      {(int32_t *)&arena.starts[1] + 1, -1, "batch.starts[1] is -4294967296"}};

