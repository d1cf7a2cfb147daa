/*
 * Arguments that are wrong: every operation is first run with good ones, then with each fault of a table planted in
 * them alone. It must answer with the status and a text that starts with the operation and names the member, and must
 * have written nothing: all memory that the arguments point to lies in one arena, which is compared.
 */
#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "check.h"

enum { kSentences = 2, kTokens = 5, kViews = 2, kRows = 10, kHidden = 8, kHeads = 2, kVocabulary = 11 };

static const simcse_api *api(void) { return simcse_get_api(SIMCSE_API_VERSION); }

static simcse_device *device;

/* --- good arguments --- */

/* Every pointer of the arguments is a part of this. */
static struct {
  float part[24][kRows * kHidden * 3 + kVocabulary * kHidden];
  int32_t ids[kTokens + 1], cu_seqlens[kSentences + 1], samples[kSentences], targets[4];
  int32_t argmax[kSentences * kViews * kHidden];
  int64_t starts[kSentences], query_ids[2], key_ids[4];
} arena;

static simcse_batch batch;

static void fill_arena(void) {
  memset(&arena, 0, sizeof arena);
  for (int p = 0; p < 24; p++) {
    for (size_t i = 0; i < sizeof arena.part[p] / 4; i++) {
      arena.part[p][i] = (float)((i * 7 + (size_t)p) % 13) / 8 + 0.25f;
    }
  }
  const int32_t ids[] = {3, 10, 0, 7, 7, 1}, cu_seqlens[] = {0, 3, 5}, samples[] = {41, 42}, targets[] = {0, 1, 2, 3};
  memcpy(arena.ids, ids, sizeof ids);
  memcpy(arena.cu_seqlens, cu_seqlens, sizeof cu_seqlens);
  memcpy(arena.samples, samples, sizeof samples);
  memcpy(arena.targets, targets, sizeof targets);
  arena.starts[0] = 3;
  arena.starts[1] = 0;
  for (int i = 0; i < 4; i++) arena.key_ids[i] = i;
  arena.query_ids[0] = 10;
  arena.query_ids[1] = 3;
  batch = (simcse_batch){sizeof batch, arena.ids, kTokens + 1, arena.starts, arena.cu_seqlens, arena.samples,
                         kSentences, kTokens, 3, kViews, 0, 0};
}

#define P(i) (arena.part[i])
#define NORM {P(20), P(21), 1e-12f, 0}
#define DROPOUT {1, 2, 3, 0.9f}
#define ALL_OPTIONS {0.05f, 0.5f, 2, 1, 1, 1, 0.25f, arena.query_ids, arena.key_ids}

static simcse_embedding_forward embedding_forward;
static simcse_embedding_backward embedding_backward;
static simcse_gemm gemm;
static simcse_gemm_epilogue gemm_epilogue;
static simcse_gelu_backward gelu_backward;
static simcse_tanh_backward tanh_backward;
static simcse_column_sum column_sum;
static simcse_dropout_residual_layer_norm_forward dropout_residual_layer_norm_forward;
static simcse_dropout_residual_layer_norm_backward dropout_residual_layer_norm_backward;
static simcse_layer_norm_replay layer_norm_replay;
static simcse_attention_forward attention_forward;
static simcse_attention_backward attention_backward;
static simcse_pooling_forward pooling_forward;
static simcse_pooling_backward pooling_backward;
static simcse_similarity_softmax_forward similarity_softmax_forward;
static simcse_similarity_softmax_backward similarity_softmax_backward;
static simcse_gradient_norm gradient_norm;
static simcse_adamw adamw;
static simcse_dropout_mask dropout_mask;
static simcse_convert convert;

