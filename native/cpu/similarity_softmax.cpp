// InfoNCE over cosine similarities (van den Oord et al. 2018; Gao et al. 2021, equation 1) of queries (N, H) and keys
// (M, H): loss, lse (N), key_lse (M) and the lengths of all vectors. The logits are made tile by tile and never stored;
// their gradients are in similarity_backward.cpp.
//
// Both directions come from one sweep over the tiles: each leaves the log-sum-exps of its rows and of its columns, in
// parts, and those of a panel of tiles are then added up in the order of the tiles.
#include "operations.hpp"
#include "similarity_terms.hpp"

namespace simcse::cpu::SIMCSE_TIER {

// Rows and columns of a panel: what waits to be added up takes as little as keeps all threads busy.
constexpr int64_t kPanelRows = 2048;
constexpr int64_t kPanelColumns = 8192;
// Anchors whose sums are added up by one task.
constexpr int64_t kTogether = 256;

// log of the sum of exp(logit) of many anchors, in parts: the largest logit so far, and the sum of
// exp(logit - largest).
struct LogSums {
  float *best;
  float *total;

  void divide(Parts &parts, int64_t count) {
    best = parts.floats(count);
    total = parts.floats(count);
  }
  LogSums from(int64_t start) const { return {best + start, total + start}; }
};

template <typename T>
struct ForwardTile {
  float *logits;          // (tile rows, kTileColumns)
  float *terms;           // (kTileColumns)
  float *column_inverse;  // (kTileColumns)
  char *product;
  T *rows;                // (tile rows, H), where they must be scaled
  T *columns;             // (kTileColumns, H), where they must be scaled

  int64_t divide(char *memory, int height, int hidden, bool scaled) {
    Parts parts{memory};
    logits = parts.floats((int64_t)height * kTileColumns);
    terms = parts.floats(kTileColumns);
    column_inverse = parts.floats(kTileColumns);
    product = parts.bytes(gemm_core_scratch(height, kTileColumns, hidden, sizeof(T) == 2));
    rows = (T *)parts.bytes(scaled ? (int64_t)height * hidden * (int64_t)sizeof(T) : 0);
    columns = (T *)parts.bytes(scaled ? (int64_t)kTileColumns * hidden * (int64_t)sizeof(T) : 0);
    return parts.used;
  }
};

template <typename T>
struct Forward {
  Context &context;
  const simcse_similarity_softmax_forward &a;
  Vectors<T> queries, keys;
  int height;  // rows of a tile
  bool scaled;
  // shared
  float *query_norm;      // (N)
  float *key_norm;        // (M)
  double *losses;         // (tasks)
  float *target_logit;    // (N)
  LogSums query_sums;        // (N)
  LogSums key_sums;          // (M), of both directions
  LogSums row_parts;         // (tiles across a panel, kPanelRows)
  LogSums column_parts;      // (tiles down a panel, kPanelColumns), of both directions
  Terms terms;
  // per thread
  char *threads;
  int64_t thread_bytes;

  Forward(Context &context, const simcse_similarity_softmax_forward &a)
      : context(context),
        a(a),
        queries(queries_of<T>(a)),
        keys(keys_of<T>(a)),
        height(tile_rows(a.queries_count)) {}

