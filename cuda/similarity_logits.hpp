// What becomes of the products of a tile of similarity_softmax, one by one, whichever instructions made them: logits,
// the sums that each stands in, running sums of exponentials (forward) and gradients (backward).
//
// A block is a panel of rows against a panel of columns: queries against keys, or one side against itself. A pair is a
// term of the sum of its row, and where columns are anchors too, of the sum of its column. With options, which terms
// are left out is decided here, once for the forward and the backward pass:
//   the filling          rows and columns past the last
//   a vector and itself  in a block of one side against itself: the diagonal, by a bias of minus infinity
//   duplicates           id or partner's id of the one is the other's id: for both anchors alike
//   false negatives      logits above the limit of the anchor, which is its positive's and the margin
// A query and its positive stand in both sums whatever they are. A margin leaves out nothing that is not a number.
#pragma once

#include "simt.hpp"

namespace simcse::cuda {

SIMT_DEVICE float infinity() { return float_of_bits(0x7f800000u); }
SIMT_DEVICE float lowest() { return float_of_bits(0xff800000u); }

// The exponential as the type's precision asks.
template <typename X>
SIMT_DEVICE float exponential(float x) {
  if constexpr (sizeof(X) == 2) {
    return exp2_fast(x * 1.44269504f);
  } else {
    return expf(x);
  }
}

// A panel of a block. Of the arrays, `inverse` is as long as the copies are filled up; others have `count` elements.
struct Panel {
  int count;
  const float *inverse;        // 1 / length of the copy
  const float *lse;            // backward: infinite where no anchor; null where none is one
  const float *limits;         // largest logits of negatives; null without a margin
  const int64_t *ids;          // null where all are different
  const int64_t *partner_ids;  // of a query's positive, of a key's first query; its own where it has none
};

struct Block {
  Panel rows, columns;
  const int32_t *targets;  // of the rows, among all columns; null in a block of one side against itself
  int first_column;        // of the panel
  int diagonal;            // column - row where `bias` is added: a query's own hard negative, a vector and itself
  float bias;
  float inverse_temperature;
};

// A row or a column, as its terms need it. kOptions as false trims what the plain loss has no use for.
struct Member {
  float inverse, lse, limit;
  int64_t id, partner_id;
};

template <bool kOptions>
SIMT_DEVICE Member member(const Panel &panel, int i) {
  Member m = {panel.inverse[i], infinity(), infinity(), 0, 0};
  if (i >= panel.count) return m;
  if (panel.lse != nullptr) m.lse = panel.lse[i];
  if constexpr (kOptions) {
    if (panel.limits != nullptr) m.limit = panel.limits[i];
    if (panel.ids != nullptr) {
      m.id = panel.ids[i];
      m.partner_id = panel.partner_ids[i];
    }
  }
  return m;
}

// Column of a row's positive in the block, or one that there is not.
SIMT_DEVICE int target_of(const Block &block, int row) {
  return block.targets != nullptr && row < block.rows.count ? block.targets[row] - block.first_column : -1;
}

// The logit of a pair but for a bias: the same bits whichever of the two is the row, so that what equals a positive is
// not above it.
SIMT_DEVICE float similarity_of(const Block &block, const Member &of_row, const Member &of_column, float product) {
  return product * (of_row.inverse * of_column.inverse * block.inverse_temperature);
}

// The logit of a pair as it stands in the sum of its row and of its column: the lowest number where it does not.
struct Terms {
  float row, column;
};

template <bool kOptions>
SIMT_DEVICE Terms terms_of(const Block &block, const Member &of_row, const Member &of_column, float product, int row,
                           int column, int target) {
  const float similarity = similarity_of(block, of_row, of_column, product);
  const float s = column - row == block.diagonal ? similarity + block.bias : similarity;
  if (column >= block.columns.count) return {lowest(), lowest()};
  if constexpr (kOptions) {
    if (row >= block.rows.count) return {lowest(), lowest()};
    if (column == target) return {s, s};
    if (block.rows.ids != nullptr && (of_column.id == of_row.id || of_column.id == of_row.partner_id ||
                                      of_column.partner_id == of_row.id)) {
      return {lowest(), lowest()};
    }
    return {similarity > of_row.limit ? lowest() : s, similarity > of_column.limit ? lowest() : s};
  }
  return {s, s};
}

// d loss / d logit, times the number of anchors.
template <typename X, bool kOptions>
SIMT_DEVICE float coefficient(const Block &block, const Member &of_row, const Member &of_column, const Terms &terms,
                              bool positive) {
  float c = exponential<X>(terms.row - of_row.lse) - (positive ? 1.0f : 0.0f);
  if constexpr (kOptions) {
    if (block.columns.lse != nullptr) {
      c += exponential<X>(terms.column - of_column.lse) - (positive ? 1.0f : 0.0f);
    }
  }
  return c;
}

// d loss / d product, times the number of anchors and what else is in `factor`; 0 in the filling.
template <typename X, bool kOptions>
SIMT_DEVICE float gradient_of(const Block &block, const Member &of_row, const Member &of_column, float product, int row,
                              int column, int target, float factor) {
  const Terms terms = terms_of<kOptions>(block, of_row, of_column, product, row, column, target);
  const float c = coefficient<X, kOptions>(block, of_row, of_column, terms, column == target);
  if (row >= block.rows.count || column >= block.columns.count) return 0.0f;
  return c * (factor * (of_row.inverse * of_column.inverse));
}

// log of the sum of exp(logit) in parts: the largest logit, and the sum of exp(logit - largest).
struct alignas(8) RunningSum {
  float best, total;
};

template <typename X>
SIMT_DEVICE RunningSum merged(const RunningSum &a, const RunningSum &b) {
  const float best = fmaxf(a.best, b.best);
  const float base = best == lowest() ? 0.0f : best;
  return {best, a.total * exponential<X>(a.best - base) + b.total * exponential<X>(b.best - base)};
}

}  // namespace simcse::cuda
