// InfoNCE over cosine similarities (van den Oord et al. 2018; Gao et al. 2021, equation 1) of queries (N, H) and keys
// (M, H): loss, lse (N) and the lengths of all vectors. The N x M logits are made tile by tile and never stored; their
// gradients are in similarity_backward.cpp.
#include "operations.hpp"
#include "parallel.hpp"
#include "similarity_tile.hpp"

namespace simcse::cpu::SIMCSE_TIER {

template <typename T>
struct ForwardTile {
  float *logits;         // (tile queries, kTileKeys)
  T *queries;            // (tile queries, H), where they must be scaled
  T *keys;               // (kTileKeys, H), where they must be scaled
  float *query_inverse;  // (tile queries), temperature included
  float *key_inverse;    // (kTileKeys)
  float *target_logit;   // (tile queries)
  RunningSum *running;   // (tile queries)
  char *product;

  int64_t divide(char *memory, int rows, int hidden) {
    Parts parts{memory};
    logits = parts.floats((int64_t)rows * kTileKeys);
    queries = (T *)parts.bytes((int64_t)rows * hidden * sizeof(T));
    keys = (T *)parts.bytes((int64_t)kTileKeys * hidden * sizeof(T));
    query_inverse = parts.floats(rows);
    key_inverse = parts.floats(kTileKeys);
    target_logit = parts.floats(rows);
    running = (RunningSum *)parts.bytes(rows * sizeof(RunningSum));
    product = parts.bytes(gemm_core_scratch(rows, kTileKeys, hidden, sizeof(T) == 2));
    return parts.used;
  }
};

// Loss and log-sum-exp of queries i0 .. i0 + rows - 1; returns the sum of their losses.
template <typename T>
static double forward_queries(const simcse_similarity_softmax_forward &a, const ForwardTile<T> &tile, int64_t i0,
                              int64_t rows) {
  const Vectors<T> queries = queries_of<T>(a), keys = keys_of<T>(a);
  const T *left = usable_rows(queries, i0, rows, tile.queries);
  inverse_lengths(queries, i0, rows, 1.0f / a.contrast.temperature, tile.query_inverse);
  for (int64_t i = 0; i < rows; i++) tile.running[i] = {-__builtin_inff(), 0.0f};
  for (int64_t j0 = 0; j0 < keys.count; j0 += kTileKeys) {
    const int64_t columns = smaller(kTileKeys, keys.count - j0);
    products(left, rows, usable_rows(keys, j0, columns, tile.keys), columns, a.hidden, tile.logits, tile.product);
    inverse_lengths(keys, j0, columns, 1.0f, tile.key_inverse);
    for (int64_t i = 0; i < rows; i++) {
      LogitRow row{tile.logits + i * kTileKeys, i0 + i, j0, (int)columns};
      logits(a.contrast, row, tile.query_inverse[i], tile.key_inverse);
      add_to(&tile.running[i], row);
      int64_t target = a.targets[i0 + i] - j0;
      if (target >= 0 && target < columns) tile.target_logit[i] = row.at[target];
    }
  }
  double losses = 0;
  for (int64_t i = 0; i < rows; i++) {
    RunningSum sum = tile.running[i];
    // Not lse - target: lse is of the size 1 / temperature, and rounding it would cost the digits of a small loss.
    double rest = __builtin_log(sum.total);
    a.lse[i0 + i] = (float)(sum.best + rest);
    losses += (sum.best - tile.target_logit[i]) + rest;
  }
  return losses;
}

template <typename T>
static void lengths(Context &context, const T *rows, int64_t count, int hidden, float *norms) {
  const int together = 64;
  parallel(context, blocks_of(count, together), [&](int64_t task, int) {
    int64_t end = smaller(count, (task + 1) * together);
    for (int64_t i = task * together; i < end; i++) norms[i] = length_of(rows + i * hidden, hidden);
  });
}

template <typename T>
static void forward(Context &context, const simcse_similarity_softmax_forward &a) {
  const int rows = tile_queries(a.queries_count);
  const int64_t tasks = blocks_of(a.queries_count, rows);
  ForwardTile<T> sizes;
  const int64_t bytes = sizes.divide(nullptr, rows, a.hidden);
  char *memory = context.per_thread((size_t)bytes);
  double *losses = (double *)context.shared((size_t)tasks * sizeof(double));
  lengths(context, (const T *)a.queries, a.queries_count, a.hidden, a.query_norm);
  lengths(context, (const T *)a.keys, a.keys_count, a.hidden, a.key_norm);
  parallel(context, tasks, [&](int64_t task, int thread) {
    ForwardTile<T> tile;
    tile.divide(memory + thread * Context::stride((size_t)bytes), rows, a.hidden);
    int64_t i0 = task * rows;
    losses[task] = forward_queries(a, tile, i0, smaller(rows, a.queries_count - i0));
  });
  double total = 0;
  for (int64_t task = 0; task < tasks; task++) total += losses[task];
  *a.loss = (float)(total / (double)a.queries_count);
}

void similarity_softmax_forward(Context &context, const simcse_similarity_softmax_forward &a) {
  if (a.dtype == SIMCSE_F32) forward<float>(context, a);
  else forward<bf16>(context, a);
}

}  // namespace simcse::cpu::SIMCSE_TIER
