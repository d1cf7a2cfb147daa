// Gradients of the contrastive loss: d_queries (N, H), d_keys (M, H) from the log-sum-exps and the lengths of the
// forward pass.
//
// In panels of rows times columns of a block: first G = d loss / d products of the panel, into shared scratch, then
// d_queries += G keys and d_keys += G^T queries. With both sums held in f32 that is 3 products of the size of the
// forward pass's one; giving each task its own rows of d_queries, then of d_keys, would take 4, as G would be made
// twice. bf16 results need sums of their own: d_queries of one panel at a time, d_keys of all keys while they fit in
// kWholeBytes. Beyond that there are two sweeps, one for each. Between vectors of one side G is symmetric, and its
// product with them is all.
#include "operations.hpp"
#include "similarity_terms.hpp"

namespace simcse::cpu::SIMCSE_TIER {

constexpr int64_t kWholeBytes = 16 << 20;
// Rows and columns of a task's part of the sums.
constexpr int kSumRows = 128;
constexpr int kSumColumns = 256;

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

SIMCSE_INLINE void store_parts(float *to, F x, int n, int64_t) { store_n(to, x, n); }

SIMCSE_INLINE void store_parts(bf16 *to, F x, int n, int64_t part) {
  store_n(to, x, n);
  store_n(to + part, x - load_n(to, n), n);
}

// Products of two sides, and the log-sum-exps of their anchors.
template <typename T>
struct BackwardBlock {
  Pairing pairing;
  Vectors<T> rows, columns;
  const float *row_lse;
  const float *column_lse;  // NULL where columns are no anchors
};

template <typename T>
struct Backward {
  typedef typename Factor<T>::Type G;

  Context &context;
  const simcse_similarity_softmax_backward &a;
  Vectors<T> queries, keys;
  float weight;             // of an anchor's part in the loss
  bool sums_are_results;    // f32
  bool whole_keys;          // the sums for d_keys are of all keys
  int panel;                // rows and columns of a panel
  int height;               // rows of a tile
  Terms terms;
  // shared
  float *row_inverse;       // (panel), temperature included
  float *column_inverse;    // (panel)
  float *column_lse;        // (panel)
  G *gradients;             // (parts, panel, stride): G
  float *query_sums;        // (panel or N, H)
  float *key_sums;          // (panel or M, H)
  G *factor_rows;           // (panel, H), where G is not T
  G *factor_columns;        // (panel, H)
  T *scaled_rows;           // (panel, H), where they must be scaled
  T *scaled_columns;        // (panel, H)
  // per thread: a tile of logits, and what a product needs
  char *threads;
  int64_t thread_bytes;
  int64_t tile_bytes;

  Backward(Context &context, const simcse_similarity_softmax_backward &a)
      : context(context),
        a(a),
        queries(queries_of<T>(a)),
        keys(keys_of<T>(a)),
        weight(a.loss_scale / (float)a.queries_count * (a.contrast.both_directions ? 0.5f : 1.0f)),
        sums_are_results(sizeof(T) == 4),
        whole_keys(sums_are_results || a.keys_count <= kWholeBytes / 4 / a.hidden),
        height(tile_rows(a.queries_count)) {}

