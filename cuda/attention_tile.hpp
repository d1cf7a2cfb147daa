// Tiles of bf16 in shared memory, the fragments of mma_bf16 that are read from them, and what is done with a warp's
// 16 x N fragment of scores. See mma_bf16 for which element a lane holds: with g = lane / 4 and t = 2 (lane % 4),
// x[n][0] and x[n][1] of a fragment are row g, columns 8 n + t and 8 n + t + 1; x[n][2] and x[n][3] row g + 8.
#pragma once

#include "attention_kernels.hpp"

namespace simcse::cuda {

// --- tiles ---

// Rows of kWidth numbers. Chunks of 16 bytes are turned about within their row so that 8 rows' chunks of one column,
// which ldmatrix reads at once, lie in different banks.
template <int kWidth>
struct Tile {
  bf16 *data;

  static constexpr int kChunks = kWidth / 8;
  static_assert(kChunks == 4 || kChunks == 8 || kChunks == 16, "widths of 32, 64 and 128");

  SIMT_DEVICE bf16 *at(int row, int chunk) const {
    return data + row * kWidth + (chunk ^ (kChunks == 4 ? row >> 1 & 3 : row & 7)) * 8;
  }
  // The tile of the rows from `row`, a multiple of 8, on.
  SIMT_DEVICE Tile from(int row) const { return {data + row * kWidth}; }
};

// Asks for rows 0 .. rows - 1 of an array, and for zeros in those up to the next multiple of 16. `index` of `count`
// lanes share the work: each keeps its chunk, and goes down the rows.
template <int kWidth>
SIMT_DEVICE void copy_tile(Tile<kWidth> to, const bf16 *from, int stride, int rows, int index, int count,
                           Site at = Site::here()) {
  constexpr int kChunks = Tile<kWidth>::kChunks;
  const int chunk = index % kChunks;
  const int step = count / kChunks;
  const int end = (rows + 15) / 16 * 16;
  const char *const first = reinterpret_cast<const char *>(from + chunk * 8);
  int row = index / kChunks;
  unsigned offset = (unsigned)(row * stride * 2);  // bytes
  for (; row < end; row += step, offset += (unsigned)(step * stride * 2)) {
    const bool inside = row < rows;
    cp_async16(to.at(row, chunk), first + (inside ? offset : 0u), inside ? 16 : 0, at);
  }
}
// Fragment a of x (16 rows from `row`, 16 columns from `column`).
template <int kWidth>
SIMT_DEVICE void load_left(uint32_t (&a)[4], Tile<kWidth> x, int row, int column, Site at = Site::here()) {
  ldmatrix(a, x.at(row + lane() % 16, column / 8 + lane() / 16), at);
}
// Fragment a of x^T: its rows are columns of x, its columns (k) rows of x.
template <int kWidth>
SIMT_DEVICE void load_left_turned(uint32_t (&a)[4], Tile<kWidth> x, int row, int column, Site at = Site::here()) {
  ldmatrix_trans(a, x.at(row + lane() / 16 * 8 + lane() % 8, column / 8 + lane() / 8 % 2), at);
}
// Fragments b of x^T: k along the columns of x, 16 columns of the product from `row` of x; b[0], b[1] are the first 8.
template <int kWidth>
SIMT_DEVICE void load_right(uint32_t (&b)[4], Tile<kWidth> x, int row, int column, Site at = Site::here()) {
  ldmatrix(b, x.at(row + lane() / 16 * 8 + lane() % 8, column / 8 + lane() / 8 % 2), at);
}
// Fragments b of x: k along the rows of x.
template <int kWidth>
SIMT_DEVICE void load_right_turned(uint32_t (&b)[4], Tile<kWidth> x, int row, int column, Site at = Site::here()) {
  ldmatrix_trans(b, x.at(row + lane() % 16, column / 8 + lane() / 16), at);
}

// --- products ---

template <int N>
SIMT_DEVICE void set_zero(float (&d)[N][4]) {
  SIMT_UNROLL for (int n = 0; n < N; n++) {
    SIMT_UNROLL for (int i = 0; i < 4; i++) d[n][i] = 0.0f;
  }
}

// Whether tile j is none of the `tiles` there are, of which there is one at least.
SIMT_DEVICE bool beyond(int j, int tiles) { return j > 0 && j >= tiles; }

// Two fragments d that lie side by side += a b.
SIMT_DEVICE void multiply(float (&d0)[4], float (&d1)[4], const uint32_t (&a)[4], const uint32_t (&b)[4],
                          Site at = Site::here()) {
  const uint32_t b0[2] = {b[0], b[1]};
  const uint32_t b1[2] = {b[2], b[3]};
  mma_bf16(d0, a, b0, at);
  mma_bf16(d1, a, b1, at);
}

// s (16 x 16 kTiles) = x y^T for 16 rows of x from `row` and all of y, of which `tiles` times 16 rows are there; what
// lies beyond is 0.
template <int kHead, int kTiles>
SIMT_DEVICE void score_product(float (&s)[2 * kTiles][4], Tile<kHead> x, int row, Tile<kHead> y, int tiles,
                               Site at = Site::here()) {
  uint32_t a[kHead / 16][4];
  SIMT_UNROLL for (int c = 0; c < kHead / 16; c++) load_left(a[c], x, row, 16 * c, at);
  set_zero(s);
  SIMT_UNROLL for (int j = 0; j < kTiles; j++) {
    if (beyond(j, tiles)) continue;
    SIMT_UNROLL for (int c = 0; c < kHead / 16; c++) {
      uint32_t b[4];
      load_right(b, y, 16 * j, 16 * c, at);
      multiply(s[2 * j], s[2 * j + 1], a[c], b, at);
    }
  }
}

// d (16 x kColumns) += a (16 x 16) times 16 rows of x from `row`, columns from `column`.
template <int kColumns, int kWidth>
SIMT_DEVICE void add_product(float (&d)[kColumns / 8][4], const uint32_t (&a)[4], Tile<kWidth> x, int row, int column,
                             Site at = Site::here()) {
  SIMT_UNROLL for (int n = 0; n < kColumns / 16; n++) {
    uint32_t b[4];
    load_right_turned(b, x, row, column + 16 * n, at);
    multiply(d[2 * n], d[2 * n + 1], a, b, at);
  }
}

// --- fragments of scores ---

// Of element i of fragment n.
SIMT_DEVICE int fragment_column(int n, int i) { return 8 * n + 2 * (lane() % 4) + i % 2; }

// Sum or largest over the 4 lanes that hold a row.
SIMT_DEVICE float quad_sum(float x, Site at = Site::here()) {
  x += shuffle_xor(x, 1, kFullWarp, at);
  return x + shuffle_xor(x, 2, kFullWarp, at);
}
SIMT_DEVICE float quad_max(float x, Site at = Site::here()) {
  x = fmaxf(x, shuffle_xor(x, 1, kFullWarp, at));
  return fmaxf(x, shuffle_xor(x, 2, kFullWarp, at));
}

// Which of 16 queries' (rows) and 16 kTiles keys' (columns) weights are kept. Four neighbouring keys come from one call
// of Philox and lie in two lanes: the even one of a pair draws for row g, the odd one for row g + 8.
template <int kTiles>
struct KeptOfRows {
  static_assert(kTiles <= 4, "64 keys, of which a lane draws 32 bits");
  uint32_t bits[2] = {0xffffffffu, 0xffffffffu};

