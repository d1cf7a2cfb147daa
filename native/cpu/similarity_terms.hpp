// Which terms the sums of the contrastive loss have. Logits come in blocks: of queries with keys, and with same-side
// negatives of queries with queries and of keys with keys too. A row of a block is an anchor, whose sum goes along the
// row; in the other direction, and on the mirrored half of a block of one side, so is a column.
#pragma once

#include "parallel.hpp"
#include "similarity_tile.hpp"

namespace simcse::cpu::SIMCSE_TIER {

// In place of the logit of a pair that is left out: its exponential is 0 beside that of any other, and differences of
// two such numbers are numbers still.
constexpr float kLeftOut = -3e38f;

// What leaves terms out of the sums of one side's vectors; NULL where nothing does.
struct Exclusions {
  const float *limits;      // logits above which a term is left out, infinite for what is no anchor
  const int64_t *ids;
  const int64_t *partners;  // the ids of their partners, or their own
};

// How the vectors of a block are paired.
struct Pairing {
  const simcse_contrast *contrast;
  const int32_t *targets;  // of the rows, NULL where both sides are the same
  Exclusions rows, columns;
};

// A row of a tile: products of row i of the block with the columns j0 .. j0 + columns - 1, later their logits.
struct LogitRow {
  float *at;
  int64_t i;
  int64_t j0;
  int columns;
};

// Where in the row the positive is; -1 where it is not.
SIMCSE_INLINE int64_t positive_of(const Pairing &pairing, const LogitRow &row) {
  if (pairing.targets == nullptr) return -1;
  int64_t target = pairing.targets[row.i] - row.j0;
  return target >= 0 && target < row.columns ? target : -1;
}

static void add_bias(const Pairing &pairing, const LogitRow &row, float *to) {
  if (pairing.contrast->own_negative_bias == 0.0f || pairing.targets == nullptr) return;
  int64_t own = pairing.contrast->own_negative_offset + row.i - row.j0;
  if (own >= 0 && own < row.columns) to[own] += pairing.contrast->own_negative_bias;
}

// Pairs of which one says what the other or its partner says.
static void leave_out_repeats(const Pairing &pairing, const LogitRow &row) {
  const int64_t id = pairing.rows.ids[row.i], partner = pairing.rows.partners[row.i];
  const int64_t *ids = pairing.columns.ids + row.j0, *partners = pairing.columns.partners + row.j0;
  float *at = row.at;
  for (int j = 0; j < row.columns; j++) {
    at[j] = (ids[j] == id) | (ids[j] == partner) | (partners[j] == id) ? kLeftOut : at[j];
  }
}

// Products become logits, kLeftOut for pairs that no sum has and beyond the last column. Where there are limits, biases
// are left to within(): limits are of cosines.
static void logits(const Pairing &pairing, const LogitRow &row, float row_inverse, const float *column_inverse) {
  F inverse = splat(row_inverse);
  for (int j = 0; j < row.columns; j += kLanes) {
    store(row.at + j, load(row.at + j) * (inverse * load(column_inverse + j)));
  }
  const int64_t positive = positive_of(pairing, row);
  if (pairing.rows.ids != nullptr) {
    const float kept = positive >= 0 ? row.at[positive] : 0.0f;
    leave_out_repeats(pairing, row);
    if (positive >= 0) row.at[positive] = kept;
  }
  const int64_t itself = row.i - row.j0;
  if (pairing.targets == nullptr && itself >= 0 && itself < row.columns) row.at[itself] = kLeftOut;
  if (pairing.rows.limits == nullptr) add_bias(pairing, row, row.at);
  const int whole = row.columns / kLanes * kLanes;
  if (whole == row.columns) return;
  store(row.at + whole, select(first(row.columns - whole), load(row.at + whole), splat(kLeftOut)));
}

// The logits as terms of the sums of the row, or of the columns: without those above the anchors' limits, in `to`
// (kTileColumns), or the row itself where there are none.
static const float *within(const Pairing &pairing, const LogitRow &row, bool of_columns, float *to) {
  if (pairing.rows.limits == nullptr) return row.at;
  const float *limits = pairing.columns.limits + row.j0;
  F limit = splat(pairing.rows.limits[row.i]);
  for (int j = 0; j < row.columns; j += kLanes) {
    F logit = load(row.at + j);
    if (of_columns) limit = load_n(limits + j, (int)smaller(kLanes, row.columns - j));
    store(to + j, select(limit < logit, splat(kLeftOut), logit));
  }
  const int64_t positive = positive_of(pairing, row);
  if (positive >= 0) to[positive] = row.at[positive];
  add_bias(pairing, row, to);
  return to;
}

// What the options need to know of all vectors: `queries` and `keys`, in scratch memory.
struct Terms {
  Exclusions queries, keys;
  // The same, while they are made.
  float *query_limits, *key_limits;
  int64_t *query_partners, *key_partners;

