// The host side of a block of similarity_softmax: both sides of the comparison, and the copies of the two panels that
// are at hand in scratch memory.
#pragma once

#include "similarity_kernels.hpp"
#include "similarity_partners.hpp"
#include "similarity_rows.hpp"

namespace simcse::cuda {

// Scratch memory, one array behind the other.
struct ScratchLayout {
  int64_t bytes = 0;

  int64_t take(int64_t more) {
    const int64_t at = bytes;
    bytes += round_up(more, 256);
    return at;
  }
};

// The products of a block, by the plan's instructions.
template <typename X>
Fault logit_tiles(const Queue &queue, const SimilarityPlan &plan, bool options, int rows, const LogitTiles<X> &tiles) {
  if constexpr (sizeof(X) == 2) {
    if (plan.wgmma) return wgmma_logit_tiles(queue, options, rows, tiles);
  }
  return logit_tiles<X>(queue, plan.logit_tile, options, rows, tiles);
}
template <typename X>
Fault limit_tiles(const char *name, const Queue &queue, const SimilarityPlan &plan, int rows,
                  const LimitTiles<X> &tiles) {
  if constexpr (sizeof(X) == 2) {
    if (plan.wgmma) return wgmma_limit_tiles(name, queue, rows, tiles);
  }
  return limit_tiles<X>(name, queue, plan.logit_tile, rows, tiles);
}
template <typename X>
Fault gradient_tiles(const Queue &queue, const SimilarityPlan &plan, bool options, int rows, int columns,
                     const GradientTiles<X> &tiles) {
  if constexpr (sizeof(X) == 2) {
    if (plan.wgmma) return wgmma_gradient_tiles(queue, options, rows, columns, tiles);
  }
  return gradient_tiles<X>(queue, plan.logit_tile, options, rows, columns, tiles);
}
template <typename X>
Fault sum_tiles(const Queue &queue, const SimilarityPlan &plan, bool of_rows, bool of_columns,
                const SumTiles<X> &tiles) {
  if constexpr (sizeof(X) == 2) {
    if (plan.wgmma) return wgmma_sum_tiles(queue, plan.gradient_columns, of_rows, of_columns, tiles);
  }
  return sum_tiles<X>(queue, plan.gradient_tile, of_rows, of_columns, tiles);
}

// Queries or keys.
template <typename T>
struct Side {
  const T *vectors;
  float *norms;
  int64_t count;
  const float *lse;  // backward; null where the side has no anchors
  const float *limits;
  const int64_t *ids, *partner_ids;
};

// What both passes see of a call.
template <typename T>
struct Sides {
  Side<T> queries, keys;
  const int32_t *targets;
  const simcse_contrast *contrast;
};

template <typename T, typename Arguments>
Sides<T> sides_of(const Arguments &a, const Partners &partners) {
  return {{static_cast<const T *>(a.queries), const_cast<float *>(a.query_norm), a.queries_count, nullptr,
           partners.query_limits, a.contrast.query_ids, partners.query_ids},
          {static_cast<const T *>(a.keys), const_cast<float *>(a.key_norm), a.keys_count, nullptr, partners.key_limits,
           a.contrast.key_ids, partners.key_ids},
          a.targets,
          &a.contrast};
}

struct PanelMemory {
  int64_t row_copy, column_copy, row_inverse, column_inverse;
};
inline PanelMemory panel_memory(ScratchLayout &layout, const SimilarityPlan &plan, const SimilarityShape &shape) {
  PanelMemory m = {};
  m.row_copy = layout.take((int64_t)plan.row_panel * plan.columns * shape.element());
  m.column_copy = layout.take((int64_t)plan.column_panel * plan.columns * shape.element());
  m.row_inverse = layout.take(plan.row_panel * 4);
  m.column_inverse = layout.take(plan.column_panel * 4);
  return m;
}

// The block at hand. Panels are copied when they come, and stay until others take their place.
template <typename T, typename X>
class PanelPair {
 public:
  PanelPair(const char *name, const Queue &queue, int hidden, const SimilarityPlan &plan, bool measure,
            const Sides<T> &sides, const PanelMemory &memory)
      : name_(name), queue_(queue), hidden_(hidden), plan_(plan), measure_(measure), sides_(sides) {
    char *const scratch = static_cast<char *>(queue.scratch);
    rows_.copy = reinterpret_cast<X *>(scratch + memory.row_copy);
    columns_.copy = reinterpret_cast<X *>(scratch + memory.column_copy);
    rows_.inverse = reinterpret_cast<float *>(scratch + memory.row_inverse);
    columns_.inverse = reinterpret_cast<float *>(scratch + memory.column_inverse);
  }

