/*
 * Embedding libsimcse in a C program: attention over a packed batch of three sentences under two views, one vector a
 * sentence and view, the contrastive loss between the views and its gradient. Everything is computed a second time in
 * plain loops; the program ends with 1 where the two differ.
 *
 *     cc embed.c $(pkg-config --cflags --libs simcse) -lm -o embed
 */
#include <math.h>
#include <simcse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { B = 3, T = 8, VIEWS = 2, H = 8, A = 2, D = H / A, R = VIEWS * T };

static const simcse_api *simcse;

/* Every call returns a status; the text of this thread says what was wrong. */
static void check(simcse_status status) {
  if (status == SIMCSE_OK) return;
  fprintf(stderr, "status %d: %s\n", (int)status, simcse->last_error());
  exit(1);
}

static void fill(float *x, int count) {
  static uint32_t state = 1;
  for (int i = 0; i < count; i++) {
    state = state * 1664525u + 1013904223u;
    x[i] = (float)(state >> 8) / 8388608.0f - 1.0f;
  }
}

/* --- the same in plain loops --- */

static void attention(const int32_t *ends, const float *qkv, double *out) {
  for (int view = 0; view < VIEWS; view++) {
    for (int b = 0; b < B; b++) {
      int first = view * T + ends[b], length = ends[b + 1] - ends[b];
      for (int i = first; i < first + length; i++) {
        for (int head = 0; head < A; head++) {
          double weight[T], sum = 0;
          for (int j = 0; j < length; j++) {
            const float *q = qkv + i * 3 * H + head * D, *k = qkv + (first + j) * 3 * H + H + head * D;
            double score = 0;
            for (int d = 0; d < D; d++) score += (double)q[d] * k[d];
            weight[j] = exp(score / sqrt(D));
            sum += weight[j];
          }
          for (int d = 0; d < D; d++) {
            double mixed = 0;
            for (int j = 0; j < length; j++) mixed += weight[j] * qkv[(first + j) * 3 * H + 2 * H + head * D + d];
            out[i * H + head * D + d] = mixed / sum;
          }
        }
      }
    }
  }
}

static void mean(const int32_t *ends, const double *x, double *out) {
  for (int e = 0; e < VIEWS * B; e++) {
    int first = e / B * T + ends[e % B], length = ends[e % B + 1] - ends[e % B];
    for (int c = 0; c < H; c++) {
      double sum = 0;
      for (int i = first; i < first + length; i++) sum += x[i * H + c];
      out[e * H + c] = sum / length;
    }
  }
}

static double length_of(const double *x) {
  double squares = 0;
  for (int c = 0; c < H; c++) squares += x[c] * x[c];
  return sqrt(squares);
}

/* Sentence i of the first view belongs to sentence i of the second: returns the loss, and its gradient by query. */
static double loss_of(const double *query, const double *key, double temperature, double *d_query) {
  double loss = 0;
  for (int i = 0; i < B; i++) {
    double cosine[B], weight[B], sum = 0, d_unit[H] = {0}, along = 0;
    const double *q = query + i * H;
    for (int j = 0; j < B; j++) {
      double dot = 0;
      for (int c = 0; c < H; c++) dot += q[c] * key[j * H + c];
      cosine[j] = dot / length_of(q) / length_of(key + j * H);
      weight[j] = exp(cosine[j] / temperature);
      sum += weight[j];
    }
    loss += (log(sum) - cosine[i] / temperature) / B;
    for (int j = 0; j < B; j++) {
      double d_cosine = (weight[j] / sum - (i == j)) / temperature / B;
      for (int c = 0; c < H; c++) d_unit[c] += d_cosine * key[j * H + c] / length_of(key + j * H);
    }
    for (int c = 0; c < H; c++) along += d_unit[c] * q[c] / length_of(q);
    for (int c = 0; c < H; c++) d_query[i * H + c] = (d_unit[c] - q[c] / length_of(q) * along) / length_of(q);
  }
  return loss;
}

static void compare(const char *name, const float *x, const double *want, int count) {
  double apart = 0, size = 0;
  for (int i = 0; i < count; i++) {
    if (isnan(x[i])) apart = INFINITY;
    apart = fmax(apart, fabs(x[i] - want[i]));
    size = fmax(size, fabs(want[i]));
  }
  printf("%-10s %10.6f %10.6f ... differs from plain loops by %.1e\n", name, x[0], x[count - 1], apart / size);
  if (!(apart <= 1e-5 * size)) exit(1);
}

