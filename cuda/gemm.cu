// The product of a block in registers, its operands on their way through shared memory.
#include "gemm.hpp"

#include "column_sum.hpp"
#include "gelu.hpp"
#include "simt.hpp"

namespace simcse::cuda {

namespace {

constexpr int kTile = 64;  // rows and columns of C in a block

// What becomes of the product, and where it goes.
struct Result {
  int64_t m, n, k;
  int tiles_n;
  simcse_epilogue epilogue;
  bool c_is_f32, pre_is_f32, vectors_a, vectors_b;
  void *c;
  const float *bias;
  void *pre_activation;
  const void *residual;
};

SIMT_DEVICE float load_number(const void *from, bool f32, int64_t i) {
  return f32 ? static_cast<const float *>(from)[i] : to_float(static_cast<const bf16 *>(from)[i]);
}
SIMT_DEVICE void store_number(void *to, bool f32, int64_t i, float x) {
  if (f32) {
    static_cast<float *>(to)[i] = x;
  } else {
    static_cast<bf16 *>(to)[i] = round_bf16(x);
  }
}

// One element of C from its product.
SIMT_DEVICE void finish(const Result &r, int64_t row, int64_t column, float x) {
  if (row >= r.m || column >= r.n) return;
  const int64_t i = row * r.n + column;
  if (r.bias != nullptr) x += r.bias[column];
  if (r.epilogue == SIMCSE_EPILOGUE_ACCUMULATE) x += load_number(r.c, r.c_is_f32, i);
  if (r.epilogue == SIMCSE_EPILOGUE_BIAS_RESIDUAL) x += load_number(r.residual, r.c_is_f32, i);
  if (r.epilogue == SIMCSE_EPILOGUE_GELU_BACKWARD) {
    x *= gelu_slope(load_number(r.pre_activation, r.pre_is_f32, i));
  } else if (r.pre_activation != nullptr) {
    store_number(r.pre_activation, r.pre_is_f32, i, x);
  }
  if (r.epilogue == SIMCSE_EPILOGUE_BIAS_GELU) x = gelu(x);
  if (r.epilogue == SIMCSE_EPILOGUE_BIAS_TANH) x = tanhf(x);
  store_number(r.c, r.c_is_f32, i, x);
}

// --- bf16 ---

constexpr int kThreads = 128;
constexpr int kStep = 32;  // of k
// Rows of a tile are padded to an odd number of 16 bytes, so that eight of them lie in different banks.
constexpr int kPitch = kStep + 8;    // of a tile whose rows run along k
constexpr int kPitchT = kTile + 8;   // of one whose rows run across it
constexpr int kTileSize = kTile * kPitch > kStep * kPitchT ? kTile * kPitch : kStep * kPitchT;

// Starts a tile of an operand on its way: from line `first` on of its (lines, k) numbers, k in k0 .. k0 + kStep. With
// kAcross the operand lies as (k, lines). What is past the end becomes 0.
template <bool kAcross>
SIMT_DEVICE void fetch(bf16 *tile, const bf16 *from, int64_t lines, int64_t k, int64_t first, int64_t k0,
                       bool vectors) {
  constexpr int kRows = kAcross ? kStep : kTile;
  constexpr int kColumns = kAcross ? kTile : kStep;
  constexpr int kRowPitch = kAcross ? kPitchT : kPitch;
  const int64_t row0 = kAcross ? k0 : first, rows = kAcross ? k : lines;
  const int64_t column0 = kAcross ? first : k0, columns = kAcross ? lines : k;
  for (int i = thread(); i < kRows * kColumns / 8; i += kThreads) {
    const int r = i / (kColumns / 8), c = i % (kColumns / 8) * 8;
    const int64_t row = row0 + r, column = column0 + c;
    int64_t left = row < rows ? columns - column : 0;
    left = left < 0 ? 0 : left > 8 ? 8 : left;
    bf16 *const to = tile + r * kRowPitch + c;
    const bf16 *const at = left > 0 ? from + row * columns + column : from;
    if (vectors) {
      cp_async16(to, at, (int)left * 2);
    } else {
      for (int j = 0; j < 8; j++) to[j] = j < left ? at[j] : bf16{0};
    }
  }
}

// C of a warp: 32 x 32, from row 32 (warp / 2) and column 32 (warp % 2) of the block's tile.
template <bool kTransposeA, bool kTransposeB>
SIMT_DEVICE void multiply(float (&sums)[2][4][4], const bf16 *tile_a, const bf16 *tile_b) {
  const int l = lane();
  const int row0 = warp() / 2 * 32, column0 = warp() % 2 * 32;
  SIMT_UNROLL for (int k0 = 0; k0 < kStep; k0 += 16) {
    uint32_t a[2][4], b[2][4];
    SIMT_UNROLL for (int i = 0; i < 2; i++) {
      const int row = row0 + 16 * i + l / 8 % 2 * 8, k = k0 + l / 16 * 8;
      if constexpr (kTransposeA) {
        ldmatrix_trans(a[i], tile_a + (k + l % 8) * kPitchT + row);
      } else {
        ldmatrix(a[i], tile_a + (row + l % 8) * kPitch + k);
      }
    }
    SIMT_UNROLL for (int j = 0; j < 2; j++) {
      const int column = column0 + 16 * j + l / 16 * 8, k = k0 + l / 8 % 2 * 8;
      if constexpr (kTransposeB) {
        ldmatrix(b[j], tile_b + (column + l % 8) * kPitch + k);
      } else {
        ldmatrix_trans(b[j], tile_b + (k + l % 8) * kPitchT + column);
      }
    }
    SIMT_UNROLL for (int i = 0; i < 2; i++) {
      SIMT_UNROLL for (int j = 0; j < 4; j++) {
        const uint32_t half[2] = {b[j / 2][j % 2 * 2], b[j / 2][j % 2 * 2 + 1]};
        mma_bf16(sums[i][j], a[i], half);
      }
    }
  }
}

template <bool kTransposeA, bool kTransposeB>
SIMT_KERNEL(kThreads, 4) product_bf16(const bf16 *a, const bf16 *b, Result r) {
  SIMT_SHARED(bf16, tiles_a, 2 * kTileSize);
  SIMT_SHARED(bf16, tiles_b, 2 * kTileSize);
  const int64_t row0 = (int64_t)(block_x() / r.tiles_n) * kTile, column0 = (int64_t)(block_x() % r.tiles_n) * kTile;
  float sums[2][4][4] = {};
  const int64_t steps = (r.k + kStep - 1) / kStep;
  for (int64_t step = 0; step <= steps; step++) {
    if (step < steps) {
      const int stage = (int)(step % 2) * kTileSize;
      fetch<kTransposeA>(tiles_a + stage, a, r.m, r.k, row0, step * kStep, r.vectors_a);
      fetch<!kTransposeB>(tiles_b + stage, b, r.n, r.k, column0, step * kStep, r.vectors_b);
    }
    cp_async_commit();
    if (step == 0) continue;
    cp_async_wait<1>();
    sync_block();
    const int stage = (int)((step - 1) % 2) * kTileSize;
    multiply<kTransposeA, kTransposeB>(sums, tiles_a + stage, tiles_b + stage);
    sync_block();
  }
  cp_async_wait<0>();
  const int64_t row = row0 + warp() / 2 * 32 + lane() / 4, column = column0 + warp() % 2 * 32 + lane() % 4 * 2;
  SIMT_UNROLL for (int i = 0; i < 2; i++) {
    SIMT_UNROLL for (int j = 0; j < 4; j++) {
      SIMT_UNROLL for (int e = 0; e < 4; e++) {
        finish(r, row + 16 * i + e / 2 * 8, column + 8 * j + e % 2, sums[i][j][e]);
      }
    }
  }
}

// --- f32 ---

constexpr int kThreadsF32 = 256;
constexpr int kStepF32 = 16;
constexpr int kPitchF32 = kTile + 4;  // rows of a tile run across k

template <bool kAcross>
SIMT_DEVICE void fetch_f32(float *tile, const float *from, int64_t lines, int64_t k, int64_t first, int64_t k0) {
  for (int i = thread(); i < kTile * kStepF32; i += kThreadsF32) {
    const int line = kAcross ? i % kTile : i / kStepF32, depth = kAcross ? i / kTile : i % kStepF32;
    const int64_t y = first + line, x = k0 + depth;
    tile[depth * kPitchF32 + line] = y < lines && x < k ? from[kAcross ? x * lines + y : y * k + x] : 0.0f;
  }
}

template <bool kTransposeA, bool kTransposeB>
SIMT_KERNEL(kThreadsF32, 2) product_f32(const float *a, const float *b, Result r) {
  SIMT_SHARED(float, tile_a, kStepF32 * kPitchF32);
  SIMT_SHARED(float, tile_b, kStepF32 * kPitchF32);
  const int64_t row0 = (int64_t)(block_x() / r.tiles_n) * kTile, column0 = (int64_t)(block_x() % r.tiles_n) * kTile;
  const int y = thread() / 16 * 4, x = thread() % 16 * 4;
  float sums[4][4] = {};
  for (int64_t k0 = 0; k0 < r.k; k0 += kStepF32) {
    fetch_f32<kTransposeA>(tile_a, a, r.m, r.k, row0, k0);
    fetch_f32<!kTransposeB>(tile_b, b, r.n, r.k, column0, k0);
    sync_block();
    SIMT_UNROLL for (int k = 0; k < kStepF32; k++) {
      float left[4], right[4];
      load_floats(left, tile_a + k * kPitchF32 + y);
      load_floats(right, tile_b + k * kPitchF32 + x);
      SIMT_UNROLL for (int i = 0; i < 4; i++) {
        SIMT_UNROLL for (int j = 0; j < 4; j++) sums[i][j] = fmaf(left[i], right[j], sums[i][j]);
      }
    }
    sync_block();
  }
  SIMT_UNROLL for (int i = 0; i < 4; i++) {
    SIMT_UNROLL for (int j = 0; j < 4; j++) finish(r, row0 + y + i, column0 + x + j, sums[i][j]);
  }
}

// The kernel of a pair of transpositions.
template <typename Kernel>
Kernel chosen(const simcse_gemm &args, Kernel plain, Kernel b, Kernel a, Kernel both) {
  if (args.transpose_a) return args.transpose_b ? both : a;
  return args.transpose_b ? b : plain;
}

}  // namespace

Geometry gemm_geometry(simcse_dtype dtype, int64_t m, int64_t n) {
  Geometry geometry;
  geometry.x = (unsigned)(ceil_divide(m, kTile) * ceil_divide(n, kTile));
  geometry.threads = dtype == SIMCSE_BF16 ? kThreads : kThreadsF32;
  return geometry;
}

int64_t gemm_scratch(const simcse_gemm &args) {
  return args.bias_gradient == nullptr ? 0 : column_sum_scratch(args.k, args.m);
}

Fault sum_bias_gradient(const Queue &queue, const simcse_gemm &args) {
  if (args.bias_gradient == nullptr) return 0;
  return column_sum(queue, {sizeof(simcse_column_sum), args.dtype, 0, args.k, args.m, args.a, args.bias_gradient});
}

Fault gemm(const Queue &queue, const simcse_gemm &args) {
  const Fault fault = sum_bias_gradient(queue, args);
  if (fault != 0) return fault;
  const Result result = {args.m,
                         args.n,
                         args.k,
                         (int)ceil_divide(args.n, kTile),
                         args.epilogue,
                         args.c_dtype == SIMCSE_F32,
                         args.dtype == SIMCSE_F32,
                         aligned16(args.a) && (args.transpose_a ? args.m : args.k) % 8 == 0,
                         aligned16(args.b) && (args.transpose_b ? args.k : args.n) % 8 == 0,
                         args.c,
                         args.bias,
                         args.pre_activation,
                         args.residual};
  const Geometry geometry = gemm_geometry(args.dtype, args.m, args.n);
  if (args.dtype == SIMCSE_BF16) {
    const auto kernel = chosen(args, product_bf16<false, false>, product_bf16<false, true>, product_bf16<true, false>,
                               product_bf16<true, true>);
    return launch("gemm", kernel, geometry, queue.stream, static_cast<const bf16 *>(args.a),
                  static_cast<const bf16 *>(args.b), result);
  }
  const auto kernel = chosen(args, product_f32<false, false>, product_f32<false, true>, product_f32<true, false>,
                             product_f32<true, true>);
  return launch("gemm", kernel, geometry, queue.stream, static_cast<const float *>(args.a),
                static_cast<const float *>(args.b), result);
}

}  // namespace simcse::cuda
