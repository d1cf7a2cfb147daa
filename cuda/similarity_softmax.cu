// Forward: a running sum for each query, and with both directions for each key, which blocks add to in order.
#include "similarity_softmax.hpp"

#include "similarity_panels.hpp"

namespace simcse::cuda {

namespace {

constexpr char kName[] = "similarity_softmax_forward";
constexpr int kThreads = 256;  // that finish rows, one each
constexpr int kWarps = 8;      // that share out the parts of a sum

// Parts (count, pitch) of `rows` sums, in an order of their own number, onto what is there or in its place.
template <typename X>
SIMT_KERNEL(kWarps *kWarp)
merge_parts(const RunningSum *parts, int count, int pitch, int rows, RunningSum *to, bool add) {
  using Sums = RunningSum[kWarp];
  SIMT_SHARED(Sums, of_warps, kWarps);
  const int row = block_x() * kWarp + lane();
  RunningSum sum = {lowest(), 0.0f};
  if (row < rows) {
    for (int part = warp(); part < count; part += kWarps) sum = merged<X>(sum, parts[(int64_t)part * pitch + row]);
  }
  of_warps[warp()][lane()] = sum;
  sync_block();
  if (warp() > 0 || row >= rows) return;
  SIMT_UNROLL for (int w = 1; w < kWarps; w++) sum = merged<X>(sum, of_warps[w][lane()]);
  to[row] = add ? merged<X>(to[row], sum) : sum;
}

struct Finish {
  const RunningSum *query_sums, *key_sums;  // those of keys with both directions, else null
  const float *target_logits;
  const int32_t *targets, *first_query;
  int64_t queries, keys;
  float *lse, *key_lse;
  float *losses;  // one for each block
};

// Not lse - target: lse is of the size 1 / temperature, and rounding it would cost the digits of a small loss.
SIMT_DEVICE float loss_of(const RunningSum &sum, float target_logit) {
  return (sum.best - target_logit) + logf(sum.total);
}

// lse of the queries, and the sum of a block's losses.
SIMT_KERNEL(kThreads) finish_queries(Finish a) {
  SIMT_SHARED(float, sums, kWarp);
  const int64_t i = (int64_t)block_x() * kThreads + thread();
  float loss = 0.0f;
  if (i < a.queries) {
    const RunningSum sum = a.query_sums[i];
    a.lse[i] = sum.best + logf(sum.total);
    loss = loss_of(sum, a.target_logits[i]);
    const int64_t target = a.targets[i];
    if (a.key_sums != nullptr && target >= 0 && target < a.keys) {
      loss += loss_of(a.key_sums[target], a.target_logits[i]);
    }
  }
  loss = block_sum(loss, sums);
  if (thread() == 0) a.losses[block_x()] = loss;
}

SIMT_KERNEL(kThreads) finish_keys(Finish a) {
  const int64_t j = (int64_t)block_x() * kThreads + thread();
  if (j >= a.keys) return;
  a.key_lse[j] = a.first_query[j] == kNoQuery ? infinity() : a.key_sums[j].best + logf(a.key_sums[j].total);
}

SIMT_KERNEL(kThreads) mean_loss(const float *losses, int count, float terms, float *loss) {
  SIMT_SHARED(float, sums, kWarp);
  float total = 0.0f;
  for (int i = thread(); i < count; i += kThreads) total += losses[i];
  total = block_sum(total, sums);
  if (thread() == 0) *loss = total / terms;
}

// --- host ---

struct Memory {
  PanelMemory panels;
  int64_t row_parts, column_parts, query_sums, key_sums, target_logits, losses, partners, bytes;
};

int column_parts(const SimilarityShape &shape, int tile, int rows) {
  return rows / tile * (shape.dtype == SIMCSE_BF16 ? kWarpsDown<f16> : kWarpsDown<float>);
}

Memory memory_of(const SimilarityPlan &plan, const SimilarityShape &shape) {
  constexpr int64_t kSum = (int64_t)sizeof(RunningSum);
  const bool columns = shape.both_directions || shape.same_side;
  Memory m = {};
  ScratchLayout layout;
  m.panels = panel_memory(layout, plan, shape);
  m.row_parts = layout.take((int64_t)plan.ranges * plan.row_panel * kSum);
  const int64_t parts = columns ? column_parts(shape, plan.logit_tile, plan.row_panel) : 0;
  m.column_parts = layout.take(parts * plan.column_panel * kSum);
  m.query_sums = layout.take(shape.queries * kSum);
  m.key_sums = layout.take(shape.both_directions ? shape.keys * kSum : 0);
  m.target_logits = layout.take(shape.queries * 4);
  m.losses = layout.take(ceil_divide(shape.queries, kThreads) * 4);
  m.partners = layout.take(partner_bytes(shape));
  m.bytes = layout.bytes;
  return m;
}

template <typename T, typename X>
class Forward {
 public:
  Forward(const Queue &queue, const simcse_similarity_softmax_forward &args, const SimilarityPlan &plan)
      : queue_(queue),
        args_(args),
        plan_(plan),
        shape_(similarity_shape(args)),
        memory_(memory_of(plan, shape_)),
        partners_(partners_at(at<char>(memory_.partners), shape_)),
        sides_(sides_of<T>(args, partners_)),
        pair_(kName, queue, args.hidden, plan, true, sides_, memory_.panels) {}