/* The CPU with two threads, one of them the caller's. */
static simcse_device *open_device(void) {
  simcse = simcse_get_api(SIMCSE_API_VERSION);
  if (simcse == NULL) {
    fprintf(stderr, "this libsimcse does not know version %d of the table\n", SIMCSE_API_VERSION);
    exit(1);
  }
  simcse_device *device;
  simcse_device_options options = {.struct_size = sizeof options, .threads = 2};
  check(simcse->device_open("cpu", &options, &device));
  simcse_device_properties properties = {.struct_size = sizeof properties};
  check(simcse->device_properties(device, &properties));
  printf("%s, %s: %s\n", simcse->build(), properties.name, properties.description);
  return device;
}

int main(void) {
  simcse_device *device = open_device();

  /* Sentences of 3, 1 and 4 tokens, one after the other: nothing is padded. */
  int32_t ids[T] = {101, 7592, 102, 101, 101, 2088, 999, 102}, ends[B + 1] = {0, 3, 4, 8}, samples[B] = {0, 1, 2};
  int64_t starts[B] = {0, 3, 4};
  simcse_batch batch = {.struct_size = sizeof batch, .ids = ids, .id_count = T, .starts = starts, .cu_seqlens = ends,
                        .samples = samples, .sentences = B, .tokens = T, .max_length = 4, .views = VIEWS};
  simcse_dropout none = {.keep_prob = 1.0f};

  float qkv[R * 3 * H], out[R * H];
  fill(qkv, R * 3 * H);
  simcse_attention_forward attend = {.struct_size = sizeof attend, .batch = &batch, .dtype = SIMCSE_F32, .hidden = H,
                                     .heads = A, .qkv = qkv, .dropout = none, .out = out};
  check(simcse->attention_forward(device, NULL, &attend));

  float vectors[VIEWS * B * H];
  simcse_pooling_forward pool = {.struct_size = sizeof pool, .batch = &batch, .dtype = SIMCSE_F32,
                                 .out_dtype = SIMCSE_F32, .hidden = H, .mode = SIMCSE_POOLING_MEAN, .weight = 1.0f,
                                 .x = out, .out = vectors};
  check(simcse->pooling_forward(device, NULL, &pool));

  float loss, lse[B], query_norm[B], key_norm[B], d_query[B * H], d_key[B * H];
  int32_t targets[B] = {0, 1, 2};
  simcse_contrast contrast = {.temperature = 0.05f};
  simcse_similarity_softmax_forward forward = {
      .struct_size = sizeof forward, .dtype = SIMCSE_F32, .hidden = H, .queries_count = B, .keys_count = B,
      .queries = vectors, .keys = vectors + B * H, .targets = targets, .contrast = contrast, .loss = &loss,
      .lse = lse, .query_norm = query_norm, .key_norm = key_norm};
  check(simcse->similarity_softmax_forward(device, NULL, &forward));
  simcse_similarity_softmax_backward backward = {
      .struct_size = sizeof backward, .dtype = SIMCSE_F32, .hidden = H, .queries_count = B, .keys_count = B,
      .queries = vectors, .keys = vectors + B * H, .targets = targets, .contrast = contrast, .lse = lse,
      .query_norm = query_norm, .key_norm = key_norm, .loss_scale = 1.0f, .d_queries = d_query, .d_keys = d_key};
  check(simcse->similarity_softmax_backward(device, NULL, &backward));

  double plain_out[R * H], plain_vectors[VIEWS * B * H], plain_gradient[B * H];
  attention(ends, qkv, plain_out);
  mean(ends, plain_out, plain_vectors);
  double plain_loss = loss_of(plain_vectors, plain_vectors + B * H, contrast.temperature, plain_gradient);
  compare("attention", out, plain_out, R * H);
  compare("vectors", vectors, plain_vectors, VIEWS * B * H);
  compare("loss", &loss, &plain_loss, 1);
  compare("gradient", d_query, plain_gradient, B * H);

  /* What a mistake looks like: 8 channels do not make 3 heads. */
  attend.heads = 3;
  simcse_status status = simcse->attention_forward(device, NULL, &attend);
  printf("a mistake: status %d, \"%s\"\n", (int)status, simcse->last_error());
  if (status != SIMCSE_INVALID_ARGUMENT || strstr(simcse->last_error(), "heads") == NULL) return 1;

  check(simcse->device_close(device));
  return 0;
}
