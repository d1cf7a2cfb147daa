// Backward: d_queries by panels of queries over all keys, d_keys on the way or in a sweep of their own.
#include "similarity_softmax.hpp"

#include "similarity_panels.hpp"

namespace simcse::cuda {

namespace {

constexpr char kName[] = "similarity_softmax_backward";

// What an anchor has of (probability - target) / (lengths of both copies) is at most 2^-14, and a pair has at most two
// anchors: with this factor it uses the range of f16, and probabilities down to 2^-38 leave a trace.
constexpr float kRange = 0x1p28f;

struct Memory {
  PanelMemory panels;
  int64_t g, row_sums, panel_sums, kept_sums, partners, bytes;
};

Memory memory_of(const SimilarityPlan &plan, const SimilarityShape &shape) {
  const bool one_sweep = shape.one_sweep(plan.row_panel);
  const int64_t row_sums = (int64_t)plan.splits * plan.row_panel * plan.columns * 4;
  const int64_t panel_sums = (int64_t)plan.column_panel * plan.columns * 4;
  const int64_t kept = one_sweep || plan.kept_in_gradient ? 0 : round_up(plan.kept_keys, plan.column_panel);
  Memory m = {};
  ScratchLayout layout;
  m.panels = panel_memory(layout, plan, shape);
  m.g = layout.take((int64_t)plan.row_panel * plan.column_panel * shape.element());
  // A sweep of their own needs the sums of keys when those of queries are done with.
  m.row_sums = layout.take(one_sweep || row_sums > panel_sums ? row_sums : panel_sums);
  m.panel_sums = one_sweep ? layout.take(panel_sums) : m.row_sums;
  m.kept_sums = layout.take(kept * plan.columns * 4);
  m.partners = layout.take(partner_bytes(shape));
  m.bytes = layout.bytes;
  return m;
}

// Where a block's sums go: null for none.
struct To {
  float *sums;
  bool add;  // to what blocks before have left there
  int splits;
};

template <typename T, typename X>
class Backward {
 public:
  Backward(const Queue &queue, const simcse_similarity_softmax_backward &args, const SimilarityPlan &plan)
      : queue_(queue),
        args_(args),
        plan_(plan),
        shape_(similarity_shape(args)),
        memory_(memory_of(plan, shape_)),
        partners_(partners_at(at<char>(memory_.partners), shape_)),
        sides_(with_lse(sides_of<T>(args, partners_), args)),
        pair_(kName, queue, args.hidden, plan, false, sides_, memory_.panels),
        one_sweep_(shape_.one_sweep(plan.row_panel)) {}

  Fault run() {
    Fault fault = shape_.margin ? pair_.find_limits(partners_.query_limits) : 0;
    if (fault == 0) fault = find_partners(kName, queue_, shape_, args_.targets, args_.contrast, partners_);
    for (int64_t i0 = 0; i0 < shape_.queries && fault == 0; i0 += plan_.row_panel) fault = queries_panel(i0);
    for (int64_t j0 = 0; !one_sweep_ && j0 < shape_.keys && fault == 0; j0 += plan_.column_panel) {
      fault = keys_panel(j0);
    }
    return fault;
  }

 private:
  static Sides<T> with_lse(Sides<T> sides, const simcse_similarity_softmax_backward &args) {
    sides.queries.lse = args.lse;
    sides.keys.lse = args.key_lse;
    return sides;
  }
  template <typename U>
  U *at(int64_t offset) const {
    return reinterpret_cast<U *>(static_cast<char *>(queue_.scratch) + offset);
  }
  bool kept(int64_t j0) const { return !one_sweep_ && j0 < plan_.kept_keys; }
  float *key_sums(int64_t j0) const {
    if (!kept(j0)) return at<float>(memory_.panel_sums);
    if (!plan_.kept_in_gradient) return at<float>(memory_.kept_sums) + j0 * plan_.columns;
    T *const second_panel = static_cast<T *>(args_.d_keys) + (int64_t)plan_.column_panel * args_.hidden;
    const int64_t first = round_up(reinterpret_cast<intptr_t>(second_panel), kSumAlignment);
    return reinterpret_cast<float *>(first) + j0 * plan_.columns;
  }

  // d_queries of a panel; of keys what this sweep keeps.
  Fault queries_panel(int64_t i0) {
    float *const sums = at<float>(memory_.row_sums);
    Fault fault = 0;
    for (int64_t j0 = 0; j0 < shape_.keys; j0 += plan_.column_panel) {
      float *const of_keys = one_sweep_ || kept(j0) ? key_sums(j0) : nullptr;
      fault = block(sides_.queries, i0, sides_.keys, j0, {sums, j0 > 0, plan_.splits}, {of_keys, i0 > 0, 1});
      const bool last = j0 + plan_.column_panel >= shape_.keys;
      if (fault == 0 && one_sweep_ && !(last && !shape_.same_side)) fault = finish(-1, j0);
      if (fault != 0) return fault;
    }
    for (int64_t j0 = 0; shape_.same_side && j0 < shape_.queries && fault == 0; j0 += plan_.row_panel) {
      fault = block(sides_.queries, i0, sides_.queries, j0, {sums, true, plan_.splits}, {});
    }
    if (fault != 0) return fault;
    const bool with_keys = one_sweep_ && !shape_.same_side;
    return finish(i0, with_keys ? (shape_.keys - 1) / plan_.column_panel * plan_.column_panel : -1);
  }

