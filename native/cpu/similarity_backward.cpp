// Gradients of the contrastive loss: d_queries (N, H), d_keys (M, H) from the lse and the lengths of the forward pass.
//
// In panels of kPanel queries times kPanel keys: first G = d loss / d products of the panel, into shared scratch, then
// d_queries += G keys and d_keys += G^T queries. With both sums held in f32 that is 3 products of the size of the
// forward pass's one; giving each task its own rows of d_queries, then of d_keys, would take 4, as G would be made
// twice. bf16 results need sums of their own: d_queries of one panel at a time, d_keys of all keys while they fit in
// kWholeBytes. Beyond that there are two sweeps, one for each.
#include "operations.hpp"
#include "parallel.hpp"
#include "similarity_tile.hpp"

namespace simcse::cpu::SIMCSE_TIER {

constexpr int kPanel = 2048;
constexpr int64_t kWholeBytes = 64 << 20;
// Between rows of G: not a power of two, which would put a column of G into a few sets of the cache.
constexpr int kPanelStride = kPanel + 32;
// Rows and columns of a task's part of the sums.
constexpr int kSumRows = 128;
constexpr int kSumColumns = 384;

// What G is multiplied in. bf16 alone will not do: gradients are what is left of sums that nearly cancel, and errors
// came to four times those of a plain bf16 loop. Where there are bf16 products, which take half the time, G is the sum
// of two bf16 numbers; elsewhere it is f32, and so are the vectors.
template <typename T>
struct Factor {
  typedef float Type;
  static constexpr int kParts = 1;
};

#if defined(__AVX512BF16__) || defined(SIMCSE_EMULATE_AMX)
template <>
struct Factor<bf16> {
  typedef bf16 Type;
  static constexpr int kParts = 2;
};
#endif

constexpr int64_t kPart = (int64_t)kPanel * kPanelStride;

SIMCSE_INLINE void store_parts(float *to, F x, int n) { store_n(to, x, n); }

SIMCSE_INLINE void store_parts(bf16 *to, F x, int n) {
  store_n(to, x, n);
  store_n(to + kPart, x - load_n(to, n), n);
}

template <typename T>
struct Backward {
  typedef typename Factor<T>::Type G;

  Context &context;
  const simcse_similarity_softmax_backward &a;
  Vectors<T> queries, keys;
  bool sums_are_results;    // f32
  bool whole_keys;          // the sums for d_keys are of all keys
  int tile_rows;            // queries of a tile
  // shared
  T *scaled_queries;        // (kPanel, H), where they must be scaled
  T *scaled_keys;           // (kPanel, H)
  G *factor_queries;        // (kPanel, H), where G is not T
  G *factor_keys;           // (kPanel, H)
  float *query_inverse;     // (kPanel), temperature included
  float *key_inverse;       // (kPanel)
  G *gradients;             // (parts, kPanel, kPanelStride): G
  float *query_sums;        // (kPanel or N, H)
  float *key_sums;          // (kPanel or M, H)
  // per thread: a tile of logits, and what a product needs
  char *threads;
  int64_t thread_bytes;
  int64_t tile_bytes;

  Backward(Context &context, const simcse_similarity_softmax_backward &a)
      : context(context),
        a(a),
        queries(queries_of<T>(a)),
        keys(keys_of<T>(a)),
        sums_are_results(sizeof(T) == 4),
        whole_keys(sums_are_results || a.keys_count <= kWholeBytes / 4 / a.hidden),
        tile_rows(tile_queries(a.queries_count)) {}

