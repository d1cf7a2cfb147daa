// Backward: G = d loss / d products of a pair of panels into scratch memory, then sums over G times vectors.
#include "similarity_rows.hpp"
#include "similarity_softmax.hpp"
#include "similarity_tile.hpp"

namespace simcse::cuda {

namespace {

constexpr char kName[] = "similarity_softmax_backward";

// (probability - target) / (lengths of both copies) is at most 2^-14: with this factor it uses the range of f16, and
// probabilities down to 2^-38 leave a trace.
constexpr float kRange = 0x1p28f;

// --- G ---

template <typename X>
struct Tiles {
  Matrix<X> queries, keys;
  Logits logits;
  int depth;         // columns of the copies
  const float *lse;  // (rows)
  float factor;      // temperature * kRange
  X *g;              // (panel of queries, pitch)
  int64_t pitch;
};

SIMT_DEVICE void store_neighbours(f16 *to, const float (&x)[2]) {
  const Words<1> pair = {{pack_f16(x[0], x[1])}};
  store_words<1>(to, pair);
}
SIMT_DEVICE void store_neighbours(float *to, const float (&x)[1]) { *to = x[0]; }

template <typename X, int kTile>
SIMT_KERNEL((kTileThreads<X, kTile>), kTileBlocks<X>) gradient_of_products(Tiles<X> a) {
  using P = Part<X, kTile>;
  const int first_row = block_x() * kTile;
  const int first_column = block_y() * kTile;
  TileProduct<X, kTile, false, false> product;
  multiply<X, kTile>(
      product, a.depth / kDepth<X>,
      [&](int step, X *queries, X *keys) {
        StagedTile<X, kTile, false>::load(queries, a.queries, first_row, step * kDepth<X>);
        StagedTile<X, kTile, false>::load(keys, a.keys, first_column, step * kDepth<X>);
      },
      [](int) {});
  float key_inverse[P::kColumns];
  SIMT_UNROLL for (int c = 0; c < P::kColumns; c++) key_inverse[c] = a.logits.key_inverse[first_column + P::column(c)];
  SIMT_UNROLL for (int r = 0; r < P::kRows; r++) {
    const int row = first_row + P::row(r);
    const bool there = row < a.logits.rows;
    const float query_inverse = a.logits.query_inverse[row];
    const float lse = there ? a.lse[row] : 0.0f;
    const int target = there ? a.logits.targets[row] - a.logits.first_key : -1;
    SIMT_UNROLL for (int c = 0; c < P::kColumns; c += P::kNeighbours) {
      float g[P::kNeighbours];
      SIMT_UNROLL for (int k = 0; k < P::kNeighbours; k++) {
        const int column = first_column + P::column(c + k);
        const float scale = query_inverse * key_inverse[c + k];
        const float s = logit(a.logits, product.get(r, c + k), scale, row, column);
        const float probability = exponential<X>(s - lse);
        g[k] = (column == target ? probability - 1.0f : probability) * (a.factor * scale);
        if (!there || column >= a.logits.columns) g[k] = 0.0f;
      }
      store_neighbours(a.g + row * a.pitch + first_column + P::column(c), g);
    }
  }
}

// --- sums over G ---

template <typename X>
struct Sums {
  Matrix<X> g, queries, keys;
  int rows, columns;  // of G, filled up
  int hidden;         // of the copies
  int query_blocks;   // blocks that make d_queries; the rest make d_keys
  int splits;         // of the sum over keys
  float *query_sums;  // (splits, rows, hidden), with `stride` between splits
  int64_t stride;
  float *key_sums;    // (columns, hidden)
  bool add_queries, add_keys;
};

template <typename X, int kTile, typename Product>
SIMT_DEVICE void store_tile(const Product &product, float *to, int64_t pitch, bool add) {
  using P = Part<X, kTile>;
  SIMT_UNROLL for (int r = 0; r < P::kRows; r++) {
    SIMT_UNROLL for (int c = 0; c < P::kColumns; c += P::kNeighbours) {
      float *const at = to + P::row(r) * pitch + P::column(c);
      if constexpr (P::kNeighbours == 2) {
        Words<2> pair = {{0, 0}};
        if (add) pair = load_words<2>(at);
        SIMT_UNROLL for (int k = 0; k < 2; k++) {
          pair.word[k] = bits_of_float(product.get(r, c + k) + float_of_bits(pair.word[k]));
        }
        store_words<2>(at, pair);
      } else {
        *at = product.get(r, c) + (add ? *at : 0.0f);
      }
    }
  }
}

template <typename X, int kTile>
SIMT_DEVICE void query_tile(const Sums<X> &a, int block) {
  const int across = a.hidden / kTile;
  const int down = a.rows / kTile;
  const int split = block / (across * down);
  const int first_row = block / across % down * kTile;
  const int first_column = block % across * kTile;
  const int all_steps = a.columns / kDepth<X>;
  const int most = (all_steps + a.splits - 1) / a.splits;
  const int first = split * most;
  const int steps = all_steps - first < most ? all_steps - first : most;
  TileProduct<X, kTile, false, true> product;
  multiply<X, kTile>(
      product, steps,
      [&](int step, X *left, X *right) {
        StagedTile<X, kTile, false>::load(left, a.g, first_row, (first + step) * kDepth<X>);
        StagedTile<X, kTile, true>::load(right, a.keys, first_column, (first + step) * kDepth<X>);
      },
      [](int) {});
  float *const to = a.query_sums + split * a.stride + (int64_t)first_row * a.hidden + first_column;
  store_tile<X, kTile>(product, to, a.hidden, a.add_queries);
}

template <typename X, int kTile>
SIMT_DEVICE void key_tile(const Sums<X> &a, int block) {
  const int across = a.hidden / kTile;
  const int first_row = block / across * kTile;
  const int first_column = block % across * kTile;
  TileProduct<X, kTile, true, true> product;
  multiply<X, kTile>(
      product, a.rows / kDepth<X>,
      [&](int step, X *left, X *right) {
        StagedTile<X, kTile, true>::load(left, a.g, first_row, step * kDepth<X>);
        StagedTile<X, kTile, true>::load(right, a.queries, first_column, step * kDepth<X>);
      },
      [](int) {});
  store_tile<X, kTile>(product, a.key_sums + (int64_t)first_row * a.hidden + first_column, a.hidden, a.add_keys);
}

template <typename X, int kTile>
SIMT_KERNEL((kTileThreads<X, kTile>), kTileBlocks<X>) sums_of_gradients(Sums<X> a) {
  if (block_x() < a.query_blocks) {
    query_tile<X, kTile>(a, block_x());
  } else {
    key_tile<X, kTile>(a, block_x() - a.query_blocks);
  }
}

// --- host ---

struct Memory {
  int64_t query_copy, key_copy, query_inverse, key_inverse, g, query_sums, key_sums, bytes;
};

// One panel of queries finishes each panel of keys as it goes.
int64_t rows_of_key_sums(const SimilarityPlan &plan, int64_t keys) {
  return plan.whole_keys ? round_up(keys, plan.key_panel) : plan.key_panel;
}

Memory memory_of(const SimilarityPlan &plan, simcse_dtype dtype, int64_t keys) {
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
  m.g = take((int64_t)plan.query_panel * plan.key_panel * size);
  m.query_sums = take((int64_t)plan.splits * plan.query_panel * plan.columns * 4);
  m.key_sums = take(rows_of_key_sums(plan, keys) * plan.columns * 4);
  return m;
}

// What is to be done with a pair of panels.
struct Pair {
  int64_t i0, j0;
  bool copy_queries, copy_keys;
  bool for_queries, for_keys;
  bool add_queries, add_keys;  // to sums over panels before
};

template <typename T, typename X>
class Backward {
 public:
  Backward(const Queue &queue, const simcse_similarity_softmax_backward &args, const SimilarityPlan &plan)
      : queue_(queue), args_(args), plan_(plan), memory_(memory_of(plan, args.dtype, args.keys_count)) {}