  SIMT_DEVICE void draw(const Dropout &dropout, const Head &head, int query, int key, int tiles,
                        Site at = Site::here()) {
    if (!dropout.active) return;
    const bool odd = lane() % 2 != 0;
    const int row = query + lane() / 4 + (odd ? 8 : 0);
    const MaskRow mask = mask_row(dropout, head.mask_position(row), head.sample, head.view);
    uint32_t own = 0;
    SIMT_UNROLL for (int n = 0; n < 2 * kTiles; n++) {
      if (beyond(n / 2, tiles)) continue;
      own |= kept_of_block(dropout, mask, (uint32_t)(key / 4 + 2 * n + lane() % 4 / 2)) << 4 * n;
    }
    const uint32_t other = shuffle_xor(own, 1, kFullWarp, at);
    bits[0] = (odd ? other : own) >> (odd ? 2 : 0);
    bits[1] = (odd ? own : other) >> (odd ? 2 : 0);
  }
  SIMT_DEVICE bool operator()(int n, int i) const { return (bits[i / 2] >> (4 * n + i % 2) & 1) != 0; }
};

// The same for 16 keys (rows) and 16 kTiles queries (columns). Four neighbouring keys lie in four lanes, which need
// four calls for each fragment: two groups of keys for each of two queries. Each draws one of them.
template <int kTiles>
struct KeptOfColumns {
  static_assert(kTiles <= 4, "64 queries, of which a lane draws 32 bits");
  uint32_t bits[4] = {0xffffffffu, 0xffffffffu, 0xffffffffu, 0xffffffffu};

