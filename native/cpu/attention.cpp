// out = dropout(softmax(q k^T / sqrt D)) v for every sentence, view and head (Vaswani et al. 2017), and its gradients,
// in tiles that are computed again for the backward pass (Dao 2023, algorithms 1 and 2): qkv (R, 3 H), out (R, H),
// lse (R, A). A head of a sentence belongs to one task, which writes all its results.
#include "attention_head.hpp"
#include "operations.hpp"

namespace simcse::cpu::SIMCSE_TIER {

// --- forward ---

struct ForwardScratch {
  float *queries;  // (D, kBlock) transposed
  float *keys;     // (kBlock, width), where bf16 is widened
  float *values;   // (kBlock, width)
  float *scores;   // (kBlock keys, kBlock queries)
  float *out;      // (kBlock, width)
  float *best;     // (kBlock), the largest score of each query so far
  float *total;    // (kBlock), the sum of exp(score - best)
  float *shrink;   // (kBlock), by how much `best` grew

  int64_t divide(char *memory, int d) {
    int64_t width = whole_vectors(d);
    Parts parts{memory};
    queries = parts.floats((int64_t)d * kBlock);
    keys = parts.floats(kBlock * width);
    values = parts.floats(kBlock * width);
    scores = parts.floats(kBlock * kBlock);
    out = parts.floats(kBlock * width);
    best = parts.floats(kBlock);
    total = parts.floats(kBlock);
    shrink = parts.floats(kBlock);
    return parts.used;
  }
};

// Turns a tile of scores into exp(scaled score - largest), dropped ones into 0, for one vector of queries, and brings
// the running sums up to date (Milakov and Gimelshein 2018). Sums are of all probabilities, dropped or not.
template <typename T>
static void softmax_column(const Head<T> &h, const ForwardScratch &s, int q0, int k0, int keys, int ld, int v) {
  float *column = s.scores + v;
  F before = load(s.best + v);
  F top[4] = {before, before, before, before};
  int j = 0;
  for (; j + 4 <= keys; j += 4) {
    for (int i = 0; i < 4; i++) top[i] = max(load(column + (j + i) * ld), top[i]);
  }
  for (; j < keys; j++) top[0] = max(load(column + j * ld), top[0]);
  F best = max(max(top[0], top[1]), max(top[2], top[3]));
  F scale = splat(h.scale);
  F total = zero();
  for (j = 0; j < keys; j += 4) {
    M keep[4];
    if (h.dropout.active) draw(h.dropout, q0 + v, (k0 + j) / 4, keep);
    int count = keys - j < 4 ? keys - j : 4;
    for (int i = 0; i < count; i++) {
      F weight = exp((load(column + (j + i) * ld) - best) * scale);
      total = total + weight;
      store(column + (j + i) * ld, h.dropout.active ? select(keep[i], weight, zero()) : weight);
    }
  }
  if (k0 > 0) {
    F shrink = exp((before - best) * scale);
    store(s.shrink + v, shrink);
    total = fma(load(s.total + v), shrink, total);
  }
  store(s.best + v, best);
  store(s.total + v, total);
}

static void shrink_rows(const ForwardScratch &s, int rows, int width) {
  for (int row = 0; row < rows; row++) {
    float *out = s.out + row * (ptrdiff_t)width;
    for (int c = 0; c < width; c += kLanes) store(out + c, load(out + c) * splat(s.shrink[row]));
  }
}

// log x for x from 1 to 2^24: a linear guess, then two of Halley's steps, which leave a twelfth of the error's cube.
SIMCSE_INLINE F log_of_sum(F x) {
  U word = as_words(x);
  F power = as_floats(shift_right<23>(word) + splat_u(kExponentOrigin - 127)) - splat(12582912.0f);
  F mantissa = as_floats((word & splat_u(0x7fffffu)) | splat_u(0x3f800000u));
  F y = fma(power + mantissa, splat(0.6931472f), splat(0.03f - 0.6931472f));
  for (int step = 0; step < 2; step++) {
    F p = exp(y);
    y = y + (x - p + x - p) / (x + p);
  }
  return y;
}

template <typename T>
static void store_block(const Head<T> &h, const ForwardScratch &s, int q0, int rows, T *out, float *lse) {
  const int width = whole_vectors(h.d);
  for (int v = 0; v < rows; v += kLanes) {
    F total = load(s.total + v);
    store(s.total + v, splat(h.dropout.scale) / total);
    if (lse) store(s.best + v, fma(load(s.best + v), splat(h.scale), log_of_sum(total)));
  }
  for (int i = 0; i < rows; i++) {
    store_row(s.out + i * (ptrdiff_t)width, h.d, s.total[i], out + h.at(q0 + i));
    if (lse) lse[h.statistic(q0 + i)] = s.best[i];
  }
}

template <typename T>
static void forward_block(const Head<T> &h, const ForwardScratch &s, int q0, T *out, float *lse) {
  const int rows = block_length(h.length, q0), ld = whole_vectors(rows), width = whole_vectors(h.d);
  load_right(h.queries(q0), rows, h.d, s.queries, ld);
  for (int i = 0; i < ld; i++) s.best[i] = -__builtin_inff();
  for (int k0 = 0; k0 < h.length; k0 += kBlock) {
    int keys = block_length(h.length, k0);
    inner_products(h.keys(k0), keys, s.queries, rows, h.d, s.scores, ld, s.keys);
    for (int v = 0; v < ld; v += kLanes) softmax_column(h, s, q0, k0, keys, ld, v);
    load_rows(h.values(k0), keys, h.d, s.values, width);
    if (k0 > 0) shrink_rows(s, rows, width);
    product({rows, h.d, keys, {s.scores, 1, ld}, s.values, width, s.out, width, k0 > 0});
  }
  store_block(h, s, q0, rows, out, lse);
}

template <typename T>
static void forward(Context &context, const simcse_attention_forward &a) {
  ForwardScratch sizes;
  const int d = a.hidden / a.heads;
  const int64_t bytes = sizes.divide(nullptr, d);
  char *memory = context.per_thread((size_t)bytes);
  for_each_head<T>(context, a, [&](const Head<T> &h, bool more, int thread) {
    ForwardScratch scratch;
    scratch.divide(memory + thread * Context::stride((size_t)bytes), d);
    if (more) fetch_next_qkv(h);
    for (int q0 = 0; q0 < h.length; q0 += kBlock) forward_block(h, scratch, q0, (T *)a.out, a.lse);
  });
}

void attention_forward(Context &context, const simcse_attention_forward &a) {
  if (a.dtype == SIMCSE_F32) forward<float>(context, a);
  else forward<bf16>(context, a);
}

// --- backward ---

struct BackwardScratch {
  float *queries;             // (kBlock, width)
  float *queries_transposed;  // (D, kBlock)
  float *d_out;               // (kBlock, width)
  float *d_out_transposed;    // (D, kBlock)
  float *keys;                // (kBlock, width)
  float *copy;                // (kBlock, width), of bf16 keys and values
  float *weights;             // (kBlock keys, kBlock queries): scores, then kept probabilities
  float *d_scores;            // (kBlock keys, kBlock queries)
  float *d_keys;              // (kBlock, width)
  float *d_values;            // (kBlock, width)
  float *d_queries;           // (length, width)
  float *lse;                 // (length)
  float *delta;               // (length), keep_prob times the row sums of d_out * out

