// The ladder of gemm: C (m, n) = epilogue(op(A) op(B)) over k, at the products of a BERT layer: `ta`, `tb` transpose,
// `epilogue` is that of simcse.h, `wide` makes C f32, `sums` adds up the gradient of a bias. Floor: 2 m n k FLOPs; A, B
// and C once.
#include "../gemm.hpp"

#include <cmath>

#include "../gelu.hpp"
#include "ladder.hpp"
#include "plain.hpp"

namespace simcse::cuda::dev {

namespace {

constexpr int kTile = 16;

// A product and what becomes of it, as simcse_gemm has it.
template <typename T, typename C>
struct Plain {
  int64_t m, n, k;
  int epilogue;
  bool transpose_a, transpose_b;
  const T *a, *b;
  C *c;
  const float *bias;
  T *pre_activation;
  const C *residual;

  SIMT_DEVICE float a_at(int64_t row, int64_t i) const { return to_float(a[transpose_a ? i * m + row : row * k + i]); }
  SIMT_DEVICE float b_at(int64_t i, int64_t column) const {
    return to_float(b[transpose_b ? column * k + i : i * n + column]);
  }
  SIMT_DEVICE void finish(int64_t row, int64_t column, float x) const {
    const int64_t i = row * n + column;
    if (bias != nullptr) x += bias[column];
    if (epilogue == SIMCSE_EPILOGUE_ACCUMULATE) x += to_float(c[i]);
    if (epilogue == SIMCSE_EPILOGUE_BIAS_RESIDUAL) x += to_float(residual[i]);
    if (epilogue == SIMCSE_EPILOGUE_BIAS_GELU) {
      pre_activation[i] = from_float<T>(x);
      x = gelu(x);
    }
    if (epilogue == SIMCSE_EPILOGUE_BIAS_TANH) x = tanhf(x);
    if (epilogue == SIMCSE_EPILOGUE_GELU_BACKWARD) x *= gelu_slope(to_float(pre_activation[i]));
    c[i] = from_float<C>(x);
  }
};

template <typename T, typename C>
SIMT_KERNEL(kPlainThreads) element(Plain<T, C> a) {
  const int64_t i = plain_index();
  if (i >= a.m * a.n) return;
  float sum = 0.0f;
  for (int64_t k = 0; k < a.k; k++) sum = fmaf(a.a_at(i / a.n, k), a.b_at(k, i % a.n), sum);
  a.finish(i / a.n, i % a.n, sum);
}

// A block of 16 x 16 threads: tiles of A and B in shared memory.
template <typename T, typename C>
SIMT_KERNEL(kTile *kTile) tile(Plain<T, C> a, int64_t tiles_n) {
  using Row = float[kTile + 1];
  SIMT_SHARED(Row, of_a, kTile);
  SIMT_SHARED(Row, of_b, kTile);
  const int y = thread() / kTile, x = thread() % kTile;
  const int64_t row = block_x() / tiles_n * kTile + y, column = block_x() % tiles_n * kTile + x;
  float sum = 0.0f;
  for (int64_t k = 0; k < a.k; k += kTile) {
    of_a[y][x] = row < a.m && k + x < a.k ? a.a_at(row, k + x) : 0.0f;
    of_b[y][x] = column < a.n && k + y < a.k ? a.b_at(k + y, column) : 0.0f;
    sync_block();
    SIMT_UNROLL for (int i = 0; i < kTile; i++) sum = fmaf(of_a[y][i], of_b[i][x], sum);
    sync_block();
  }
  if (row < a.m && column < a.n) a.finish(row, column, sum);
}

// A thread a row of C: the sum of A's column.
template <typename T>
SIMT_KERNEL(kPlainThreads) sums_of_rows(const T *a, int64_t m, int64_t k, float *sums) {
  const int64_t row = plain_index();
  if (row >= m) return;
  float sum = 0.0f;
  for (int64_t i = 0; i < k; i++) sum += to_float(a[i * m + row]);
  sums[row] += sum;
}

// Of the sums of tensor cores: what does not fit in a float is cut off (Fasi et al. 2021).
float cut_off(double x) {
  const float nearest = (float)x;
  return std::fabs((double)nearest) > std::fabs(x) ? std::nextafter(nearest, 0.0f) : nearest;
}

double slope_of(double x) {
  return std::erfc(-x / std::sqrt(2.0)) / 2 + x * std::exp(-x * x / 2) / std::sqrt(2 * std::acos(-1.0));
}

struct ProductExpected {
  Expected c, pre_activation;
};

// Of some elements. `other` is what C held, the residual or the pre-activation.
ProductExpected expected(const simcse_gemm &g, const Host &a, const Host &b, const Host &bias, const Host &other,
                         Type type, Type c_type) {
  ProductExpected e;
  e.c.each = e.pre_activation.each = 1;
  e.c.first = e.pre_activation.first = spread(g.m * g.n, std::max<int64_t>(2000, int64_t{20000000} / g.k));
  for (const int64_t i : e.c.first) {
    const int64_t row = i / g.n, column = i % g.n;
    double exact = 0, cut = 0, part = 0;
    for (int64_t k = 0; k < g.k; k++) {
      part += a[g.transpose_a ? k * g.m + row : row * g.k + k] * b[g.transpose_b ? column * g.k + k : k * g.n + column];
      if (k % 16 < 15 && k + 1 < g.k) continue;
      exact += part;
      cut = type == Type::bf16 ? cut_off(cut + part) : exact;
      part = 0;
    }
    const bool multiplies = g.epilogue == SIMCSE_EPILOGUE_GELU_BACKWARD;
    double rest = g.epilogue >= SIMCSE_EPILOGUE_BIAS && !multiplies ? bias[column] : 0;
    if (g.epilogue == SIMCSE_EPILOGUE_ACCUMULATE || g.epilogue == SIMCSE_EPILOGUE_BIAS_RESIDUAL) rest += other[i];
    for (const bool stored : {false, true}) {
      double y = (stored ? cut : exact) + rest;
      if (multiplies) y *= slope_of(other[i]);
      if (stored && g.epilogue == SIMCSE_EPILOGUE_BIAS_GELU) y = rounded(type, y);
      (stored ? e.pre_activation.naive : e.pre_activation.reference).push_back(y);
      if (g.epilogue == SIMCSE_EPILOGUE_BIAS_GELU) y = y / 2 * std::erfc(-y / std::sqrt(2.0));
      if (g.epilogue == SIMCSE_EPILOGUE_BIAS_TANH) y = std::tanh(y);
      (stored ? e.c.naive : e.c.reference).push_back(stored ? rounded(c_type, y) : y);
    }
  }
  return e;
}

// The arrays of a product, and what becomes of them.
template <typename T, typename C>
simcse_gemm arguments_of(Problem &p, const Shape &shape) {
  Random random(1);
  simcse_gemm g = {};
  g.struct_size = sizeof g;
  g.dtype = shape.dtype();
  g.c_dtype = sizeof(C) == 4 ? SIMCSE_F32 : SIMCSE_BF16;
  g.m = shape["m"], g.n = shape["n"], g.k = shape["k"];
  g.transpose_a = shape.has("ta") && shape["ta"] != 0;
  g.transpose_b = shape.has("tb") && shape["tb"] != 0;
  g.epilogue = shape.has("epilogue") ? shape.integer("epilogue") : SIMCSE_EPILOGUE_STORE;
  const bool multiplies = g.epilogue == SIMCSE_EPILOGUE_GELU_BACKWARD;
  const Host a = Host::random(shape.type(), g.m * g.k, random), b = Host::random(shape.type(), g.k * g.n, random);
  const Host bias = Host::random(Type::f32, g.n, random);
  const Host other = Host::random(multiplies ? shape.type() : type_of<C>(), g.m * g.n, random, multiplies ? 3 : 1);
  const ProductExpected e = expected(g, a, b, bias, other, shape.type(), type_of<C>());
  g.a = p.input<T>(a);
  g.b = p.input<T>(b);
  if (g.epilogue >= SIMCSE_EPILOGUE_BIAS && !multiplies) g.bias = p.input<float>(bias);
  if (g.epilogue == SIMCSE_EPILOGUE_BIAS_RESIDUAL) g.residual = p.input<C>(other);
  g.c = g.epilogue == SIMCSE_EPILOGUE_ACCUMULATE ? p.updated<C>("c", other, e.c)
                                                 : p.output<C>("c", g.m * g.n, e.c);
  if (multiplies) g.pre_activation = const_cast<T *>(p.input<T>(other));
  if (g.epilogue == SIMCSE_EPILOGUE_BIAS_GELU) {
    g.pre_activation = p.output<T>("pre_activation", g.m * g.n, e.pre_activation);
  }
  if (shape.has("sums") && shape["sums"] != 0) {
    const Host start = Host::random(Type::f32, g.m, random);
    Doubles sums = doubles_of(start);
    for (int64_t i = 0; i < a.count(); i++) sums[(size_t)(i % g.m)] += a[i];
    g.bias_gradient = p.updated<float>("bias_gradient", start, {sums, {}});
  }
  return g;
}

template <typename T, typename C>
void plain_rungs(Problem &p, const simcse_gemm &g) {
  const Plain<T, C> plain = {g.m,
                             g.n,
                             g.k,
                             g.epilogue,
                             g.transpose_a != 0,
                             g.transpose_b != 0,
                             static_cast<const T *>(g.a),
                             static_cast<const T *>(g.b),
                             static_cast<C *>(g.c),
                             g.bias,
                             static_cast<T *>(g.pre_activation),
                             static_cast<const C *>(g.residual)};
  const auto sum = [g](const Queue &q) {
    if (g.bias_gradient == nullptr) return 0;
    return launch("gemm", sums_of_rows<T>, plain_geometry(g.m), q.stream, static_cast<const T *>(g.a), g.m, g.k,
                  g.bias_gradient);
  };
  p.rung("element", "a thread an element, f32 multiply-adds", [=](const Queue &q) {
    const Fault fault = sum(q);
    return fault != 0 ? fault : launch("gemm", element<T, C>, plain_geometry(g.m * g.n), q.stream, plain);
  });
  p.rung("tile", "tiles of 16 x 16 in shared memory: each number is read once for 16 products", [=](const Queue &q) {
    const int64_t tiles_n = ceil_divide(g.n, kTile);
    const Fault fault = sum(q);
    if (fault != 0) return fault;
    return launch("gemm", tile<T, C>, blocks_geometry(ceil_divide(g.m, kTile) * tiles_n, kTile * kTile), q.stream,
                  plain, tiles_n);
  });
}

template <typename T, typename C>
void run_types(Ladder &ladder, const Shape &shape) {
  Problem p(ladder, "gemm", shape);
  const simcse_gemm g = arguments_of<T, C>(p, shape);
  const bool reads = g.epilogue == SIMCSE_EPILOGUE_ACCUMULATE || g.residual != nullptr;
  p.floor((double)(g.m * g.k + g.k * g.n) * sizeof(T) + (double)(g.m * g.n) * sizeof(C) * (reads ? 2 : 1) +
              (g.pre_activation != nullptr ? (double)(g.m * g.n) * sizeof(T) : 0),
          2.0 * (double)g.m * (double)g.n * (double)g.k);
  plain_rungs<T, C>(p, g);
  plugin::CublasLt *const library = ladder.cublaslt();
  p.queue_scratch(library == nullptr ? gemm_scratch(g) : plugin::CublasLt::scratch(g));
  p.rung(library == nullptr ? "product" : "own",
         "bf16: tensor cores, tiles of 64 x 64 with copies ahead; f32: 4 x 4 elements a thread", [&](const Queue &q) {
           return gemm(q, g);
         });
  if (library != nullptr && plugin::CublasLt::fuses(g)) {
    p.rung("separate", "cuBLASLt, whose tiles and pipelines are made for each GPU, and kernels behind it",
           [&](const Queue &q) { return library->gemm(q, g, plugin::CublasLt::Epilogues::separate); });
  }
  if (library != nullptr) {
    p.rung("product", "cuBLASLt; what follows the product is done on the way out, where it has that",
           [&](const Queue &q) { return library->gemm(q, g); });
  }
  p.climb();
  // Times that are alike would else be taken for a result.
  if (library != nullptr && plugin::CublasLt::fuses(g) && !library->was_fused()) {
    std::printf("gemm, %s: cuBLASLt refuses this in one piece, `product` is `separate`\n", shape.text().c_str());
  }
}

void run(Ladder &ladder, const Shape &shape) {
  if (shape.dtype() == SIMCSE_F32) return run_types<float, float>(ladder, shape);
  if (shape.has("wide") && shape["wide"] != 0) return run_types<bf16, float>(ladder, shape);
  run_types<bf16, bf16>(ladder, shape);
}

const Program kProgram = {
    {"f32 m=5 n=3 k=7 epilogue=5", "bf16 m=33 n=72 k=40 tb=1 epilogue=3", "bf16 m=40 n=24 k=33 ta=1 epilogue=1 wide=1",
     "bf16 m=33 n=32 k=40 tb=1 epilogue=3", "bf16 m=35 n=48 k=36 epilogue=6", "f32 m=5 n=3 k=7 epilogue=6",
     "bf16 m=48 n=32 k=70 ta=1 epilogue=1 wide=1 sums=1"},
    {"bf16 m=24576 n=2304 k=768 tb=1 epilogue=2", "bf16 m=24576 n=768 k=768 tb=1 epilogue=2",
     "bf16 m=24576 n=3072 k=768 tb=1 epilogue=3", "bf16 m=24576 n=768 k=3072 tb=1 epilogue=2",
     "bf16 m=24576 n=768 k=3072", "bf16 m=24576 n=3072 k=768 epilogue=6",
     "bf16 m=3072 n=768 k=24576 ta=1 epilogue=1 wide=1", "bf16 m=3072 n=768 k=24576 ta=1 epilogue=1 wide=1 sums=1",
     "bf16 m=768 n=768 k=24576 ta=1 epilogue=1 wide=1 sums=1", "bf16 m=2048 n=3072 k=768 tb=1 epilogue=3",
     "bf16 m=24576 n=1536 k=384 tb=1 epilogue=3", "f32 m=24576 n=768 k=768 tb=1 epilogue=2"},
    run};

}  // namespace

}  // namespace simcse::cuda::dev

int main(int count, char **arguments) {
  return simcse::cuda::dev::climb(count, arguments, simcse::cuda::dev::kProgram);
}