  // Between rows of G: not a power of two, which would put a column of G into a few sets of the cache.
  int64_t stride() const { return panel + 32; }
  int64_t part() const { return panel * stride(); }
  float *tile(int thread) const { return (float *)(threads + thread * Context::stride((size_t)thread_bytes)); }
  char *product(int thread) const { return (char *)tile(thread) + tile_bytes; }
};

// --- memory ---

// The parts of the shared memory that are as large as a panel.
template <typename T>
static void divide_panel(Backward<T> *b, Parts &parts) {
  typedef typename Backward<T>::G G;
  const int64_t matrix = (int64_t)b->panel * b->a.hidden;
  b->gradients = (G *)parts.bytes(Factor<T>::kParts * b->part() * (int64_t)sizeof(G));
  b->query_sums = b->sums_are_results ? (float *)b->a.d_queries : parts.floats(matrix);
  b->key_sums = b->sums_are_results ? (float *)b->a.d_keys : b->query_sums;
  const int64_t factor = sizeof(G) == sizeof(T) ? 0 : matrix * (int64_t)sizeof(G);
  b->factor_rows = (G *)parts.bytes(factor);
  // Two sweeps take one of the factors each.
  b->factor_columns = b->whole_keys ? (G *)parts.bytes(factor) : b->factor_rows;
}

// The largest panel that takes no more than a sixteenth of the vectors and their gradients, and 512 at least, for the
// sake of the products.
template <typename T>
static void choose_panel(Backward<T> *b) {
  const int64_t vectors = 2 * (b->queries.count + b->keys.count) * b->a.hidden * (int64_t)sizeof(T);
  for (b->panel = 2048; b->panel > 512; b->panel /= 2) {
    Parts parts{nullptr};
    divide_panel(b, parts);
    if (parts.used <= vectors / 16) break;
  }
}

template <typename T>
static void take_memory(Backward<T> *b) {
  typedef typename Backward<T>::G G;
  const int64_t hidden = b->a.hidden, n = b->queries.count, m = b->keys.count;
  const bool as_is = all_usable(b->queries, 0, n) && all_usable(b->keys, 0, m);
  const int64_t scaled = as_is ? 0 : (int64_t)b->panel * hidden * (int64_t)sizeof(T);
  char *memory = nullptr;
  for (int pass = 0; pass < 2; pass++) {
    Parts parts{memory};
    b->row_inverse = parts.floats(b->panel);
    b->column_inverse = parts.floats(b->panel);
    b->column_lse = parts.floats(b->panel);
    b->terms.divide(parts, b->a.contrast, n, m);
    divide_panel(b, parts);
    if (!b->sums_are_results && b->whole_keys) b->key_sums = parts.floats(m * hidden);
    b->scaled_rows = (T *)parts.bytes(scaled);
    b->scaled_columns = (T *)parts.bytes(scaled);
    if (pass == 0) memory = b->context.shared((size_t)parts.used);
  }
  b->tile_bytes = (int64_t)b->height * kTileColumns * 4;
  int64_t logits = gemm_core_scratch(b->height, kTileColumns, hidden, sizeof(T) == 2);
  int64_t sums = gemm_core_scratch(kSumRows, smaller(kSumColumns, hidden), b->panel, sizeof(G) == 2);
  b->thread_bytes = b->tile_bytes + (logits > sums ? logits : sums);
  if (b->a.contrast.has_margin) {
    int64_t diagonal = DiagonalTile<T>().divide(nullptr, hidden);
    b->thread_bytes = b->thread_bytes > diagonal ? b->thread_bytes : diagonal;
  }
  b->threads = b->context.per_thread((size_t)b->thread_bytes);
}

// --- panels ---

// Rows i0 .. and columns j0 .. of a block, as products for logits take them and as products with G do.
template <typename T>
struct Panel {
  typedef typename Backward<T>::G G;
  int64_t i0, j0;
  int64_t height, width;
  const T *rows;
  const T *columns;
  const G *factor_rows;
  const G *factor_columns;
};

// Where the sums of a panel go: they are added to what is there, or put there first. NULL where they are not wanted.
struct SumsTo {
  float *to;
  bool add;
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

// Row `row` of G from its products. The factor 1 / (length of row * length of column * temperature) is the derivative
// of a logit by its product; `at` is where the tile starts in the panel's columns.
template <typename T>
static void gradient_row(const Backward<T> &b, const BackwardBlock<T> &block, const LogitRow &row, float row_inverse,
                         int64_t at, typename Backward<T>::G *to) {
  float row_terms[kTileColumns], column_terms[kTileColumns];
  const float *inverse = b.column_inverse + at, *column_lse = b.column_lse + at;
  const bool columns = block.column_lse != nullptr;
  logits(block.pairing, row, row_inverse, inverse);
  const float *along = within(block.pairing, row, false, row_terms);
  const float *down = columns ? within(block.pairing, row, true, column_terms) : nullptr;
  F lse = splat(block.row_lse[row.i]), factor = splat(b.weight * row_inverse);
  const int64_t positive = positive_of(block.pairing, row);
  for (int j = 0; j < row.columns; j += kLanes) {
    F probability = exp(load(along + j) - lse);
    if (columns) probability = probability + exp(load(down + j) - load(column_lse + j));
    store_parts(to + j, probability * (factor * load(inverse + j)), (int)smaller(kLanes, row.columns - j), b.part());
  }
  if (positive < 0) return;
  F probability = exp(splat(along[positive]) - lse) - splat(1.0f);
  if (columns) probability = probability + (exp(splat(down[positive]) - splat(column_lse[positive])) - splat(1.0f));
  store_parts(to + positive, probability * (factor * splat(inverse[positive])), 1, b.part());
}

template <typename T>
static void panel_gradients(const Backward<T> &b, const BackwardBlock<T> &block, const Panel<T> &p) {
  const int64_t across = blocks_of(p.width, kTileColumns);
  parallel(b.context, blocks_of(p.height, b.height) * across, [&](int64_t task, int thread) {
    const int64_t i0 = task / across * b.height, j0 = task % across * kTileColumns;
    const int64_t rows = smaller(b.height, p.height - i0), columns = smaller(kTileColumns, p.width - j0);
    float *tile = b.tile(thread);
    products(p.rows + i0 * b.a.hidden, rows, p.columns + j0 * b.a.hidden, columns, b.a.hidden, tile,
             b.product(thread));
    for (int64_t i = 0; i < rows; i++) {
      LogitRow row{tile + i * kTileColumns, p.i0 + i0 + i, p.j0 + j0, (int)columns};
      gradient_row(b, block, row, b.row_inverse[i0 + i], j0, b.gradients + (i0 + i) * b.stride() + j0);
    }
  });
}

// A part of the sums: rows from `row`, columns from `column` on, = or += G vectors, or G^T vectors.
template <typename T>
struct SumPart {
  bool transpose;
  SumsTo sums;
  int64_t row, column;
  int64_t height, depth;  // of G, or of G^T
  const typename Backward<T>::G *vectors;
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
  product.lda = b.stride();
  product.b = part.vectors + part.column;
  product.ldb = hidden;
  product.c = part.sums.to + part.row * hidden + part.column;
  product.ldc = hidden;
  for (int i = 0; i < Factor<T>::kParts; i++) {
    product.accumulate = part.sums.add || i > 0;
    product.a = b.gradients + i * b.part() + (part.transpose ? part.row : part.row * b.stride());
    gemm_core(product, scratch);
  }
}

template <typename T>
static void panel_sums(const Backward<T> &b, const Panel<T> &p, const SumsTo &rows, const SumsTo &columns) {
  const int64_t across = blocks_of(b.a.hidden, kSumColumns);
  const int64_t row_tasks = rows.to == nullptr ? 0 : blocks_of(p.height, kSumRows) * across;
  const int64_t column_tasks = columns.to == nullptr ? 0 : blocks_of(p.width, kSumRows) * across;
  parallel(b.context, row_tasks + column_tasks, [&](int64_t task, int thread) {
    bool of_columns = task >= row_tasks;
    int64_t block = of_columns ? task - row_tasks : task;
    int64_t row = block / across * kSumRows, column = block % across * kSumColumns;
    SumPart<T> part = of_columns ? SumPart<T>{true, columns, row, column, p.width, p.height, p.factor_rows}
                                 : SumPart<T>{false, rows, row, column, p.height, p.width, p.factor_columns};
    add_products(b, part, b.product(thread));
  });
}

template <typename T>
static void panel(const Backward<T> &b, const BackwardBlock<T> &block, int64_t i0, int64_t j0, const SumsTo &rows,
                  const SumsTo &columns) {
  Panel<T> p;
  p.i0 = i0;
  p.j0 = j0;
  p.height = smaller(b.panel, block.rows.count - i0);
  p.width = smaller(b.panel, block.columns.count - j0);
  p.rows = panel_rows(b.context, block.rows, i0, p.height, b.scaled_rows);
  p.columns = panel_rows(b.context, block.columns, j0, p.width, b.scaled_columns);
  p.factor_rows = nullptr;
  p.factor_columns = nullptr;
  if (columns.to) p.factor_rows = factor_rows(b.context, block.rows, i0, p.height, p.rows, b.factor_rows);
  if (rows.to) p.factor_columns = factor_rows(b.context, block.columns, j0, p.width, p.columns, b.factor_columns);
  inverse_lengths(block.rows, i0, p.height, 1.0f / b.a.contrast.temperature, b.row_inverse);
  inverse_lengths(block.columns, j0, p.width, 1.0f, b.column_inverse);
  if (block.column_lse != nullptr) memcpy(b.column_lse, block.column_lse + j0, (size_t)p.width * 4);
  panel_gradients(b, block, p);
  panel_sums(b, p, rows, columns);
}

// --- the pass ---

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
static void query_gradients(const Backward<T> &b, const BackwardBlock<T> &across) {
  const simcse_contrast &contrast = b.a.contrast;
  const BackwardBlock<T> among{b.terms.among_queries(contrast), b.queries, b.queries, b.a.lse, b.a.lse};
  const int64_t n = b.queries.count, m = b.keys.count, hidden = b.a.hidden;
  for (int64_t i0 = 0; i0 < n; i0 += b.panel) {
    float *sums = b.query_sums + (b.sums_are_results ? i0 * hidden : 0);
    for (int64_t j0 = 0; j0 < m; j0 += b.panel) {
      float *key_sums = b.whole_keys ? b.key_sums + j0 * hidden : nullptr;
      panel(b, across, i0, j0, {sums, j0 > 0}, {key_sums, i0 > 0});
    }
    for (int64_t j0 = 0; j0 < n && contrast.same_side_negatives; j0 += b.panel) {
      panel(b, among, i0, j0, {sums, true}, {nullptr, false});
    }
    finish(b.context, b.queries, i0, smaller(b.panel, n - i0), sums, b.a.d_queries);
  }
}

template <typename T>
static void key_gradients(const Backward<T> &b, const BackwardBlock<T> &across) {
  const simcse_contrast &contrast = b.a.contrast;
  const bool same_side = contrast.same_side_negatives && contrast.both_directions;
  const float *lse = b.a.key_lse;
  const BackwardBlock<T> among{b.terms.among_keys(contrast), b.keys, b.keys, lse, lse};
  const int64_t n = b.queries.count, m = b.keys.count;
  for (int64_t i0 = 0; i0 < m; i0 += b.panel) {
    const int64_t rows = smaller(b.panel, m - i0);
    float *sums = b.key_sums + (b.whole_keys ? i0 * b.a.hidden : 0);
    for (int64_t j0 = 0; j0 < n && !b.whole_keys; j0 += b.panel) {
      panel(b, across, j0, i0, {nullptr, false}, {sums, j0 > 0});
    }
    for (int64_t j0 = 0; j0 < m && same_side; j0 += b.panel) {
      if (!any_anchor(lse, i0, rows) && !any_anchor(lse, j0, smaller(b.panel, m - j0))) continue;
      panel(b, among, i0, j0, {sums, true}, {nullptr, false});
    }
    finish(b.context, b.keys, i0, rows, sums, b.a.d_keys);
  }
}

template <typename T>
static void backward(Context &context, const simcse_similarity_softmax_backward &a) {
  Backward<T> b(context, a);
  choose_panel(&b);
  take_memory(&b);
  find_partners(a, b.terms);
  find_limits(context, a, b.queries, b.keys, b.terms, b.threads, b.thread_bytes);
  const BackwardBlock<T> across{b.terms.across(a.contrast, a.targets), b.queries, b.keys, a.lse, a.key_lse};
  query_gradients(b, across);
  key_gradients(b, across);
}

void similarity_softmax_backward(Context &context, const simcse_similarity_softmax_backward &a) {
  if (a.dtype == SIMCSE_F32) backward<float>(context, a);
  else backward<bf16>(context, a);
}

}  // namespace simcse::cpu::SIMCSE_TIER