  Fault run() {
    const int panel = plan_.row_panel;
    Fault fault = shape_.margin ? pair_.find_limits(partners_.query_limits) : 0;
    if (fault == 0) fault = find_partners(kName, queue_, shape_, args_.targets, args_.contrast, partners_);
    for (int64_t i0 = 0; i0 < shape_.queries && fault == 0; i0 += panel) fault = queries_panel(i0);
    for (int64_t j0 = 0; shape_.keys_with_keys() && j0 < shape_.keys && fault == 0; j0 += panel) {
      fault = same_side(sides_.keys, j0, false, true);
      if (fault == 0) fault = merge_rows(sides_.keys, j0, true);
    }
    return fault == 0 ? finish() : fault;
  }

 private:
  template <typename U>
  U *at(int64_t offset) const {
    return reinterpret_cast<U *>(static_cast<char *>(queue_.scratch) + offset);
  }
  RunningSum *sums_of(const Side<T> &side) const {
    return at<RunningSum>(&side == &sides_.queries ? memory_.query_sums : memory_.key_sums);
  }

  Fault queries_panel(int64_t i0) {
    for (int64_t j0 = 0; j0 < shape_.keys; j0 += plan_.column_panel) {
      const Fault fault = block(sides_.queries, i0, sides_.keys, j0, j0 == 0, shape_.both_directions, i0 > 0);
      if (fault != 0) return fault;
    }
    if (shape_.same_side) {
      const Fault fault = same_side(sides_.queries, i0, true, i0 > 0);
      if (fault != 0) return fault;
    }
    return merge_rows(sides_.queries, i0, shape_.same_side && i0 > 0);
  }

  // The panels of a side from i0 on against the one at i0: those before have served it by their columns.
  Fault same_side(const Side<T> &side, int64_t i0, bool merge, bool add) {
    Fault fault = 0;
    for (int64_t j0 = i0; j0 < side.count && fault == 0; j0 += plan_.row_panel) {
      fault = block(side, i0, side, j0, !merge && j0 == i0, j0 > i0, add);
    }
    return fault;
  }