  // Takes the block of the rows from i0 on and the columns from j0 on.
  Fault take(const Side<T> &rows, int64_t i0, const Side<T> &columns, int64_t j0) {
    const PanelCopy<T, X> row_copy = newly(rows_, rows, i0, plan_.row_panel);
    const PanelCopy<T, X> column_copy = newly(columns_, columns, j0, plan_.column_panel);
    if (row_copy.filled + column_copy.filled == 0) return 0;
    return copy_panels<T, X>(name_, queue_, hidden_, plan_.columns, measure_, row_copy, column_copy);
  }

  // The limits of all queries, panel by panel with their positives in place of columns.
  Fault find_limits(float *limits) {
    const int panel = plan_.row_panel < plan_.column_panel ? plan_.row_panel : plan_.column_panel;
    for (int64_t i0 = 0; i0 < sides_.queries.count; i0 += panel) {
      const PanelCopy<T, X> row_copy = newly(rows_, sides_.queries, i0, panel);
      PanelCopy<T, X> positives = row_copy;
      positives.vectors = sides_.keys.vectors;
      positives.norms = nullptr;
      positives.copy = columns_.copy;
      positives.inverse = columns_.inverse;
      positives.picked = sides_.targets + i0;
      positives.all = sides_.keys.count;
      Fault fault = copy_panels<T, X>(name_, queue_, hidden_, plan_.columns, measure_, row_copy, {});
      if (fault == 0) fault = copy_panels<T, X>(name_, queue_, hidden_, plan_.columns, true, {}, positives);
      if (fault != 0) return fault;
      const LimitTiles<X> tiles = {rows(),
                                   columns(),
                                   {{row_copy.count, rows_.inverse, nullptr, nullptr, nullptr, nullptr},
                                    {row_copy.count, columns_.inverse, nullptr, nullptr, nullptr, nullptr},
                                    nullptr, 0, kNoDiagonal, 0.0f, inverse_temperature()},
                                   plan_.columns,
                                   sides_.contrast->false_negative_margin,
                                   limits + i0};
      fault = limit_tiles<X>(name_, queue_, plan_, row_copy.filled, tiles);
      if (fault != 0) return fault;
    }
    rows_.side = columns_.side = nullptr;
    return 0;
  }

  Matrix<X> rows() const { return {rows_.copy, plan_.columns}; }
  Matrix<X> columns() const { return {columns_.copy, plan_.columns}; }
  int filled_rows() const { return filled(rows_.count); }
  int filled_columns() const { return filled(columns_.count); }
  int columns_count() const { return columns_.count; }
  int rows_count() const { return rows_.count; }

  Block block() const {
    const simcse_contrast &contrast = *sides_.contrast;
    Block block = {panel(rows_), panel(columns_), nullptr, 0, kNoDiagonal, 0.0f, inverse_temperature()};
    if (rows_.side == columns_.side) {
      block.diagonal = diagonal(rows_.first - columns_.first);
      block.bias = -INFINITY;
      return block;
    }
    block.targets = sides_.targets + rows_.first;
    block.first_column = (int)columns_.first;
    if (contrast.own_negative_bias != 0.0f) {
      block.diagonal = diagonal(contrast.own_negative_offset + rows_.first - columns_.first);
      block.bias = contrast.own_negative_bias;
    }
    return block;
  }

 private:
  struct Held {
    const Side<T> *side = nullptr;
    int64_t first = 0;
    int count = 0;
    X *copy = nullptr;
    float *inverse = nullptr;
  };

  float inverse_temperature() const { return 1.0f / sides_.contrast->temperature; }
  int filled(int count) const {
    if (plan_.wgmma) return (int)round_up(count, plan_.logit_columns);
    return (int)round_up(count, plan_.logit_tile > plan_.gradient_tile ? plan_.logit_tile : plan_.gradient_tile);
  }

  // What is to be copied for a panel to be held: nothing if it is already.
  PanelCopy<T, X> newly(Held &held, const Side<T> &side, int64_t first, int panel) const {
    PanelCopy<T, X> copy = {side.vectors, side.norms, 0, 0, held.copy, held.inverse, nullptr, 0, plan_.wgmma};
    if (held.side == &side && held.first == first) return copy;
    held.side = &side;
    held.first = first;
    held.count = panel_count(side.count, first, panel);
    copy.vectors += first * hidden_;
    copy.norms += first;
    copy.count = held.count;
    copy.filled = filled(held.count);
    return copy;
  }

  static Panel panel(const Held &held) {
    const Side<T> &side = *held.side;
    const auto from = [&held](auto *array) { return array == nullptr ? nullptr : array + held.first; };
    return {held.count, held.inverse, from(side.lse), from(side.limits), from(side.ids), from(side.partner_ids)};
  }

  const char *const name_;
  const Queue &queue_;
  const int hidden_;
  const SimilarityPlan &plan_;
  const bool measure_;
  const Sides<T> &sides_;
  Held rows_, columns_;
};

}  // namespace simcse::cuda