  // d_keys of a panel, in a sweep of their own.
  Fault keys_panel(int64_t j0) {
    float *const sums = key_sums(j0);
    Fault fault = 0;
    for (int64_t i0 = 0; !kept(j0) && i0 < shape_.queries && fault == 0; i0 += plan_.row_panel) {
      fault = block(sides_.queries, i0, sides_.keys, j0, {}, {sums, i0 > 0, 1});
    }
    for (int64_t i0 = 0; shape_.keys_with_keys() && i0 < shape_.keys && fault == 0; i0 += plan_.column_panel) {
      fault = block(sides_.keys, j0, sides_.keys, i0, {sums, true, 1}, {});
    }
    return fault == 0 ? finish(-1, j0) : fault;
  }

  Fault block(const Side<T> &rows, int64_t i0, const Side<T> &columns, int64_t j0, const To &of_rows,
              const To &of_columns) {
    Fault fault = pair_.take(rows, i0, columns, j0);
    if (fault != 0) return fault;
    X *const g = at<X>(memory_.g);
    const GradientTiles<X> tiles = {pair_.rows(),
                                    pair_.columns(),
                                    pair_.block(),
                                    plan_.columns,
                                    kRange,
                                    g,
                                    plan_.column_panel};
    fault = gradient_tiles<X>(queue_, plan_, !shape_.plain(), pair_.filled_rows(), pair_.filled_columns(),
                              tiles);
    if (fault != 0) return fault;
    const SumTiles<X> sums = {{g, plan_.column_panel},
                              pair_.rows(),
                              pair_.columns(),
                              pair_.filled_rows(),
                              pair_.filled_columns(),
                              plan_.columns,
                              0,
                              of_rows.sums != nullptr ? of_rows.splits : 1,
                              of_rows.sums,
                              stride(),
                              of_columns.sums,
                              of_rows.add,
                              of_columns.add};
    return sum_tiles<X>(queue_, plan_, of_rows.sums != nullptr, of_columns.sums != nullptr, sums);
  }

  int64_t stride() const { return (int64_t)plan_.row_panel * plan_.columns; }

  // The gradients of the panels that start at i0 and j0; -1 for none.
  Fault finish(int64_t i0, int64_t j0) {
    PanelGradient<T> of_queries = {}, of_keys = {};
    if (i0 >= 0) {
      of_queries = {sides_.queries.vectors + i0 * args_.hidden, args_.query_norm + i0,
                    panel_count(args_.queries_count, i0, plan_.row_panel), plan_.splits, at<float>(memory_.row_sums),
                    stride(), static_cast<T *>(args_.d_queries) + i0 * args_.hidden};
    }
    if (j0 >= 0) {
      of_keys = {sides_.keys.vectors + j0 * args_.hidden, args_.key_norm + j0,
                 panel_count(args_.keys_count, j0, plan_.column_panel), 1, key_sums(j0), 0,
                 static_cast<T *>(args_.d_keys) + j0 * args_.hidden};
    }
    const float terms = (shape_.both_directions ? 2.0f : 1.0f) * (float)args_.queries_count;
    const float factor = args_.loss_scale / (terms * args_.contrast.temperature) / kRange;
    return finish_panels<T>(kName, queue_, args_.hidden, plan_.columns, factor, of_queries, of_keys);
  }

  const Queue &queue_;
  const simcse_similarity_softmax_backward &args_;
  const SimilarityPlan &plan_;
  const SimilarityShape shape_;
  const Memory memory_;
  const Partners partners_;
  const Sides<T> sides_;
  PanelPair<T, X> pair_;
  const bool one_sweep_;
};

}  // namespace

int64_t similarity_backward_bytes(const SimilarityPlan &plan, const SimilarityShape &shape) {
  return memory_of(plan, shape).bytes;
}

int64_t similarity_softmax_backward_scratch(const SimilarityShape &shape) {
  return similarity_backward_bytes(similarity_backward_plan(shape, similarity_by_wgmma(shape)), shape);
}

Fault similarity_softmax_backward(const Queue &queue, const simcse_similarity_softmax_backward &args,
                                  const SimilarityPlan &plan) {
  return args.dtype == SIMCSE_BF16 ? Backward<bf16, f16>(queue, args, plan).run()
                                   : Backward<float, float>(queue, args, plan).run();
}

Fault similarity_softmax_backward(const Queue &queue, const simcse_similarity_softmax_backward &args) {
  const SimilarityShape shape = similarity_shape(args);
  return similarity_softmax_backward(queue, args, similarity_backward_plan(shape, similarity_by_wgmma(shape)));
}

}  // namespace simcse::cuda