  SIMT_DEVICE void draw(const Dropout &dropout, const Head &head, int key, int query, int tiles,
                        Site at = Site::here()) {
    if (!dropout.active) return;
    const int which = lane() / 4 % 4;
    const uint32_t block = (uint32_t)(key / 4 + lane() / 16 + (which >= 2 ? 2 : 0));
    uint32_t own = 0;
    SIMT_UNROLL for (int n = 0; n < 2 * kTiles; n++) {
      if (beyond(n / 2, tiles)) continue;
      const int column = query + fragment_column(n, which);
      const MaskRow mask = mask_row(dropout, head.mask_position(column), head.sample, head.view);
      own |= kept_of_block(dropout, mask, block) << 4 * n;
    }
    SIMT_UNROLL for (int i = 0; i < 4; i++) {
      bits[i] = shuffle(own, lane() - 4 * which + 4 * i, kFullWarp, at) >> which;
    }
  }
  SIMT_DEVICE bool operator()(int n, int i) const { return (bits[i] >> 4 * n & 1) != 0; }
};

// Of a score, by its query's log-sum-exp, which is infinite for queries that are not there. To fold log2(e) into `scale`
// and `lse` would save a product, and round scores of a million to a sixteenth.
SIMT_DEVICE float probability_of(float score, float scale, float lse) {
  return exp2_fast(fmaf(score, scale, -lse) * kLog2e);
}

// Scores become probabilities, 0 beyond `keys`.
template <int kTiles>
SIMT_DEVICE void to_probabilities(float (&s)[2 * kTiles][4], const float (&lse)[2], float scale, int keys, int tiles) {
  SIMT_UNROLL for (int n = 0; n < 2 * kTiles; n++) {
    if (beyond(n / 2, tiles)) continue;
    const bool last = 16 * (n / 2 + 1) > keys;
    SIMT_UNROLL for (int i = 0; i < 4; i++) {
      s[n][i] = probability_of(s[n][i], scale, lse[i / 2]);
      if (last && fragment_column(n, i) >= keys) s[n][i] = 0.0f;
    }
  }
}

// Gradients of the kept and scaled probabilities become those of all probabilities.
template <int kTiles, typename Kept>
SIMT_DEVICE void drop_gradients(float (&d_p)[2 * kTiles][4], const Kept &kept, float scale, int tiles) {
  SIMT_UNROLL for (int n = 0; n < 2 * kTiles; n++) {
    if (beyond(n / 2, tiles)) continue;
    SIMT_UNROLL for (int i = 0; i < 4; i++) d_p[n][i] = kept(n, i) ? d_p[n][i] * scale : 0.0f;
  }
}

// 16 columns of a fragment, as the left operand of a product over them.
SIMT_DEVICE void pack_left(uint32_t (&a)[4], const float (&x0)[4], const float (&x1)[4]) {
  a[0] = pack_bf16(x0[0], x0[1]);
  a[1] = pack_bf16(x0[2], x0[3]);
  a[2] = pack_bf16(x1[0], x1[1]);
  a[3] = pack_bf16(x1[2], x1[3]);
}
template <typename Kept>
SIMT_DEVICE void pack_left_kept(uint32_t (&a)[4], const float (&x0)[4], const float (&x1)[4], const Kept &kept, int n) {
  float y0[4], y1[4];
  SIMT_UNROLL for (int i = 0; i < 4; i++) {
    y0[i] = kept(n, i) ? x0[i] : 0.0f;
    y1[i] = kept(n + 1, i) ? x1[i] : 0.0f;
  }
  pack_left(a, y0, y1);
}

// --- results ---

// 8 rows of 32 numbers, of which lane 4 g + t / 2 holds pairs at columns 8 j + t of row g: it then holds 16 bytes of
// the row, its columns 4 t on.
SIMT_DEVICE void turn_quads(uint32_t (&w)[4], Site at = Site::here()) {
  const bool odd = lane() % 2 != 0;
  const bool high = lane() % 4 >= 2;
  SIMT_UNROLL for (int j = 0; j < 4; j += 2) {
    const uint32_t got = shuffle_xor(odd ? w[j] : w[j + 1], 1, kFullWarp, at);
    w[j] = odd ? got : w[j];
    w[j + 1] = odd ? w[j + 1] : got;
  }
  SIMT_UNROLL for (int j = 0; j < 2; j++) {
    const uint32_t got = shuffle_xor(high ? w[j] : w[j + 2], 2, kFullWarp, at);
    w[j] = high ? got : w[j];
    w[j + 2] = high ? w[j + 2] : got;
  }
}

// Stores d (16 x 8 N), rows g times factor0 and rows g + 8 times factor1, to rows 0 .. rows - 1 of `to`.
template <int N>
SIMT_DEVICE void store_fragments(bf16 *to, int stride, int rows, const float (&d)[N][4], float factor0,
                                 float factor1, Site at = Site::here()) {
  static_assert(N % 4 == 0, "32 columns at a time");
  SIMT_UNROLL for (int n = 0; n < N; n += 4) {
    SIMT_UNROLL for (int half = 0; half < 2; half++) {
      const float factor = half == 0 ? factor0 : factor1;
      Words<4> words;
      SIMT_UNROLL for (int j = 0; j < 4; j++) {
        words.word[j] = pack_bf16(d[n + j][2 * half] * factor, d[n + j][2 * half + 1] * factor);
      }
      turn_quads(words.word, at);
      const int row = 8 * half + lane() / 4;
      if (row < rows) store_words<4>(to + (row * stride + 8 * n + 8 * (lane() % 4)), words, at);
    }
  }
}

// Lays a left operand down in a tile, as rows `row` on, columns `column` on.
template <int kWidth>
SIMT_DEVICE void store_left(Tile<kWidth> to, int row, int column, const uint32_t (&a)[4], Site at = Site::here()) {
  SIMT_UNROLL for (int i = 0; i < 4; i++) {
    const Words<1> word = {{a[i]}};
    store_words<1>(to.at(row + lane() / 4 + i % 2 * 8, column / 8 + i / 2) + 2 * (lane() % 4), word, at);
  }
}

}  // namespace simcse::cuda