  ForwardTile<T> tile(int thread) const {
    ForwardTile<T> tile;
    tile.divide(threads + thread * Context::stride((size_t)thread_bytes), height, a.hidden, scaled);
    return tile;
  }
};

template <typename T>
static void take_shared(Forward<T> *f) {
  const int64_t n = f->queries.count, m = f->keys.count, longest = n > m ? n : m;
  const bool both = f->a.contrast.both_directions != 0;
  const int64_t rows = smaller(longest, kPanelRows), columns = smaller(longest, kPanelColumns);
  char *memory = nullptr;
  for (int pass = 0; pass < 2; pass++) {
    Parts parts{memory};
    f->query_norm = parts.floats(n);
    f->key_norm = parts.floats(m);
    f->losses = (double *)parts.bytes(blocks_of(n, kTogether) * 8);
    f->target_logit = parts.floats(n);
    f->query_sums.divide(parts, n);
    f->key_sums.divide(parts, both ? m : 0);
    f->row_parts.divide(parts, blocks_of(columns, kTileColumns) * kPanelRows);
    f->column_parts.divide(parts, both ? blocks_of(rows, f->height) * kPanelColumns : 0);
    f->terms.divide(parts, f->a.contrast, n, m);
    if (pass == 0) memory = f->context.shared((size_t)parts.used);
  }
}

template <typename T>
static void take_threads(Forward<T> *f) {
  f->scaled = !all_usable(f->queries, 0, f->queries.count) || !all_usable(f->keys, 0, f->keys.count);
  f->thread_bytes = ForwardTile<T>().divide(nullptr, f->height, f->a.hidden, f->scaled);
  if (f->a.contrast.has_margin) {
    int64_t diagonal = DiagonalTile<T>().divide(nullptr, f->a.hidden);
    f->thread_bytes = f->thread_bytes > diagonal ? f->thread_bytes : diagonal;
  }
  f->threads = f->context.per_thread((size_t)f->thread_bytes);
}

// --- sums ---

static void sum_row(const float *terms, int columns, float *best, float *total) {
  F most = splat(kLeftOut);
  for (int j = 0; j < columns; j += kLanes) most = max(load(terms + j), most);
  *best = largest(most);
  F sums[2] = {zero(), zero()};
  for (int j = 0; j < columns; j += kLanes) {
    sums[j / kLanes % 2] = sums[j / kLanes % 2] + exp(load(terms + j) - splat(*best));
  }
  *total = sum(sums[0] + sums[1]);
}

// Of each column of a tile.
template <typename T>
static void sum_columns(const Pairing &pairing, const ForwardTile<T> &tile, LogitRow row, int64_t rows,
                        const LogSums &sums) {
  float *first_row = row.at;
  const int64_t i0 = row.i;
  for (int j = 0; j < row.columns; j += kLanes) {
    store(sums.best + j, splat(kLeftOut));
    store(sums.total + j, zero());
  }
  for (int pass = 0; pass < 2; pass++) {
    for (int64_t i = 0; i < rows; i++) {
      row.at = first_row + i * kTileColumns;
      row.i = i0 + i;
      const float *terms = within(pairing, row, true, tile.terms);
      for (int j = 0; j < row.columns; j += kLanes) {
        F best = load(sums.best + j), term = load(terms + j);
        if (pass == 0) store(sums.best + j, max(term, best));
        else store(sums.total + j, load(sums.total + j) + exp(term - best));
      }
    }
  }
}

// total = the sum of `count` parts, each `stride` after the one before, of anchors start .. end - 1.
static void add_up(const LogSums &sums, const LogSums &parts, int64_t count, int64_t stride, int64_t start,
                   int64_t end) {
  for (int64_t i = start; i < end; i += kLanes) {
    const int width = (int)smaller(kLanes, end - i);
    F best = load_n(sums.best + i, width), total = load_n(sums.total + i, width);
    for (int64_t p = 0; p < count; p++) {
      F part = load_n(parts.best + p * stride + i, width);
      F most = max(part, best);
      total = total * exp(best - most) + load_n(parts.total + p * stride + i, width) * exp(part - most);
      best = most;
    }
    store_n(sums.best + i, best, width);
    store_n(sums.total + i, total, width);
  }
}

// --- tiles ---

// Logits of two sides, and the sums that they go into.
template <typename T>
struct ForwardBlock {
  Pairing pairing;
  Vectors<T> rows, columns;
  LogSums row_sums;
  LogSums column_sums;      // NULL where columns are no anchors, or are as rows
  const float *anchors;  // infinite for rows that are none; NULL where all are
};

// Rows i0 .. and columns j0 .. of a block: those of a panel, or of one of its tiles.
struct Part {
  int64_t i0, j0;
  int64_t rows, columns;
};

template <typename T>
static void sum_tile(const Forward<T> &f, const ForwardBlock<T> &block, const Part &part, const ForwardTile<T> &tile,
                     const LogSums &row_parts, const LogSums &column_parts) {
  const float scale = 1.0f / f.a.contrast.temperature;
  const T *left = usable_rows(block.rows, part.i0, part.rows, tile.rows);
  const T *right = usable_rows(block.columns, part.j0, part.columns, tile.columns);
  products(left, part.rows, right, part.columns, f.a.hidden, tile.logits, tile.product);
  inverse_lengths(block.columns, part.j0, part.columns, 1.0f, tile.column_inverse);
  for (int64_t i = 0; i < part.rows; i++) {
    LogitRow row{tile.logits + i * kTileColumns, part.i0 + i, part.j0, (int)part.columns};
    logits(block.pairing, row, scale_of(block.rows.norms[row.i]).inverse * scale, tile.column_inverse);
    const float *terms = within(block.pairing, row, false, tile.terms);
    sum_row(terms, row.columns, row_parts.best + i, row_parts.total + i);
    const int64_t positive = positive_of(block.pairing, row);
    if (positive >= 0) f.target_logit[row.i] = terms[positive];
  }
  if (block.column_sums.best == nullptr) return;
  sum_columns(block.pairing, tile, {tile.logits, part.i0, part.j0, (int)part.columns}, part.rows, column_parts);
}

template <typename T>
static void sum_panel(const Forward<T> &f, const ForwardBlock<T> &block, const Part &panel) {
  const int64_t across = blocks_of(panel.columns, kTileColumns), down = blocks_of(panel.rows, f.height);
  parallel(f.context, across * down, [&](int64_t task, int thread) {
    const int64_t i = task / across * f.height, j = task % across * kTileColumns;
    Part part{panel.i0 + i, panel.j0 + j, smaller(f.height, panel.rows - i), smaller(kTileColumns, panel.columns - j)};
    sum_tile(f, block, part, f.tile(thread), f.row_parts.from(task % across * kPanelRows + i),
             f.column_parts.from(task / across * kPanelColumns + j));
  });
  const int64_t row_tasks = blocks_of(panel.rows, kTogether);
  const int64_t column_tasks = block.column_sums.best == nullptr ? 0 : blocks_of(panel.columns, kTogether);
  parallel(f.context, row_tasks + column_tasks, [&](int64_t task, int) {
    int64_t start = (task < row_tasks ? task : task - row_tasks) * kTogether;
    if (task < row_tasks) {
      add_up(block.row_sums.from(panel.i0), f.row_parts, across, kPanelRows, start,
             smaller(start + kTogether, panel.rows));
    } else {
      add_up(block.column_sums.from(panel.j0), f.column_parts, down, kPanelColumns, start,
             smaller(start + kTogether, panel.columns));
    }
  });
}

template <typename T>
static void sum_block(const Forward<T> &f, const ForwardBlock<T> &block) {
  for (int64_t i0 = 0; i0 < block.rows.count; i0 += kPanelRows) {
    const int64_t rows = smaller(kPanelRows, block.rows.count - i0);
    if (block.anchors != nullptr && !any_anchor(block.anchors, i0, rows)) continue;
    for (int64_t j0 = 0; j0 < block.columns.count; j0 += kPanelColumns) {
      sum_panel(f, block, {i0, j0, rows, smaller(kPanelColumns, block.columns.count - j0)});
    }
  }
}

// --- the pass ---

template <typename T>
static void lengths(Context &context, const T *rows, int64_t count, int hidden, float *norms) {
  const int together = 64;
  parallel(context, blocks_of(count, together), [&](int64_t task, int) {
    int64_t end = smaller(count, (task + 1) * together);
    for (int64_t i = task * together; i < end; i++) norms[i] = length_of(rows + i * hidden, hidden);
  });
}

// The length of a finite vector may be more than a float can hold; only what is not finite itself is refused.
template <typename T>
static void require_finite(const Vectors<T> &v, const char *name) {
  for (int64_t i = 0; i < v.count; i++) {
    if (v.norms[i] <= 3.4028235e38f) continue;
    for (int c = 0; c < v.hidden; c++) {
      if (!(__builtin_fabsf(widen(v.rows[i * v.hidden + c])) <= 3.4028235e38f)) {
        Context::refuse_row("similarity_softmax_forward", name, i);
      }
    }
  }
}

template <typename T>
static void start(Forward<T> *f) {
  const int64_t n = f->queries.count, m = f->keys.count;
  take_shared(f);
  lengths(f->context, f->queries.rows, n, f->a.hidden, f->query_norm);
  lengths(f->context, f->keys.rows, m, f->a.hidden, f->key_norm);
  f->queries.norms = f->query_norm;
  f->keys.norms = f->key_norm;
  require_finite(f->queries, "queries");
  require_finite(f->keys, "keys");
  take_threads(f);
  memcpy(f->a.query_norm, f->query_norm, (size_t)n * 4);
  memcpy(f->a.key_norm, f->key_norm, (size_t)m * 4);
  find_partners(f->a, f->terms);
  find_limits(f->context, f->a, f->queries, f->keys, f->terms, f->threads, f->thread_bytes);
  for (int64_t i = 0; i < n; i++) {
    f->query_sums.best[i] = kLeftOut;
    f->query_sums.total[i] = 0.0f;
  }
  if (!f->a.contrast.both_directions) return;
  for (int64_t j = 0; j < m; j++) {
    f->key_sums.best[j] = kLeftOut;
    f->key_sums.total[j] = 0.0f;
    f->a.key_lse[j] = __builtin_inff();
  }
  for (int64_t i = 0; i < n; i++) f->a.key_lse[f->a.targets[i]] = 0.0f;
}

// The loss of an anchor, and its log-sum-exp. Not lse - target: lse is of the size 1 / temperature, and rounding it
// would cost the digits of a small loss.
static double loss_of(const LogSums &sums, int64_t i, float target_logit, float *lse) {
  double rest = __builtin_log(sums.total[i]);
  *lse = (float)(sums.best[i] + rest);
  return (sums.best[i] - target_logit) + rest;
}

template <typename T>
static void finish(const Forward<T> &f) {
  const simcse_similarity_softmax_forward &a = f.a;
  const int64_t n = a.queries_count, tasks = blocks_of(n, kTogether);
  parallel(f.context, tasks, [&](int64_t task, int) {
    double total = 0;
    for (int64_t i = task * kTogether; i < smaller(n, (task + 1) * kTogether); i++) {
      total += loss_of(f.query_sums, i, f.target_logit[i], a.lse + i);
      if (!a.contrast.both_directions) continue;
      total += loss_of(f.key_sums, a.targets[i], f.target_logit[i], a.key_lse + a.targets[i]);
    }
    f.losses[task] = total;
  });
  double total = 0;
  for (int64_t task = 0; task < tasks; task++) total += f.losses[task];
  *a.loss = (float)(total / (double)(a.contrast.both_directions ? 2 * n : n));
}

template <typename T>
static void forward(Context &context, const simcse_similarity_softmax_forward &a) {
  Forward<T> f(context, a);
  start(&f);
  const simcse_contrast &contrast = a.contrast;
  const LogSums none = {nullptr, nullptr};
  const bool both = contrast.both_directions != 0;
  sum_block(f, ForwardBlock<T>{f.terms.across(contrast, a.targets), f.queries, f.keys, f.query_sums,
                        both ? f.key_sums : none, nullptr});
  if (contrast.same_side_negatives) {
    sum_block(f, ForwardBlock<T>{f.terms.among_queries(contrast), f.queries, f.queries, f.query_sums, none,
                          nullptr});
    if (both) sum_block(f, ForwardBlock<T>{f.terms.among_keys(contrast), f.keys, f.keys, f.key_sums, none, a.key_lse});
  }
  finish(f);
}

void similarity_softmax_forward(Context &context, const simcse_similarity_softmax_forward &a) {
  if (a.dtype == SIMCSE_F32) forward<float>(context, a);
  else forward<bf16>(context, a);
}

}  // namespace simcse::cpu::SIMCSE_TIER
