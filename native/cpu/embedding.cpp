// out = dropout(layer_norm(word[id] + position[p] + type[0])), BERT's input (Devlin et al. 2019), and its gradients.
// A token's sum and its normalisation are the same under every view: they are computed once and written out R / T
// times under masks of their own.
#include "norm_row.hpp"
#include "operations.hpp"

namespace simcse::cpu::SIMCSE_TIER {

// sum = the three rows of a token, in float; returns the sum of its elements.
template <typename T, typename Arguments>
SIMCSE_INLINE float look_up(const Arguments &a, const RowCursor &token, float *sum) {
  const T *word = (const T *)a.word + (int64_t)token.id() * a.hidden;
  const T *position = (const T *)a.position + (int64_t)token.position() * a.hidden;
  const T *type = (const T *)a.type;
  BlockSums total;
  each_vector(a.hidden, [&](int c, int n, int j) __attribute__((always_inline)) {
    F x = load_at(word + c, n) + load_at(position + c, n) + load_at(type + c, n);
    store_at(sum + c, x, n);
    total.of[j] = total.of[j] + x;
  });
  return total.total();
}

template <typename T>
static void forward(Context &context, const simcse_embedding_forward &a) {
  const HiddenDropout dropout(a.dropout);
  const simcse_batch &batch = *a.batch;
  const int hidden = a.hidden;
  const Chunks chunks(batch.tokens);
  const size_t bytes = (size_t)hidden * sizeof(float);
  char *scratch = context.per_thread(bytes);
  parallel(context, chunks.count, [&](int64_t task, int thread) {
    float *row = (float *)(scratch + (size_t)thread * Context::stride(bytes));
    RowCursor cursor(batch, chunks.begin(task));
    for (int64_t t = chunks.begin(task); t < chunks.end(task); t++, cursor.next()) {
      float sum = look_up<T>(a, cursor, row);
      RowNorm norm = measure(row, hidden, sum, a.norm.epsilon);
      a.mean[t] = norm.mean;
      a.rstd[t] = norm.rstd;
      normalise(row, hidden, norm, a.norm, row);
      for (int v = 0; v < batch.views; v++) {
        T *out = (T *)a.out + ((int64_t)v * batch.tokens + t) * hidden;
        each_masked_vector(hidden, dropout, cursor.mask_row(v), [&](int c, int n, int, F factor)
                           __attribute__((always_inline)) { store_at(out + c, load_at(row + c, n) * factor, n); });
      }
    }
  });
}

// The gradients of all rows that a token has under its views, through their masks, in one.
template <typename T>
SIMCSE_INLINE void sum_views(const simcse_embedding_backward &a, int64_t token, const RowCursor &cursor,
                             const HiddenDropout &dropout, float *d_normalised) {
  const simcse_batch &batch = *a.batch;
  for (int v = 0; v < batch.views; v++) {
    const T *d_out = (const T *)a.d_out + ((int64_t)v * batch.tokens + token) * a.hidden;
    each_masked_vector(a.hidden, dropout, cursor.mask_row(v), [&](int c, int n, int, F factor)
                       __attribute__((always_inline)) {
      F before = v == 0 ? zero() : load_at(d_normalised + c, n);
      store_at(d_normalised + c, fma(load_at(d_out + c, n), factor, before), n);
    });
  }
}

// d(sum) of every token (T, H), and a chunk's sums of d_gamma, d_beta and d_type (chunks, 3 stride).
template <typename T>
static void gradients_of_sums(Context &context, const simcse_embedding_backward &a, const Chunks &chunks,
                              int64_t stride, float *d_sum, float *partials) {
  const HiddenDropout dropout(a.dropout);
  const int hidden = a.hidden;
  const size_t bytes = (size_t)hidden * sizeof(float);
  char *scratch = context.per_thread(bytes);
  parallel(context, chunks.count, [&](int64_t task, int thread) {
    float *row = (float *)(scratch + (size_t)thread * Context::stride(bytes));
    float *d_gamma = partials + task * 3 * stride;
    float *d_beta = d_gamma + stride;
    float *d_type = d_beta + stride;
    memset(d_gamma, 0, (size_t)(3 * stride) * sizeof(float));
    RowCursor cursor(*a.batch, chunks.begin(task));
    for (int64_t t = chunks.begin(task); t < chunks.end(task); t++, cursor.next()) {
      float *d = d_sum + t * hidden;
      const RowNorm norm = {a.mean[t], a.rstd[t]};
      sum_views<T>(a, t, cursor, dropout, d);
      look_up<T>(a, cursor, row);
      RowMeans means = gradient_means(d, row, hidden, norm, a.norm.gamma, d_gamma, d_beta);
      each_vector(hidden, [&](int c, int n, int) __attribute__((always_inline)) {
        F g = gradient(load_at(d + c, n), load_at(row + c, n), load_at(a.norm.gamma + c, n), norm, means);
        store_at(d + c, g, n);
        store_at(d_type + c, g + load_at(d_type + c, n), n);
      });
    }
  });
}

SIMCSE_INLINE void add_row(const float *row, int hidden, float *to) {
  each_vector(hidden, [&](int c, int n, int) __attribute__((always_inline)) {
    store_at(to + c, load_at(to + c, n) + load_at(row + c, n), n);
  });
}

struct TokenOfId {
  uint32_t id;
  int32_t token;
};

// All tokens by id, those of equal ids in token order: a radix sort, 11 bits at a time, which keeps the order that it
// finds. Returns whichever of the two arrays (T) the result is in.
static TokenOfId *sort_by_id(const simcse_batch &batch, int32_t vocabulary, TokenOfId *tokens, TokenOfId *other) {
  constexpr int kBits = 11;
  for (int32_t b = 0; b < batch.sentences; b++) {
    const int32_t first = batch.cu_seqlens[b];
    for (int32_t t = first; t < batch.cu_seqlens[b + 1]; t++) {
      tokens[t] = {(uint32_t)batch.ids[batch.starts[b] + t - first], t};
    }
  }
  for (int shift = 0; shift < 31 && (uint32_t)(vocabulary - 1) >> shift != 0; shift += kBits) {
    int32_t places[1 << kBits] = {};
    for (int32_t t = 0; t < batch.tokens; t++) places[tokens[t].id >> shift & ((1 << kBits) - 1)]++;
    int32_t place = 0;
    for (int32_t &start : places) {
      int32_t count = start;
      start = place;
      place += count;
    }
    for (int32_t t = 0; t < batch.tokens; t++) other[places[tokens[t].id >> shift & ((1 << kBits) - 1)]++] = tokens[t];
    TokenOfId *sorted = other;
    other = tokens;
    tokens = sorted;
  }
  return tokens;
}

// d_word[id] += the tokens of this id. A task has the ids whose first token lies in its part of the sorted tokens.
static void add_to_words(Context &context, const simcse_embedding_backward &a, const TokenOfId *tokens,
                         const float *d_sum) {
  const int64_t count = a.batch->tokens;
  constexpr int64_t kPart = 32;
  parallel(context, (count + kPart - 1) / kPart, [&](int64_t task, int) {
    int64_t i = task * kPart;
    int64_t end = i + kPart < count ? i + kPart : count;
    while (i < end && i > 0 && tokens[i].id == tokens[i - 1].id) i++;
    if (i == end) return;
    for (; i < count && (i < end || tokens[i].id == tokens[i - 1].id); i++) {
      add_row(d_sum + (int64_t)tokens[i].token * a.hidden, a.hidden, a.d_word + (int64_t)tokens[i].id * a.hidden);
    }
  });
}

// d_position[p] += the tokens at position p, sentence by sentence.
static void add_to_positions(Context &context, const simcse_embedding_backward &a, const float *d_sum) {
  const simcse_batch &batch = *a.batch;
  parallel(context, batch.max_length, [&](int64_t p, int) {
    for (int32_t b = 0; b < batch.sentences; b++) {
      int64_t token = batch.cu_seqlens[b] + p;
      if (token < batch.cu_seqlens[b + 1]) add_row(d_sum + token * a.hidden, a.hidden, a.d_position + p * a.hidden);
    }
  });
}

template <typename T>
static void backward(Context &context, const simcse_embedding_backward &a) {
  const int64_t tokens = a.batch->tokens;
  const Chunks chunks(tokens);
  const int64_t stride = partial_stride(a.hidden);
  const int64_t floats = partial_stride(tokens * a.hidden) + chunks.count * 3 * stride;
  float *d_sum = (float *)context.shared((size_t)floats * sizeof(float) + 2 * (size_t)tokens * sizeof(TokenOfId));
  float *partials = d_sum + partial_stride(tokens * a.hidden);
  TokenOfId *pairs = (TokenOfId *)(d_sum + floats);
  gradients_of_sums<T>(context, a, chunks, stride, d_sum, partials);
  add_partials(partials, chunks.count, 3 * stride, a.hidden, a.d_gamma);
  add_partials(partials + stride, chunks.count, 3 * stride, a.hidden, a.d_beta);
  add_partials(partials + 2 * stride, chunks.count, 3 * stride, a.hidden, a.d_type);
  add_to_words(context, a, sort_by_id(*a.batch, a.vocabulary, pairs, pairs + tokens), d_sum);
  add_to_positions(context, a, d_sum);
}

void embedding_forward(Context &context, const simcse_embedding_forward &a) {
  a.dtype == SIMCSE_BF16 ? forward<bf16>(context, a) : forward<float>(context, a);
}

void embedding_backward(Context &context, const simcse_embedding_backward &a) {
  a.dtype == SIMCSE_BF16 ? backward<bf16>(context, a) : backward<float>(context, a);
}

}  // namespace simcse::cpu::SIMCSE_TIER