static void fill_hidden_states(void) {
  embedding_forward = (simcse_embedding_forward){
      sizeof embedding_forward, &batch, SIMCSE_F32, kHidden, kVocabulary, 4, P(0), P(1), P(2), NORM, DROPOUT, P(3),
      P(4), P(5)};
  embedding_backward = (simcse_embedding_backward){
      sizeof embedding_backward, &batch, SIMCSE_F32, kHidden, kVocabulary, 4, P(0), P(1), P(2), NORM, DROPOUT, P(4),
      P(5), P(6), P(7), P(8), P(9), P(10), P(11)};
  dropout_residual_layer_norm_forward = (simcse_dropout_residual_layer_norm_forward){
      sizeof dropout_residual_layer_norm_forward, &batch, SIMCSE_F32, kHidden, P(0), P(1), NORM, DROPOUT, P(2), P(3),
      P(4)};
  dropout_residual_layer_norm_backward = (simcse_dropout_residual_layer_norm_backward){
      sizeof dropout_residual_layer_norm_backward, &batch, SIMCSE_F32, kHidden, P(0), P(1), P(2), P(3), NORM, DROPOUT,
      P(4), P(5), P(6), P(7)};
  layer_norm_replay = (simcse_layer_norm_replay){
      sizeof layer_norm_replay, SIMCSE_F32, kHidden, kRows, P(0), P(1), P(2), NORM, P(3)};
  attention_forward = (simcse_attention_forward){
      sizeof attention_forward, &batch, SIMCSE_F32, kHidden, kHeads, 0, P(0), DROPOUT, P(1), P(2)};
  attention_backward = (simcse_attention_backward){
      sizeof attention_backward, &batch, SIMCSE_F32, kHidden, kHeads, 0, P(0), P(1), P(2), P(3), DROPOUT, P(4)};
  pooling_forward = (simcse_pooling_forward){
      sizeof pooling_forward, &batch, SIMCSE_F32, SIMCSE_F32, kHidden, SIMCSE_POOLING_MAX, 0, 0.5f, P(0), P(1),
      arena.argmax};
  pooling_backward = (simcse_pooling_backward){
      sizeof pooling_backward, &batch, SIMCSE_F32, SIMCSE_F32, kHidden, SIMCSE_POOLING_MAX, 0.5f, 0, P(0), arena.argmax,
      P(1)};
  dropout_mask = (simcse_dropout_mask){sizeof dropout_mask, &batch, kHidden, 0, DROPOUT, (uint8_t *)P(0)};
}

static void fill_the_rest(void) {
  gemm = (simcse_gemm){sizeof gemm, SIMCSE_F32, SIMCSE_F32, 0, 1, SIMCSE_EPILOGUE_BIAS_RESIDUAL, 0, 3, 4, 5, P(0), P(1),
                       P(2), P(3), NULL, P(4), NULL};
  gemm_epilogue = (simcse_gemm_epilogue){sizeof gemm_epilogue, SIMCSE_F32, SIMCSE_F32, SIMCSE_EPILOGUE_BIAS_RESIDUAL, 0,
                                         3, 4, P(0), P(1), P(2), NULL, P(3)};
  gelu_backward = (simcse_gelu_backward){sizeof gelu_backward, SIMCSE_F32, 0, 21, P(0), P(1)};
  tanh_backward = (simcse_tanh_backward){sizeof tanh_backward, SIMCSE_F32, 0, 21, P(0), P(1)};
  column_sum = (simcse_column_sum){sizeof column_sum, SIMCSE_F32, 0, 5, 7, P(0), P(1)};
  similarity_softmax_forward = (simcse_similarity_softmax_forward){
      sizeof similarity_softmax_forward, SIMCSE_F32, kHidden, 2, 4, P(0), P(1), arena.targets, ALL_OPTIONS, P(2), P(3),
      P(4), P(5), P(6)};
  similarity_softmax_backward = (simcse_similarity_softmax_backward){
      sizeof similarity_softmax_backward, SIMCSE_F32, kHidden, 2, 4, P(0), P(1), arena.targets, ALL_OPTIONS, P(3), P(4),
      P(5), P(6), 1, 0, P(7), P(8)};
  gradient_norm = (simcse_gradient_norm){sizeof gradient_norm, 21, P(0), P(1)};
  adamw = (simcse_adamw){sizeof adamw, 21, 1, 1e-3, 0.9, 0.999, 1e-8, 0.01, 1, P(0), P(1), P(2), P(3), P(4),
                         (uint16_t *)P(5)};
  convert = (simcse_convert){sizeof convert, SIMCSE_F32, SIMCSE_BF16, 21, P(0), P(1)};
}

#include "bad_input_faults.h"

/* --- the operations --- */