  // d_queries by panels of queries; d_keys on the way, or in a sweep of their own.
  Fault run() {
    const int64_t n = args_.queries_count, m = args_.keys_count;
    const bool one_panel = n <= plan_.query_panel;
    const bool one_sweep = one_panel || plan_.whole_keys;
    for (int64_t i0 = 0; i0 < n; i0 += plan_.query_panel) {
      for (int64_t j0 = 0; j0 < m; j0 += plan_.key_panel) {
        const bool copy_keys = i0 == 0 || m > plan_.key_panel;
        Fault fault = panels({i0, j0, j0 == 0, copy_keys, true, one_sweep, j0 > 0, i0 > 0});
        const bool last = j0 + plan_.key_panel >= m;
        if (fault == 0 && one_panel && !plan_.whole_keys && !last) fault = finish(-1, j0);
        if (fault == 0 && last) fault = finish(i0, one_panel ? (plan_.whole_keys ? -1 : j0) : -1);
        if (fault != 0) return fault;
      }
    }
    if (plan_.whole_keys) {
      Fault fault = 0;
      for (int64_t j0 = 0; j0 < m && fault == 0; j0 += plan_.key_panel) fault = finish(-1, j0);
      return fault;
    }
    for (int64_t j0 = 0; j0 < m && !one_sweep; j0 += plan_.key_panel) {
      for (int64_t i0 = 0; i0 < n; i0 += plan_.query_panel) {
        const Fault fault = panels({i0, j0, true, i0 == 0, false, true, false, i0 > 0});
        if (fault != 0) return fault;
      }
      const Fault fault = finish(-1, j0);
      if (fault != 0) return fault;
    }
    return 0;
  }