  float *tile(int thread) const { return (float *)(threads + thread * Context::stride((size_t)thread_bytes)); }
  char *product(int thread) const { return (char *)tile(thread) + tile_bytes; }
};

template <typename T>
static void take_memory(Backward<T> *b) {
  typedef typename Backward<T>::G G;
  const int64_t hidden = b->a.hidden, n = b->queries.count, m = b->keys.count;
  const int64_t wide = sizeof(G) == sizeof(T) ? 0 : hidden * (int64_t)sizeof(G);
  const int64_t parts_of_g = (Factor<T>::kParts - 1) * kPart + smaller(n, kPanel) * kPanelStride;
  char *memory = nullptr;
  for (int pass = 0; pass < 2; pass++) {
    Parts parts{memory};
    b->scaled_queries = (T *)parts.bytes(smaller(n, kPanel) * hidden * (int64_t)sizeof(T));
    b->scaled_keys = (T *)parts.bytes(smaller(m, kPanel) * hidden * (int64_t)sizeof(T));
    b->factor_queries = (G *)parts.bytes(smaller(n, kPanel) * wide);
    b->factor_keys = (G *)parts.bytes(smaller(m, kPanel) * wide);
    b->query_inverse = parts.floats(kPanel);
    b->key_inverse = parts.floats(kPanel);
    b->gradients = (G *)parts.bytes(parts_of_g * (int64_t)sizeof(G));
    b->query_sums = b->sums_are_results ? (float *)b->a.d_queries : parts.floats(smaller(n, kPanel) * hidden);
    int64_t key_rows = b->whole_keys ? m : smaller(m, kPanel);
    b->key_sums = b->sums_are_results ? (float *)b->a.d_keys : parts.floats(key_rows * hidden);
    if (pass == 0) memory = b->context.shared((size_t)parts.used);
  }
  b->tile_bytes = (int64_t)b->tile_rows * kTileKeys * 4;
  int64_t logits = gemm_core_scratch(b->tile_rows, kTileKeys, hidden, sizeof(T) == 2);
  int64_t sums = gemm_core_scratch(kSumRows, smaller(kSumColumns, hidden), kPanel, sizeof(G) == 2);
  b->thread_bytes = b->tile_bytes + (logits > sums ? logits : sums);
  b->threads = b->context.per_thread((size_t)b->thread_bytes);
}

// Queries i0 .. and keys j0 .., as products for logits take them and as products with G do.
template <typename T>
struct Panel {
  typedef typename Backward<T>::G G;
  int64_t i0, j0;
  int64_t rows, columns;
  const T *queries;
  const T *keys;
  const G *factor_queries;
  const G *factor_keys;
};

template <typename T, typename To>
static const To *scaled_rows(Context &context, const Vectors<T> &v, int64_t start, int64_t count, To *copy) {
  parallel(context, count, [&](int64_t i, int) { copy_scaled(v, start + i, copy + i * v.hidden); });
  return copy;
}

template <typename T>
static const T *panel_rows(Context &context, const Vectors<T> &v, int64_t start, int64_t count, T *copy) {
  return all_usable(v, start, count) ? v.rows + start * v.hidden : scaled_rows(context, v, start, count, copy);
}

template <typename T>
static const T *factor_rows(Context &, const Vectors<T> &, int64_t, int64_t, const T *rows, T *) {
  return rows;
}

[[maybe_unused]] static const float *factor_rows(Context &context, const Vectors<bf16> &v, int64_t start, int64_t count,
                                                 const bf16 *, float *copy) {
  return scaled_rows(context, v, start, count, copy);
}

// A row of G from a row of products. The factor 1 / (length of query * length of key * temperature) is the derivative
// of a logit by its product.
template <typename T>
static void gradient_row(const Backward<T> &b, const LogitRow &row, float query_inverse, const float *key_inverse,
                         typename Backward<T>::G *to) {
  logits(b.a.contrast, row, query_inverse, key_inverse);
  const float mean = b.a.loss_scale / (float)b.queries.count;
  F lse = splat(b.a.lse[row.i]), factor = splat(mean * query_inverse);
  int64_t target = b.a.targets[row.i] - row.j0;
  bool here = target >= 0 && target < row.columns;
  float target_logit = here ? row.at[target] : 0.0f;
  for (int j = 0; j < row.columns; j += kLanes) {
    F probability = exp(load(row.at + j) - lse);
    store_parts(to + j, probability * (factor * load(key_inverse + j)), smaller(kLanes, row.columns - j));
  }
  if (here) {
    F probability = exp(splat(target_logit) - lse);
    store_parts(to + target, (probability - splat(1.0f)) * (factor * splat(key_inverse[target])), 1);
  }
}

template <typename T>
static void panel_gradients(Backward<T> &b, const Panel<T> &p) {
  const int64_t across = blocks_of(p.columns, kTileKeys);
  parallel(b.context, blocks_of(p.rows, b.tile_rows) * across, [&](int64_t task, int thread) {
    const int64_t i0 = task / across * b.tile_rows, j0 = task % across * kTileKeys;
    const int64_t rows = smaller(b.tile_rows, p.rows - i0), columns = smaller(kTileKeys, p.columns - j0);
    float *tile = b.tile(thread);
    products(p.queries + i0 * b.a.hidden, rows, p.keys + j0 * b.a.hidden, columns, b.a.hidden, tile,
             b.product(thread));
    for (int64_t i = 0; i < rows; i++) {
      LogitRow row{tile + i * kTileKeys, p.i0 + i0 + i, p.j0 + j0, (int)columns};
      gradient_row(b, row, b.query_inverse[i0 + i], b.key_inverse + j0, b.gradients + (i0 + i) * kPanelStride + j0);
    }
  });
}

// A part of the sums: rows from `row`, columns from `column` on, = or += G vectors, or G^T vectors.
template <typename T>
struct SumPart {
  bool transpose;
  bool accumulate;
  int64_t row, column;
  int64_t height, depth;  // of G, or of G^T
  const typename Backward<T>::G *vectors;
  float *sums;
};

template <typename T>
static void add_products(const Backward<T> &b, const SumPart<T> &part, char *scratch) {
  const int64_t hidden = b.a.hidden;
  GemmCore product;
  product.bf16_operands = sizeof(typename Backward<T>::G) == 2;
  product.transpose_a = part.transpose;
  product.transpose_b = false;
  product.m = smaller(kSumRows, part.height - part.row);
  product.n = smaller(kSumColumns, hidden - part.column);
  product.k = part.depth;
  product.lda = kPanelStride;
  product.b = part.vectors + part.column;
  product.ldb = hidden;
  product.c = part.sums + part.row * hidden + part.column;
  product.ldc = hidden;
  for (int i = 0; i < Factor<T>::kParts; i++) {
    product.accumulate = part.accumulate || i > 0;
    product.a = b.gradients + i * kPart + (part.transpose ? part.row : part.row * kPanelStride);
    gemm_core(product, scratch);
  }
}

template <typename T>
static void panel_sums(const Backward<T> &b, const Panel<T> &p, bool for_queries, bool for_keys) {
  float *query_sums = b.query_sums + (b.sums_are_results ? p.i0 * b.a.hidden : 0);
  float *key_sums = b.key_sums + (b.whole_keys ? p.j0 * b.a.hidden : 0);
  const int64_t across = blocks_of(b.a.hidden, kSumColumns);
  const int64_t query_tasks = for_queries ? blocks_of(p.rows, kSumRows) * across : 0;
  const int64_t key_tasks = for_keys ? blocks_of(p.columns, kSumRows) * across : 0;
  parallel(b.context, query_tasks + key_tasks, [&](int64_t task, int thread) {
    bool of_keys = task >= query_tasks;
    int64_t block = of_keys ? task - query_tasks : task;
    int64_t row = block / across * kSumRows, column = block % across * kSumColumns;
    SumPart<T> part =
        of_keys ? SumPart<T>{true, p.i0 > 0, row, column, p.columns, p.rows, p.factor_queries, key_sums}
                : SumPart<T>{false, p.j0 > 0, row, column, p.rows, p.columns, p.factor_keys, query_sums};
    add_products(b, part, b.product(thread));
  });
}

template <typename T>
static void panel(Backward<T> &b, int64_t i0, int64_t j0, bool for_queries, bool for_keys) {
  Panel<T> p;
  p.i0 = i0;
  p.j0 = j0;
  p.rows = smaller(kPanel, b.queries.count - i0);
  p.columns = smaller(kPanel, b.keys.count - j0);
  p.queries = panel_rows(b.context, b.queries, i0, p.rows, b.scaled_queries);
  p.keys = panel_rows(b.context, b.keys, j0, p.columns, b.scaled_keys);
  p.factor_queries = factor_rows(b.context, b.queries, i0, p.rows, p.queries, b.factor_queries);
  p.factor_keys = factor_rows(b.context, b.keys, j0, p.columns, p.keys, b.factor_keys);
  inverse_lengths(b.queries, i0, p.rows, 1.0f / b.a.contrast.temperature, b.query_inverse);
  inverse_lengths(b.keys, j0, p.columns, 1.0f, b.key_inverse);
  panel_gradients(b, p);
  panel_sums(b, p, for_queries, for_keys);
}

// From the sum x over G times vectors to the gradient of the vector v itself: what lies along v changes its length, not
// its direction, and is taken away. With v' = factor v: factor (x - v' (v' . x) / |v'|^2), where |v'|^2 is summed as
// v' . x is, so that what should cancel does. May work in place.
template <typename T>
static void through_normalisation(const Vectors<T> &v, int64_t row, const float *x, T *to) {
  const float scale = scale_of(v.norms[row]).factor;
  const T *vector = v.rows + row * v.hidden;
  F products = zero(), squares = zero(), factor = splat(scale);
  for (int c = 0; c < v.hidden; c += kLanes) {
    int width = smaller(kLanes, v.hidden - c);
    F value = load_n(vector + c, width) * factor;
    products = fma(value, load_n(x + c, width), products);
    squares = fma(value, value, squares);
  }
  const bool none = v.norms[row] == 0.0f;
  F along = splat(none ? 0.0f : sum(products) / sum(squares));
  F keep = splat(none ? 0.0f : scale);
  for (int c = 0; c < v.hidden; c += kLanes) {
    int width = smaller(kLanes, v.hidden - c);
    F across = load_n(x + c, width) - load_n(vector + c, width) * factor * along;
    store_n(to + c, across * keep, width);
  }
}

template <typename T>
static void finish(Context &context, const Vectors<T> &v, int64_t start, int64_t count, const float *sums, void *to) {
  const int together = 32;
  parallel(context, blocks_of(count, together), [&](int64_t task, int) {
    int64_t end = smaller(count, (task + 1) * together);
    for (int64_t i = task * together; i < end; i++) {
      through_normalisation(v, start + i, sums + i * v.hidden, (T *)to + (start + i) * v.hidden);
    }
  });
}

template <typename T>
static void backward(Context &context, const simcse_similarity_softmax_backward &a) {
  const int64_t n = a.queries_count, m = a.keys_count, hidden = a.hidden;
  Backward<T> b(context, a);
  take_memory(&b);
  for (int64_t i0 = 0; i0 < n; i0 += kPanel) {
    for (int64_t j0 = 0; j0 < m; j0 += kPanel) panel(b, i0, j0, true, b.whole_keys);
    const float *sums = b.query_sums + (b.sums_are_results ? i0 * hidden : 0);
    finish(context, b.queries, i0, smaller(kPanel, n - i0), sums, a.d_queries);
  }
  if (b.whole_keys) return finish(context, b.keys, 0, m, b.key_sums, a.d_keys);
  for (int64_t j0 = 0; j0 < m; j0 += kPanel) {
    for (int64_t i0 = 0; i0 < n; i0 += kPanel) panel(b, i0, j0, false, true);
    finish(context, b.keys, j0, smaller(kPanel, m - j0), b.key_sums, a.d_keys);
  }
}

void similarity_softmax_backward(Context &context, const simcse_similarity_softmax_backward &a) {
  if (a.dtype == SIMCSE_F32) backward<float>(context, a);
  else backward<bf16>(context, a);
}

}  // namespace simcse::cpu::SIMCSE_TIER