  // `first` block of these rows; `columns` are anchors too, whose sums are added to those of blocks before.
  Fault block(const Side<T> &rows, int64_t i0, const Side<T> &columns, int64_t j0, bool first, bool of_columns,
              bool add_columns) {
    Fault fault = pair_.take(rows, i0, columns, j0);
    if (fault != 0) return fault;
    const LogitTiles<X> tiles = {pair_.rows(),
                                 pair_.columns(),
                                 pair_.block(),
                                 plan_.columns,
                                 plan_.tiles_of_range,
                                 plan_.ranges,
                                 first,
                                 at<RunningSum>(memory_.row_parts),
                                 plan_.row_panel,
                                 of_columns ? at<RunningSum>(memory_.column_parts) : nullptr,
                                 plan_.column_panel,
                                 at<float>(memory_.target_logits) + (&rows == &sides_.queries ? i0 : 0)};
    fault = logit_tiles<X>(queue_, plan_, !shape_.plain(), pair_.filled_rows(), tiles);
    if (fault != 0 || !of_columns) return fault;
    return merge(tiles.column_parts, column_parts(shape_, plan_.logit_tile, pair_.filled_rows()), plan_.column_panel,
                 pair_.columns_count(), sums_of(columns) + j0, add_columns);
  }

  Fault merge_rows(const Side<T> &side, int64_t i0, bool add) {
    return merge(at<RunningSum>(memory_.row_parts), plan_.ranges, plan_.row_panel, pair_.rows_count(),
                 sums_of(side) + i0, add);
  }

  Fault merge(const RunningSum *parts, int count, int pitch, int rows, RunningSum *to, bool add) {
    Geometry geometry;
    geometry.x = (unsigned)ceil_divide(rows, kWarp);
    geometry.threads = kWarps * kWarp;
    return launch(kName, merge_parts<X>, geometry, queue_.stream, parts, count, pitch, rows, to, add);
  }

  Fault finish() {
    const bool both = shape_.both_directions;
    const Finish a = {sums_of(sides_.queries), both ? sums_of(sides_.keys) : nullptr, at<float>(memory_.target_logits),
                      args_.targets, partners_.first_query, shape_.queries, shape_.keys, args_.lse, args_.key_lse,
                      at<float>(memory_.losses)};
    Geometry geometry;
    geometry.threads = kThreads;
    if (both) {
      geometry.x = (unsigned)ceil_divide(shape_.keys, kThreads);
      const Fault fault = launch(kName, finish_keys, geometry, queue_.stream, a);
      if (fault != 0) return fault;
    }
    geometry.x = (unsigned)ceil_divide(shape_.queries, kThreads);
    const int parts = (int)geometry.x;
    const Fault fault = launch(kName, finish_queries, geometry, queue_.stream, a);
    if (fault != 0) return fault;
    geometry.x = 1;
    return launch(kName, mean_loss, geometry, queue_.stream, static_cast<const float *>(a.losses), parts,
                  (both ? 2.0f : 1.0f) * (float)shape_.queries, args_.loss);
  }

  const Queue &queue_;
  const simcse_similarity_softmax_forward &args_;
  const SimilarityPlan &plan_;
  const SimilarityShape shape_;
  const Memory memory_;
  const Partners partners_;
  const Sides<T> sides_;
  PanelPair<T, X> pair_;
};

}  // namespace

int64_t similarity_forward_bytes(const SimilarityPlan &plan, const SimilarityShape &shape) {
  return memory_of(plan, shape).bytes;
}

int64_t similarity_softmax_forward_scratch(const SimilarityShape &shape) {
  return similarity_forward_bytes(similarity_forward_plan(shape, similarity_by_wgmma(shape)), shape);
}

Fault similarity_softmax_forward(const Queue &queue, const simcse_similarity_softmax_forward &args,
                                 const SimilarityPlan &plan) {
  return args.dtype == SIMCSE_BF16 ? Forward<bf16, f16>(queue, args, plan).run()
                                   : Forward<float, float>(queue, args, plan).run();
}

Fault similarity_softmax_forward(const Queue &queue, const simcse_similarity_softmax_forward &args) {
  const SimilarityShape shape = similarity_shape(args);
  return similarity_softmax_forward(queue, args, similarity_forward_plan(shape, similarity_by_wgmma(shape)));
}

}  // namespace simcse::cuda