  void divide(Parts &parts, const simcse_contrast &contrast, int64_t n, int64_t m) {
    const bool ids = contrast.query_ids != nullptr;
    query_limits = contrast.has_margin ? parts.floats(n) : nullptr;
    key_limits = contrast.has_margin ? parts.floats(m) : nullptr;
    query_partners = ids ? (int64_t *)parts.bytes(n * 8) : nullptr;
    key_partners = ids ? (int64_t *)parts.bytes(m * 8) : nullptr;
    queries = {query_limits, contrast.query_ids, query_partners};
    keys = {key_limits, contrast.key_ids, key_partners};
  }

  Pairing across(const simcse_contrast &contrast, const int32_t *targets) const {
    return {&contrast, targets, queries, keys};
  }
  Pairing among_queries(const simcse_contrast &contrast) const { return {&contrast, nullptr, queries, queries}; }
  Pairing among_keys(const simcse_contrast &contrast) const { return {&contrast, nullptr, keys, keys}; }
};

template <typename Arguments>
static void find_partners(const Arguments &a, const Terms &terms) {
  const simcse_contrast &contrast = a.contrast;
  if (contrast.query_ids == nullptr) return;
  for (int64_t j = 0; j < a.keys_count; j++) terms.key_partners[j] = contrast.key_ids[j];
  for (int64_t i = a.queries_count - 1; i >= 0; i--) {
    terms.query_partners[i] = contrast.key_ids[a.targets[i]];
    terms.key_partners[a.targets[i]] = contrast.query_ids[i];
  }
}

// Queries whose logits with their positives are made together, as the diagonal of a product.
constexpr int kDiagonal = 16;

template <typename T>
struct DiagonalTile {
  float *products;  // (kDiagonal, kTileColumns)
  T *queries;       // (kDiagonal, H), where they must be scaled
  T *keys;          // (kDiagonal, H)
  char *product;

  int64_t divide(char *memory, int hidden) {
    Parts parts{memory};
    products = parts.floats(kDiagonal * kTileColumns);
    queries = (T *)parts.bytes((int64_t)kDiagonal * hidden * sizeof(T));
    keys = (T *)parts.bytes((int64_t)kDiagonal * hidden * sizeof(T));
    product = parts.bytes(gemm_core_scratch(kDiagonal, kDiagonal, hidden, sizeof(T) == 2));
    return parts.used;
  }
};

// A margin above the anchors' logits with their partners. Those are made just as they are made in tiles, so that with a
// margin of 0 a copy of the positive is not above it.
template <typename T, typename Arguments>
static void limits_of(const Arguments &a, const Vectors<T> &queries, const Vectors<T> &keys, const Terms &terms,
                      int64_t i0, const DiagonalTile<T> &tile) {
  const int count = (int)smaller(kDiagonal, queries.count - i0);
  const float scale = 1.0f / a.contrast.temperature;
  for (int i = 0; i < count; i++) copy_scaled(keys, a.targets[i0 + i], tile.keys + (int64_t)i * a.hidden);
  products(usable_rows(queries, i0, count, tile.queries), count, tile.keys, count, a.hidden, tile.products,
           tile.product);
  for (int i = 0; i < count; i++) {
    const int64_t target = a.targets[i0 + i];
    float inverse = scale_of(queries.norms[i0 + i]).inverse * scale * scale_of(keys.norms[target]).inverse;
    float limit = tile.products[i * (kTileColumns + 1)] * inverse + a.contrast.false_negative_margin * scale;
    terms.query_limits[i0 + i] = limit;
    if (a.contrast.both_directions) terms.key_limits[target] = limit;
  }
}

template <typename T, typename Arguments>
static void find_limits(Context &context, const Arguments &a, const Vectors<T> &queries, const Vectors<T> &keys,
                        const Terms &terms, char *threads, int64_t thread_bytes) {
  if (!a.contrast.has_margin) return;
  for (int64_t j = 0; j < keys.count; j++) terms.key_limits[j] = __builtin_inff();
  parallel(context, blocks_of(queries.count, kDiagonal), [&](int64_t task, int thread) {
    DiagonalTile<T> tile;
    tile.divide(threads + thread * Context::stride((size_t)thread_bytes), a.hidden);
    limits_of(a, queries, keys, terms, task * kDiagonal, tile);
  });
}

// Whether any of these keys has a sum: lse is infinite for those that have none.
static bool any_anchor(const float *lse, int64_t start, int64_t count) {
  for (int64_t i = start; i < start + count; i++) {
    if (lse[i] < __builtin_inff()) return true;
  }
  return false;
}

}  // namespace simcse::cpu::SIMCSE_TIER
