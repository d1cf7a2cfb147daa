// Forward: blocks go through ranges of key tiles with a running sum for each of their rows.
#include "similarity_softmax.hpp"

#include "similarity_rows.hpp"
#include "similarity_tile.hpp"

namespace simcse::cuda {

namespace {

constexpr char kName[] = "similarity_softmax_forward";
constexpr int kThreads = 256;  // that finish rows, one each

template <typename X>
struct Tiles {
  Matrix<X> queries, keys;
  Logits logits;
  int depth;           // columns of the copies
  int tiles_of_range;  // of keys, for a block
  bool first;          // panel of keys for these queries
  RunningSum *partials;  // (ranges, pitch)
  int pitch;             // rows of a panel
  float *target_logits;  // (rows)
};

// The running sums of a thread's rows over its warp's columns: the lanes of a row share them out.
template <typename X, int kTile>
constexpr int kHeldRows = (Part<X, kTile>::kRows + Part<X, kTile>::kLanes - 1) / Part<X, kTile>::kLanes;

template <typename X, int kTile>
SIMT_DEVICE bool holds_row(int r) {
  return lane() % Part<X, kTile>::kLanes == r / kHeldRows<X, kTile>;
}

// A tile's logits into the running sums of its rows.
template <typename X, int kTile, typename Product>
SIMT_DEVICE void take_tile(const Tiles<X> &a, const Product &product, int first_row, int first_column,
                           RunningSum (&sums)[kHeldRows<X, kTile>]) {
  using P = Part<X, kTile>;
  SIMT_UNROLL for (int r = 0; r < P::kRows; r++) {
    const int row = first_row + P::row(r);
    const float query_inverse = a.logits.query_inverse[row];
    const int target = row < a.logits.rows ? a.logits.targets[row] - a.logits.first_key : -1;
    float s[P::kColumns];
    float best = lowest();
    SIMT_UNROLL for (int c = 0; c < P::kColumns; c++) {
      const int column = first_column + P::column(c);
      s[c] = logit(a.logits, product.get(r, c), query_inverse * a.logits.key_inverse[column], row, column);
      best = fmaxf(best, s[c]);
      if (column == target) a.target_logits[row] = s[c];
    }
    SIMT_UNROLL for (int step = 1; step < P::kLanes; step *= 2) best = fmaxf(best, shuffle_xor(best, step));
    const float base = best == lowest() ? 0.0f : best;
    float total = 0.0f;
    SIMT_UNROLL for (int c = 0; c < P::kColumns; c++) total += exponential<X>(s[c] - base);
    SIMT_UNROLL for (int step = 1; step < P::kLanes; step *= 2) total += shuffle_xor(total, step);
    RunningSum &sum = sums[r % kHeldRows<X, kTile>];
    if (holds_row<X, kTile>(r)) sum = merged<X>(sum, {best, total});
  }
}

// The running sums of a row's warps, in order, and of the panels before.
template <typename X, int kTile>
SIMT_DEVICE void store_sums(const Tiles<X> &a, int first_row, const RunningSum (&sums)[kHeldRows<X, kTile>]) {
  using P = Part<X, kTile>;
  RunningSum *const of_warps = dynamic_shared<RunningSum>();  // (kWarps, kTile)
  SIMT_UNROLL for (int r = 0; r < P::kRows; r++) {
    if (holds_row<X, kTile>(r)) of_warps[P::warp_of_row() * kTile + P::row(r)] = sums[r % kHeldRows<X, kTile>];
  }
  sync_block();
  if (thread() >= kTile) return;
  RunningSum sum = of_warps[thread()];
  SIMT_UNROLL for (int w = 1; w < P::kWarps; w++) sum = merged<X>(sum, of_warps[w * kTile + thread()]);
  RunningSum *const to = a.partials + (int64_t)block_y() * a.pitch + first_row + thread();
  *to = a.first ? sum : merged<X>(*to, sum);
}

template <typename X, int kTile>
SIMT_KERNEL((kTileThreads<X, kTile>), kTileBlocks<X>) logit_tiles(Tiles<X> a) {
  const int first_row = block_x() * kTile;
  const int first_tile = block_y() * a.tiles_of_range;
  const int all_tiles = (a.logits.columns + kTile - 1) / kTile;
  const int tiles = all_tiles - first_tile < a.tiles_of_range ? all_tiles - first_tile : a.tiles_of_range;
  int load_depth = 0, load_column = first_tile * kTile;
  int depth = 0, column = first_tile * kTile;
  RunningSum sums[kHeldRows<X, kTile>];
  SIMT_UNROLL for (int i = 0; i < kHeldRows<X, kTile>; i++) sums[i] = {lowest(), 0.0f};
  TileProduct<X, kTile, false, false> product;
  // The tiles of a range are one long product, so that copies for the next are on their way during the exponentials.
  multiply<X, kTile>(
      product, tiles < 0 ? 0 : tiles * (a.depth / kDepth<X>),
      [&](int, X *queries, X *keys) {
        StagedTile<X, kTile, false>::load(queries, a.queries, first_row, load_depth);
        StagedTile<X, kTile, false>::load(keys, a.keys, load_column, load_depth);
        load_depth += kDepth<X>;
        if (load_depth < a.depth) return;
        load_depth = 0;
        load_column += kTile;
      },
      [&](int) {
        depth += kDepth<X>;
        if (depth < a.depth) return;
        take_tile<X, kTile>(a, product, first_row, column, sums);
        product.clear();
        depth = 0;
        column += kTile;
      });
  store_sums<X, kTile>(a, first_row, sums);
}

// lse of a panel's queries, and the sum of a block's losses.
template <typename X>
SIMT_KERNEL(kThreads)
finish_rows(const RunningSum *partials, int ranges, int pitch, const float *target_logits, int rows, float *lse,
            float *losses) {
  SIMT_SHARED(float, sums, kWarp);
  const int row = block_x() * kThreads + thread();
  float loss = 0.0f;
  if (row < rows) {
    RunningSum sum = partials[row];
    for (int range = 1; range < ranges; range++) sum = merged<X>(sum, partials[(int64_t)range * pitch + row]);
    const float rest = logf(sum.total);
    lse[row] = sum.best + rest;
    // Not lse - target: lse is of the size 1 / temperature, and rounding it would cost the digits of a small loss.
    loss = (sum.best - target_logits[row]) + rest;
  }
  loss = block_sum(loss, sums);
  if (thread() == 0) losses[block_x()] = loss;
}

SIMT_KERNEL(kThreads) mean_loss(const float *losses, int count, float queries, float *loss) {
  SIMT_SHARED(float, sums, kWarp);
  float total = 0.0f;
  for (int i = thread(); i < count; i += kThreads) total += losses[i];
  total = block_sum(total, sums);
  if (thread() == 0) *loss = total / queries;
}

// --- host ---

struct Memory {
  int64_t query_copy, key_copy, query_inverse, key_inverse, partials, target_logits, losses, bytes;
};

Memory memory_of(const SimilarityPlan &plan, simcse_dtype dtype, int64_t queries) {
  const int64_t size = dtype == SIMCSE_BF16 ? 2 : 4;
  Memory m = {};
  const auto take = [&m](int64_t bytes) {
    const int64_t at = m.bytes;
    m.bytes += round_up(bytes, 256);
    return at;
  };
  m.query_copy = take((int64_t)plan.query_panel * plan.columns * size);
  m.key_copy = take((int64_t)plan.key_panel * plan.columns * size);
  m.query_inverse = take(plan.query_panel * 4);
  m.key_inverse = take(plan.key_panel * 4);
  m.partials = take((int64_t)plan.ranges * plan.query_panel * (int64_t)sizeof(RunningSum));
  m.target_logits = take(plan.query_panel * 4);
  m.losses = take((ceil_divide(queries, plan.query_panel) * ceil_divide(plan.query_panel, kThreads)) * 4);
  return m;
}

template <typename T, typename X>
Fault forward(const Queue &queue, const simcse_similarity_softmax_forward &args, const SimilarityPlan &plan) {
  const Memory memory = memory_of(plan, args.dtype, args.queries_count);
  const auto at = [&queue](int64_t offset) { return static_cast<char *>(queue.scratch) + offset; };
  X *const query_copy = reinterpret_cast<X *>(at(memory.query_copy));
  X *const key_copy = reinterpret_cast<X *>(at(memory.key_copy));
  float *const query_inverse = reinterpret_cast<float *>(at(memory.query_inverse));
  float *const key_inverse = reinterpret_cast<float *>(at(memory.key_inverse));
  RunningSum *const partials = reinterpret_cast<RunningSum *>(at(memory.partials));
  float *const target_logits = reinterpret_cast<float *>(at(memory.target_logits));
  float *const losses = reinterpret_cast<float *>(at(memory.losses));
  const int tile = plan.logit_tile;
  const T *const queries = static_cast<const T *>(args.queries);
  const T *const keys = static_cast<const T *>(args.keys);
  int parts = 0;
  for (int64_t i0 = 0; i0 < args.queries_count; i0 += plan.query_panel) {
    const int rows = panel_count(args.queries_count, i0, plan.query_panel);
    for (int64_t j0 = 0; j0 < args.keys_count; j0 += plan.key_panel) {
      const int columns = panel_count(args.keys_count, j0, plan.key_panel);
      const bool copied = i0 > 0 && args.keys_count <= plan.key_panel;  // still there from the last panel of queries
      Fault fault = copy_panels<T, X>(
          kName, queue, args.hidden, plan.columns, true,
          {queries + i0 * args.hidden, args.query_norm + i0, rows, j0 == 0 ? (int)round_up(rows, tile) : 0,
           1.0f / args.contrast.temperature, query_copy, query_inverse},
          {keys + j0 * args.hidden, args.key_norm + j0, columns, copied ? 0 : (int)round_up(columns, tile), 1.0f,
           key_copy, key_inverse});
      if (fault != 0) return fault;
      const Tiles<X> tiles = {{query_copy, plan.columns},
                              {key_copy, plan.columns},
                              {rows, columns, (int)j0, query_inverse, key_inverse, args.targets + i0,
                               own_column(args.contrast, i0, j0), args.contrast.own_negative_bias},
                              plan.columns,
                              plan.tiles_of_range,
                              j0 == 0,
                              partials,
                              plan.query_panel,
                              target_logits};
      fault = by_tile<X>(tile, [&](auto size) {
        constexpr int kTile = decltype(size)::kTile;
        return launch(kName, logit_tiles<X, kTile>, tile_geometry<X, kTile>(ceil_divide(rows, tile), plan.ranges),
                      queue.stream, tiles);
      });
      if (fault != 0) return fault;
    }
    Geometry geometry;
    geometry.x = (unsigned)ceil_divide(rows, kThreads);
    geometry.threads = kThreads;
    const Fault fault =
        launch(kName, finish_rows<X>, geometry, queue.stream, static_cast<const RunningSum *>(partials), plan.ranges,
               plan.query_panel, static_cast<const float *>(target_logits), rows, args.lse + i0, losses + parts);
    if (fault != 0) return fault;
    parts += (int)geometry.x;
  }
  Geometry one;
  one.threads = kThreads;
  return launch(kName, mean_loss, one, queue.stream, static_cast<const float *>(losses), parts,
                (float)args.queries_count, args.loss);
}

}  // namespace

int64_t similarity_forward_bytes(const SimilarityPlan &plan, simcse_dtype dtype, int64_t queries) {
  return memory_of(plan, dtype, queries).bytes;
}

int64_t similarity_softmax_forward_scratch(simcse_dtype dtype, int hidden, int64_t queries, int64_t keys) {
  return similarity_forward_bytes(similarity_forward_plan(dtype, hidden, queries, keys), dtype, queries);
}

Fault similarity_softmax_forward(const Queue &queue, const simcse_similarity_softmax_forward &args,
                                 const SimilarityPlan &plan) {
  return args.dtype == SIMCSE_BF16 ? forward<bf16, f16>(queue, args, plan) : forward<float, float>(queue, args, plan);
}

Fault similarity_softmax_forward(const Queue &queue, const simcse_similarity_softmax_forward &args) {
  return similarity_softmax_forward(
      queue, args, similarity_forward_plan(args.dtype, args.hidden, args.queries_count, args.keys_count));
}

}  // namespace simcse::cuda