/* Its name, and whether it takes a batch. */
#define OPERATIONS(each)                                                                                             \
  each(embedding_forward, 1) each(embedding_backward, 1) each(gemm, 0) each(gelu_backward, 0) each(tanh_backward, 0) \
  each(column_sum, 0) each(dropout_residual_layer_norm_forward, 1) each(dropout_residual_layer_norm_backward, 1)     \
  each(layer_norm_replay, 0) each(attention_forward, 1) each(attention_backward, 1) each(pooling_forward, 1)         \
  each(pooling_backward, 1) each(similarity_softmax_forward, 0) each(similarity_softmax_backward, 0)                 \
  each(gradient_norm, 0) each(adamw, 0) each(dropout_mask, 1) each(convert, 0) each(gemm_epilogue, 0)

#define CALL(name, batched)                                 \
  static simcse_status call_##name(const void *arguments) { \
    return api()->name(device, NULL, arguments);            \
  }
OPERATIONS(CALL)

#define ENTRY(name, batched) \
  {#name, call_##name, &name, sizeof name, batched, name##_faults, sizeof name##_faults / sizeof *name##_faults},
static const struct {
  const char *name;
  simcse_status (*call)(const void *arguments);
  const void *arguments;
  size_t size;
  int batched;
  const struct Fault *faults;
  size_t fault_count;
} operations[] = {OPERATIONS(ENTRY)};

static union {
  char bytes[512];
  int64_t aligned;
} arguments;
static char before[sizeof arena];

/* The call fails, names the operation and the member, and leaves the arena as it is. */
static void refused(size_t o, const void *given, const char *text) {
  char expected[256];
  memcpy(before, &arena, sizeof arena);
  simcse_status status = operations[o].call(given);
  const char *error = api()->last_error();
  snprintf(expected, sizeof expected, "%s: ", operations[o].name);
  CHECK(status == SIMCSE_INVALID_ARGUMENT, "%s, %s: status %d", operations[o].name, text, (int)status);
  CHECK(strncmp(error, expected, strlen(expected)) == 0 && strstr(error, text) != NULL, "\"%s\" without \"%s\"", error,
        text);
  CHECK(memcmp(before, &arena, sizeof arena) == 0, "%s, %s: memory was written", operations[o].name, text);
}

static void planted(void *in, const struct Fault *fault) {
  memcpy((char *)in + fault->offset, &fault->value, fault->size);
}

static void faults_of(size_t o) {
  CHECK(operations[o].size <= sizeof arguments, "size");
  refused(o, NULL, "arguments is null");
  for (size_t f = 0; f < operations[o].fault_count; f++) {
    memcpy(&arguments, operations[o].arguments, operations[o].size);
    planted(&arguments, &operations[o].faults[f]);
    refused(o, &arguments, operations[o].faults[f].text);
  }
  if (!operations[o].batched) return;
  simcse_batch good = batch;
  for (size_t f = 0; f < sizeof batch_faults / sizeof *batch_faults; f++) {
    planted(&batch, &batch_faults[f]);
    refused(o, operations[o].arguments, batch_faults[f].text);
    batch = good;
  }
  for (size_t f = 0; f < sizeof content_faults / sizeof *content_faults; f++) {
    int32_t value = *content_faults[f].at;
    *content_faults[f].at = content_faults[f].value;
    refused(o, operations[o].arguments, content_faults[f].text);
    *content_faults[f].at = value;
  }
}

/* Faults that take more than one member, or the content of an array. */
static void combined(void) {
  fill_arena();
  enum { kForward = 13, kBackward = 14, kPooling = 12 };
  arena.targets[1] = 4;
  refused(kForward, &similarity_softmax_forward, "targets[1] is 4, not in 0 .. 3");
  refused(kBackward, &similarity_softmax_backward, "targets[1] is 4, not in 0 .. 3");
  arena.targets[1] = -1;
  refused(kForward, &similarity_softmax_forward, "targets[1] is -1");
  arena.targets[1] = 0;
  refused(kForward, &similarity_softmax_forward, "targets[1] is 0 again, which both directions do not allow");
  refused(kBackward, &similarity_softmax_backward, "targets[1] is 0 again, which both directions do not allow");
  simcse_similarity_softmax_forward few_keys = similarity_softmax_forward;
  few_keys.contrast.own_negative_bias = 0;
  few_keys.queries_count = 4;
  few_keys.keys_count = 3;
  refused(kForward, &few_keys, "queries_count is 4, above keys_count, which is 3");
  fill_arena();
  P(0)[2 * kHidden - 1] = NAN;
  refused(kForward, &similarity_softmax_forward, "queries[1] holds NaN or infinity");
  fill_arena();
  P(1)[3 * kHidden] = -INFINITY;
  refused(kForward, &similarity_softmax_forward, "keys[3] holds NaN or infinity");
  arena.argmax[5] = kRows;
  refused(kPooling, &pooling_backward, "argmax[5] is 10, not a row of d_x, 0 .. 9");
  fill_arena();
  arena.ids[4] = -1;
  refused(0, &embedding_forward, "batch.ids[4] is -1, not in 0 .. 10");
  refused(1, &embedding_backward, "batch.ids[4] is -1, not in 0 .. 10");
  fill_arena();
  simcse_gemm product = gemm;
  product.epilogue = SIMCSE_EPILOGUE_BIAS_GELU;
  product.residual = NULL;
  product.pre_activation = (char *)&arena + 1;
  refused(2, &product, "pre_activation is not aligned");
  product.epilogue = SIMCSE_EPILOGUE_GELU_BACKWARD;
  product.bias = NULL;
  refused(2, &product, "pre_activation is not aligned");
  product.pre_activation = NULL;
  refused(2, &product, "pre_activation is null");
  product.epilogue = SIMCSE_EPILOGUE_ACCUMULATE;
  product.bias_gradient = P(6);
  refused(2, &product, "bias_gradient must be null unless");
  product.transpose_a = 1;
  product.bias_gradient = (float *)((char *)&arena + 1);
  refused(2, &product, "bias_gradient is not aligned");
  simcse_attention_forward long_attention = attention_forward;
  long_attention.hidden = long_attention.heads = 1 << 17;
  refused(9, &long_attention, "heads is 131072, above 65536, with dropout");
}

/* Extents of 0 are nothing to do, whatever the pointers. */
static void nothing_to_do(void) {
  simcse_gemm no_rows = {.struct_size = sizeof no_rows, .dtype = SIMCSE_F32, .c_dtype = SIMCSE_F32, .n = 3, .k = 2};
  simcse_gemm_epilogue no_columns = {.struct_size = sizeof no_columns, .dtype = SIMCSE_F32, .c_dtype = SIMCSE_F32, .m = 3};
  simcse_gelu_backward no_gelu = {.struct_size = sizeof no_gelu, .dtype = SIMCSE_F32};
  simcse_tanh_backward no_tanh = {.struct_size = sizeof no_tanh, .dtype = SIMCSE_F32};
  simcse_column_sum no_sum = {.struct_size = sizeof no_sum, .dtype = SIMCSE_F32, .columns = 3};
  simcse_layer_norm_replay no_norm = {.struct_size = sizeof no_norm, .dtype = SIMCSE_F32, .hidden = 8};
  simcse_adamw no_update = {.struct_size = sizeof no_update, .step = 1};
  simcse_convert no_convert = {.struct_size = sizeof no_convert, .from_dtype = SIMCSE_F32, .to_dtype = SIMCSE_BF16};
  float norm = -1;
  simcse_gradient_norm no_gradients = {.struct_size = sizeof no_gradients, .norm = &norm};
  CHECK_OK(api()->gemm(device, NULL, &no_rows));
  CHECK_OK(api()->gemm_epilogue(device, NULL, &no_columns));
  CHECK_OK(api()->gelu_backward(device, NULL, &no_gelu));
  CHECK_OK(api()->tanh_backward(device, NULL, &no_tanh));
  CHECK_OK(api()->column_sum(device, NULL, &no_sum));
  CHECK_OK(api()->layer_norm_replay(device, NULL, &no_norm));
  CHECK_OK(api()->adamw(device, NULL, &no_update));
  CHECK_OK(api()->convert(device, NULL, &no_convert));
  CHECK_OK(api()->gradient_norm(device, NULL, &no_gradients));
  CHECK(norm == 0, "the norm of nothing is %g", norm);
}

int main(void) {
  CHECK_OK(api()->device_open("cpu", NULL, &device));
  for (size_t o = 0; o < sizeof operations / sizeof *operations; o++) {
    fill_arena();
    fill_hidden_states();
    fill_the_rest();
    simcse_status status = operations[o].call(operations[o].arguments);
    CHECK(status == SIMCSE_OK, "%s: good arguments: %s", operations[o].name, api()->last_error());
    fill_arena();
    faults_of(o);
  }
  combined();
  nothing_to_do();
  CHECK_OK(api()->device_close(device));
  return checks_ended("bad_input");
}