 private:
  template <typename U>
  U *at(int64_t offset) const {
    return reinterpret_cast<U *>(static_cast<char *>(queue_.scratch) + offset);
  }
  const T *queries(int64_t i0) const { return static_cast<const T *>(args_.queries) + i0 * args_.hidden; }
  const T *keys(int64_t j0) const { return static_cast<const T *>(args_.keys) + j0 * args_.hidden; }
  float *key_sums(int64_t j0) const {
    return at<float>(memory_.key_sums) + (plan_.whole_keys ? j0 * plan_.columns : 0);
  }
  int64_t stride() const { return (int64_t)plan_.query_panel * plan_.columns; }

  Fault panels(const Pair &pair) {
    const int rows = panel_count(args_.queries_count, pair.i0, plan_.query_panel);
    const int columns = panel_count(args_.keys_count, pair.j0, plan_.key_panel);
    const int tile = plan_.logit_tile > plan_.gradient_tile ? plan_.logit_tile : plan_.gradient_tile;
    const int filled_rows = (int)round_up(rows, tile), filled_columns = (int)round_up(columns, tile);
    X *const query_copy = at<X>(memory_.query_copy);
    X *const key_copy = at<X>(memory_.key_copy);
    float *const query_inverse = at<float>(memory_.query_inverse);
    float *const key_inverse = at<float>(memory_.key_inverse);
    X *const g = at<X>(memory_.g);
    Fault fault = copy_panels<T, X>(
        kName, queue_, args_.hidden, plan_.columns, false,
        {queries(pair.i0), const_cast<float *>(args_.query_norm) + pair.i0, rows, pair.copy_queries ? filled_rows : 0,
         1.0f / args_.contrast.temperature, query_copy, query_inverse},
        {keys(pair.j0), const_cast<float *>(args_.key_norm) + pair.j0, columns, pair.copy_keys ? filled_columns : 0,
         1.0f, key_copy, key_inverse});
    if (fault != 0) return fault;
    const Tiles<X> tiles = {{query_copy, plan_.columns},
                            {key_copy, plan_.columns},
                            {rows, columns, (int)pair.j0, query_inverse, key_inverse, args_.targets + pair.i0,
                             own_column(args_.contrast, pair.i0, pair.j0), args_.contrast.own_negative_bias},
                            plan_.columns,
                            args_.lse + pair.i0,
                            args_.contrast.temperature * kRange,
                            g,
                            plan_.key_panel};
    fault = by_tile<X>(plan_.logit_tile, [&](auto size) {
      constexpr int kTile = decltype(size)::kTile;
      return launch(kName, gradient_of_products<X, kTile>,
                    tile_geometry<X, kTile>(filled_rows / kTile, filled_columns / kTile), queue_.stream, tiles);
    });
    if (fault != 0) return fault;
    const int across = plan_.columns / plan_.gradient_tile;
    const int query_blocks = pair.for_queries ? plan_.splits * (filled_rows / plan_.gradient_tile) * across : 0;
    const int key_blocks = pair.for_keys ? filled_columns / plan_.gradient_tile * across : 0;
    const Sums<X> sums = {{g, plan_.key_panel},
                          {query_copy, plan_.columns},
                          {key_copy, plan_.columns},
                          filled_rows,
                          filled_columns,
                          plan_.columns,
                          query_blocks,
                          plan_.splits,
                          at<float>(memory_.query_sums),
                          stride(),
                          key_sums(pair.j0),
                          pair.add_queries,
                          pair.add_keys};
    return by_tile<X>(plan_.gradient_tile, [&](auto size) {
      constexpr int kTile = decltype(size)::kTile;
      return launch(kName, sums_of_gradients<X, kTile>, tile_geometry<X, kTile>(query_blocks + key_blocks, 1),
                    queue_.stream, sums);
    });
  }

