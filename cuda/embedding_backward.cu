// Backward: a warp a token, and blocks that add up d_gamma and d_beta over the tokens they take.
#include "embedding.hpp"
#include "embedding_row.hpp"
#include "embedding_words.hpp"
#include "partial_sums.hpp"
#include "philox.hpp"
#include "row_parts.hpp"

namespace simcse::cuda {

namespace {

constexpr char kName[] = "embedding_backward";
constexpr int kWarps = 8;
constexpr int kParts = 256;  // at most

template <typename T>
struct Backward {
  Batch batch;
  Tables<T> tables;
  Dropout dropout;
  int hidden;
  float inverse_hidden;
  const float *mean, *rstd, *gamma;
  const T *d_out;
  float *d_sum;     // (T, H)
  int32_t *ids;     // (T)
  float *partials;  // (blocks, 2, H), of d_gamma and d_beta
};

// The gradients of a token under its views, through their masks, in one.
template <int N, typename T>
SIMT_DEVICE void sum_views(const Backward<T> &a, const RowName &name, int token, int c, float (&d)[N]) {
  SIMT_UNROLL for (int k = 0; k < N; k++) d[k] = 0.0f;
  for (int view = 0; view < a.batch.views; view++) {
    Pack<T, N> pack;
    float x[N];
    pack.load(a.d_out + ((int64_t)view * a.batch.tokens + token) * a.hidden + c);
    pack.get(x);
    uint32_t words[N];
    mask_words(a.dropout, mask_row(a.dropout, name.position, name.sample, name.view + (uint32_t)view), c, words);
    SIMT_UNROLL for (int k = 0; k < N; k++) {
      d[k] = words[k] < a.dropout.threshold ? fmaf(x[k], a.dropout.scale, d[k]) : d[k];
    }
  }
}

// d(sum) = rstd (g - mean(g) - y mean(g y)) with y = (sum - mean) rstd and g = d gamma.
template <typename T, int N, int kPasses>
SIMT_KERNEL(kWarps *kWarp, 1) backward(Backward<T> a) {
  const int passes = passes_of<N, kPasses>(a.hidden);
  float parts[2][kHeld<kPasses>][N] = {};
  for (int token = block_x() * kWarps + warp(); token < a.batch.tokens; token += grid_x() * kWarps) {
    const TokenRows<T> rows = rows_of_token(a.batch, a.tables, a.hidden, token);
    const float mean = a.mean[token];
    const float rstd = a.rstd[token];
    float *const d_sum = a.d_sum + (int64_t)token * a.hidden;
    if (lane() == 0) a.ids[token] = rows.id;
    float gradients[kHeld<kPasses>][N], sums[kHeld<kPasses>][N];
    float of_g = 0.0f, of_g_y = 0.0f;
    SIMT_UNROLL for (int i = 0; i < passes; i++) {
      const int c = column<N>(i);
      if (c >= a.hidden) continue;
      const int h = held<kPasses>(i);
      float(&d)[N] = gradients[h];
      float(&y)[N] = sums[h];
      sum_views(a, rows.name, token, c, d);
      rows.template sum<N>(y, c);
      float gamma[N];
      load_floats(gamma, a.gamma + c);
      SIMT_UNROLL for (int k = 0; k < N; k++) {
        y[k] = (y[k] - mean) * rstd;
        if constexpr (kPasses > 0) {
          parts[0][h][k] = fmaf(d[k], y[k], parts[0][h][k]);
          parts[1][h][k] += d[k];
        }
        d[k] *= gamma[k];
        of_g += d[k];
        of_g_y = fmaf(d[k], y[k], of_g_y);
      }
      if constexpr (kPasses == 0) store_floats(d_sum + c, d);
    }
    const float mean_g = warp_sum(of_g) * a.inverse_hidden;
    const float mean_g_y = warp_sum(of_g_y) * a.inverse_hidden;
    SIMT_UNROLL for (int i = 0; i < passes; i++) {
      const int c = column<N>(i);
      if (c >= a.hidden) continue;
      float(&d)[N] = gradients[held<kPasses>(i)];
      float(&y)[N] = sums[held<kPasses>(i)];
      if constexpr (kPasses == 0) {
        load_floats(d, d_sum + c);
        rows.template sum<N>(y, c);
        SIMT_UNROLL for (int k = 0; k < N; k++) y[k] = (y[k] - mean) * rstd;
      }
      SIMT_UNROLL for (int k = 0; k < N; k++) d[k] = rstd * (d[k] - mean_g - y[k] * mean_g_y);
      store_floats(d_sum + c, d);
    }
  }
  if constexpr (kPasses > 0) {
    store_parts<kWarps>(parts, a.hidden, a.partials + (int64_t)block_x() * 2 * a.hidden);
  }
}

struct BackwardKernels {
  template <typename T, int N, int kPasses>
  static auto kernel() {
    return &backward<T, N, kPasses>;
  }
};

// The parts of d_gamma and d_beta where rows are too wide for registers: a block takes 32 columns and every grid_y()-th
// group of kWarps tokens, a lane a column.
template <typename T>
SIMT_KERNEL(kWarps *kWarp, 1) column_parts(Backward<T> a) {
  using Columns = float[2][kWarp];
  SIMT_SHARED(Columns, sums, kWarps);
  const int c = block_x() * kWarp + lane();
  float d_gamma = 0.0f, d_beta = 0.0f;
  for (int token = block_y() * kWarps + warp(); token < a.batch.tokens; token += grid_y() * kWarps) {
    const TokenRows<T> rows = rows_of_token(a.batch, a.tables, a.hidden, token);
    if (c >= a.hidden) continue;
    float d[1], x[1];
    sum_views(a, rows.name, token, c, d);
    rows.template sum<1>(x, c);
    d_gamma = fmaf(d[0], (x[0] - a.mean[token]) * a.rstd[token], d_gamma);
    d_beta += d[0];
  }
  sums[warp()][0][lane()] = d_gamma;
  sums[warp()][1][lane()] = d_beta;
  sync_block();
  if (warp() >= 2 || c >= a.hidden) return;
  float sum = sums[0][warp()][lane()];
  SIMT_UNROLL for (int i = 1; i < kWarps; i++) sum += sums[i][warp()][lane()];
  a.partials[((int64_t)block_y() * 2 + warp()) * a.hidden + c] = sum;
}

int parts_of(int64_t tokens) {
  const int64_t blocks = ceil_divide(tokens, kWarps);
  return (int)(blocks < kParts ? blocks : kParts);
}

template <typename T>
Fault launch_backward(const Queue &queue, const simcse_embedding_backward &args) {
  const EmbeddingMemory memory = embedding_memory(*args.batch, args.hidden, args.vocabulary);
  char *const scratch = static_cast<char *>(queue.scratch);
  float *const partials = reinterpret_cast<float *>(scratch + memory.partials);
  const int parts = parts_of(args.batch->tokens);
  const bool aligned = aligned16(args.word, args.position, args.type, args.norm.gamma, args.d_out);
  const RowPlan plan = row_plan(args.dtype, args.hidden, aligned);
  const Backward<T> arguments = {
      device_batch(*args.batch),
      {static_cast<const T *>(args.word), static_cast<const T *>(args.position), static_cast<const T *>(args.type)},
      device_dropout(args.dropout),
      args.hidden,
      1.0f / (float)args.hidden,
      args.mean,
      args.rstd,
      args.norm.gamma,
      static_cast<const T *>(args.d_out),
      reinterpret_cast<float *>(scratch + memory.d_sum),
      reinterpret_cast<int32_t *>(scratch + memory.ids),
      partials};
  Fault fault = launch(kName, row_kernel<BackwardKernels, T>(plan),
                       embedding_backward_geometry(args.batch->tokens, args.hidden, plan.passes), queue.stream,
                       arguments);
  if (fault == 0 && plan.passes == 0) {
    Geometry geometry;
    geometry.x = (unsigned)ceil_divide(args.hidden, kWarp);
    geometry.y = (unsigned)parts;
    geometry.threads = kWarps * kWarp;
    fault = launch(kName, column_parts<T>, geometry, queue.stream, arguments);
  }
  if (fault == 0) fault = add_partials(queue, partials, parts, args.hidden, args.d_gamma, args.d_beta);
  if (fault == 0) fault = add_to_positions(queue, args, memory);
  if (fault == 0) fault = add_to_words(queue, args, memory);
  return fault;
}

}  // namespace

Geometry embedding_backward_geometry(int64_t tokens, int hidden, int passes) {
  Geometry geometry;
  geometry.x = passes > 0 ? (unsigned)parts_of(tokens) : (unsigned)ceil_divide(tokens, kWarps);
  geometry.threads = kWarps * kWarp;
  if (passes > 0) geometry.shared = row_parts_shared(kWarps, 2, hidden);
  return geometry;
}

EmbeddingMemory embedding_memory(const simcse_batch &batch, int hidden, int vocabulary) {
  EmbeddingMemory m = {};
  const auto take = [&m](int64_t count) {
    const int64_t at = m.bytes;
    m.bytes += round_up(count * 4, 256);
    return at;
  };
  const int64_t tokens = batch.tokens;
  const int64_t places = round_up(tokens, kSortedTokens);
  m.d_sum = take(tokens * hidden);
  m.ids = take(tokens);
  m.partials = take((int64_t)parts_of(tokens) * 2 * hidden);
  m.positions = take((int64_t)embedding_position_parts(batch.sentences) * batch.max_length * hidden);
  m.sorted = take(places);
  m.sorted_ids = take(places);
  m.next = take(places > kSortedTokens ? tokens : 0);
  m.heads = take(places > kSortedTokens ? tokens : 0);
  m.last = take(places > kSortedTokens ? vocabulary : 0);
  return m;
}

int64_t embedding_backward_scratch(const simcse_batch &batch, int hidden, int vocabulary) {
  return embedding_memory(batch, hidden, vocabulary).bytes;
}

Fault embedding_backward(const Queue &queue, const simcse_embedding_backward &args) {
  return args.dtype == SIMCSE_BF16 ? launch_backward<bf16>(queue, args) : launch_backward<float>(queue, args);
}

}  // namespace simcse::cuda