  int64_t divide(char *memory, int d, int64_t length) {
    int64_t width = whole_vectors(d);
    Parts parts{memory};
    queries = parts.floats(kBlock * width);
    queries_transposed = parts.floats((int64_t)d * kBlock);
    d_out = parts.floats(kBlock * width);
    d_out_transposed = parts.floats((int64_t)d * kBlock);
    keys = parts.floats(kBlock * width);
    copy = parts.floats(kBlock * width);
    weights = parts.floats(kBlock * kBlock);
    d_scores = parts.floats(kBlock * kBlock);
    d_keys = parts.floats(kBlock * width);
    d_values = parts.floats(kBlock * width);
    d_queries = parts.floats(length * width);
    lse = parts.floats(length + kBlock);
    delta = parts.floats(length + kBlock);
    return parts.used;
  }
};

// What the softmax's gradient takes from every query of a block: delta = sum over d of d_out * out, which is the sum
// over keys of probability times its gradient, dropout included.
template <typename T>
static void row_statistics(const Head<T> &h, const BackwardScratch &s, const simcse_attention_backward &a, int q0,
                           int rows) {
  const int width = whole_vectors(h.d);
  for (int first = 0; first < rows; first += kLanes) {
    F sums[kLanes];
    for (int i = 0; i < kLanes; i++) {
      sums[i] = zero();
      if (first + i >= rows) continue;
      const float *d_out = s.d_out + (first + i) * (ptrdiff_t)width;
      const T *out = (const T *)a.out + h.at(q0 + first + i);
      int c = 0;
      for (; c + kLanes <= h.d; c += kLanes) sums[i] = fma(load(d_out + c), load(out + c), sums[i]);
      if (c < h.d) sums[i] = fma(load(d_out + c), load_n(out + c, h.d - c), sums[i]);
    }
    transpose(sums);
    for (int stride = kLanes / 2; stride > 0; stride /= 2) {
      for (int i = 0; i < stride; i++) sums[i] = sums[i] + sums[i + stride];
    }
    store(s.delta + q0 + first, sums[0] * splat(a.dropout.keep_prob));
    for (int i = 0; i < kLanes; i++) {
      s.lse[q0 + first + i] = first + i < rows ? a.lse[h.statistic(q0 + first + i)] : 0.0f;
    }
  }
}

// From scores and d_probabilities (the gradients of the dropped probabilities) to kept probabilities and d_scores.
// The scales 1 / keep_prob and 1 / sqrt D wait until the results are stored.
template <typename T>
static void softmax_gradient(const Head<T> &h, const BackwardScratch &s, int q0, int k0, int keys, int ld, int v) {
  F lse = load(s.lse + q0 + v), delta = load(s.delta + q0 + v), scale = splat(h.scale);
  for (int j = 0; j < keys; j += 4) {
    M keep[4];
    if (h.dropout.active) draw(h.dropout, q0 + v, (k0 + j) / 4, keep);
    int count = keys - j < 4 ? keys - j : 4;
    for (int i = 0; i < count; i++) {
      float *weight = s.weights + (j + i) * ld + v;
      float *d_score = s.d_scores + (j + i) * ld + v;
      F probability = exp(fma(load(weight), scale, zero() - lse));
      F gradient = load(d_score);
      store(weight, h.dropout.active ? select(keep[i], probability, zero()) : probability);
      if (h.dropout.active) gradient = select(keep[i], gradient, zero());
      store(d_score, probability * (gradient - delta));
    }
  }
}

template <typename T>
static void load_queries(const Head<T> &h, const BackwardScratch &s, const T *d_out, int q0, int rows) {
  const int ld = whole_vectors(rows), width = whole_vectors(h.d);
  Rows<T> upstream{d_out + h.at(q0), h.hidden};
  load_rows(h.queries(q0), rows, h.d, s.queries, width);
  load_right(h.queries(q0), rows, h.d, s.queries_transposed, ld);
  load_rows(upstream, rows, h.d, s.d_out, width);
  load_right(upstream, rows, h.d, s.d_out_transposed, ld);
}

template <typename T>
static void backward_keys(const Head<T> &h, const BackwardScratch &s, const simcse_attention_backward &a, int k0) {
  const int keys = block_length(h.length, k0), width = whole_vectors(h.d);
  load_rows(h.keys(k0), keys, h.d, s.keys, width);
  for (int q0 = 0; q0 < h.length; q0 += kBlock) {
    int rows = block_length(h.length, q0), ld = whole_vectors(rows);
    load_queries(h, s, (const T *)a.d_out, q0, rows);
    if (k0 == 0) row_statistics(h, s, a, q0, rows);
    inner_products(h.keys(k0), keys, s.queries_transposed, rows, h.d, s.weights, ld, s.copy);
    inner_products(h.values(k0), keys, s.d_out_transposed, rows, h.d, s.d_scores, ld, s.copy);
    for (int v = 0; v < ld; v += kLanes) softmax_gradient(h, s, q0, k0, keys, ld, v);
    product({keys, h.d, rows, {s.weights, ld, 1}, s.d_out, width, s.d_values, width, q0 > 0});
    product({keys, h.d, rows, {s.d_scores, ld, 1}, s.queries, width, s.d_keys, width, q0 > 0});
    float *d_queries = s.d_queries + q0 * (ptrdiff_t)width;
    product({rows, h.d, keys, {s.d_scores, 1, ld}, s.keys, width, d_queries, width, k0 > 0});
  }
}

template <typename T>
static void backward_head(const Head<T> &h, const BackwardScratch &s, const simcse_attention_backward &a) {
  const int width = whole_vectors(h.d);
  const float factor = h.scale * h.dropout.scale;
  T *d_qkv = (T *)a.d_qkv + 3 * h.row * h.hidden + h.head * (ptrdiff_t)h.d;
  for (int k0 = 0; k0 < h.length; k0 += kBlock) {
    int keys = block_length(h.length, k0);
    backward_keys(h, s, a, k0);
    T *rows = d_qkv + 3 * k0 * h.hidden;
    store_rows(s.d_keys, width, keys, h.d, factor, rows + h.hidden, 3 * h.hidden);
    store_rows(s.d_values, width, keys, h.d, h.dropout.scale, rows + 2 * h.hidden, 3 * h.hidden);
  }
  store_rows(s.d_queries, width, h.length, h.d, factor, d_qkv, 3 * h.hidden);
}

template <typename T>
static void backward(Context &context, const simcse_attention_backward &a) {
  BackwardScratch sizes;
  const int d = a.hidden / a.heads, length = longest(*a.batch);
  const int64_t bytes = sizes.divide(nullptr, d, length);
  char *memory = context.per_thread((size_t)bytes);
  for_each_head<T>(context, a, [&](const Head<T> &h, bool more, int thread) {
    BackwardScratch scratch;
    scratch.divide(memory + thread * Context::stride((size_t)bytes), d, length);
    if (more) {
      fetch_next_qkv(h);
      fetch_next<0>(h, (const T *)a.out + h.at(0), h.hidden);
      fetch_next<0>(h, (const T *)a.d_out + h.at(0), h.hidden);
    }
    backward_head(h, scratch, a);
  });
}

void attention_backward(Context &context, const simcse_attention_backward &a) {
  if (a.dtype == SIMCSE_F32) backward<float>(context, a);
  else backward<bf16>(context, a);
}

}  // namespace simcse::cpu::SIMCSE_TIER