  // The gradients of the panels that start at i0 and j0; -1 for none.
  Fault finish(int64_t i0, int64_t j0) {
    PanelGradient<T> of_queries = {}, of_keys = {};
    if (i0 >= 0) {
      of_queries = {queries(i0), args_.query_norm + i0, panel_count(args_.queries_count, i0, plan_.query_panel),
                    plan_.splits, at<float>(memory_.query_sums), stride(),
                    static_cast<T *>(args_.d_queries) + i0 * args_.hidden};
    }
    if (j0 >= 0) {
      of_keys = {keys(j0), args_.key_norm + j0, panel_count(args_.keys_count, j0, plan_.key_panel), 1, key_sums(j0), 0,
                 static_cast<T *>(args_.d_keys) + j0 * args_.hidden};
    }
    const float factor =
        args_.loss_scale / ((float)args_.queries_count * args_.contrast.temperature) / kRange;
    return finish_panels<T>(kName, queue_, args_.hidden, plan_.columns, factor, of_queries, of_keys);
  }

  const Queue &queue_;
  const simcse_similarity_softmax_backward &args_;
  const SimilarityPlan &plan_;
  const Memory memory_;
};

}  // namespace

int64_t similarity_backward_bytes(const SimilarityPlan &plan, simcse_dtype dtype, int64_t keys) {
  return memory_of(plan, dtype, keys).bytes;
}

int64_t similarity_softmax_backward_scratch(simcse_dtype dtype, int hidden, int64_t queries, int64_t keys) {
  return similarity_backward_bytes(similarity_backward_plan(dtype, hidden, queries, keys), dtype, keys);
}

Fault similarity_softmax_backward(const Queue &queue, const simcse_similarity_softmax_backward &args,
                                  const SimilarityPlan &plan) {
  return args.dtype == SIMCSE_BF16 ? Backward<bf16, f16>(queue, args, plan).run()
                                   : Backward<float, float>(queue, args, plan).run();
}

Fault similarity_softmax_backward(const Queue &queue, const simcse_similarity_softmax_backward &args) {
  return similarity_softmax_backward(
      queue, args, similarity_backward_plan(args.dtype, args.hidden, args.queries_count, args.keys_count));
}

}  // namespace simcse::cuda
