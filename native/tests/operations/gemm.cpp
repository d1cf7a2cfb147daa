// gemm: C = epilogue(op(A) op(B)) for every transposition, epilogue and type of C; and gemm_epilogue.
#include <cmath>

#include "harness.hpp"

namespace simcse_test {
namespace {

struct Shape {
  int64_t m, n, k;
};

struct Product {
  Type type;
  Type c_type;
  bool transpose_a;
  bool transpose_b;
  simcse_epilogue epilogue;
  bool keeps_pre_activation;
  bool residual_is_c;
  Shape shape;
  bool sums_a = false;

  bool adds_bias() const {
    return epilogue >= SIMCSE_EPILOGUE_BIAS && epilogue <= SIMCSE_EPILOGUE_BIAS_RESIDUAL;
  }
  bool reads_pre_activation() const { return epilogue == SIMCSE_EPILOGUE_GELU_BACKWARD; }
};

struct Result {
  Numbers c;
  Numbers pre_activation;
};

template <typename Real> Real gelu(Real x) { return x * Real(0.5) * (1 + std::erf(x * Real(M_SQRT1_2))); }

template <typename Real> Real gelu_slope(Real x) {
  return Real(0.5) * (1 + std::erf(x * Real(M_SQRT1_2))) + x * std::exp(-x * x / 2) * Real(0.39894228040143267794);
}

// `other` is the residual, the pre-activation, or what C held.
template <typename Real>
Result reference(const Product &p, const Numbers &a, const Numbers &b, const Numbers &bias, const Numbers &other) {
  const int64_t m = p.shape.m, n = p.shape.n, k = p.shape.k;
  std::vector<Real> left(a.begin(), a.end()), right(b.begin(), b.end()), row(static_cast<std::size_t>(n));
  Result result;
  for (int64_t i = 0; i < m; i++) {
    std::fill(row.begin(), row.end(), Real(0));
    for (int64_t l = 0; l < k; l++) {
      Real x = left[p.transpose_a ? l * m + i : i * k + l];
      for (int64_t j = 0; j < n; j++) row[j] += x * right[p.transpose_b ? j * k + l : l * n + j];
    }
    for (int64_t j = 0; j < n; j++) {
      Real sum = row[j] + (bias.empty() ? Real(0) : static_cast<Real>(bias[j]));
      Real old = other.empty() ? Real(0) : static_cast<Real>(other[i * n + j]);
      Real value = p.reads_pre_activation() ? sum * gelu_slope(old) : sum + old;
      if (p.epilogue == SIMCSE_EPILOGUE_BIAS_GELU) value = gelu(sum);
      if (p.epilogue == SIMCSE_EPILOGUE_BIAS_TANH) value = std::tanh(sum);
      result.c.push_back(value);
      if (p.keeps_pre_activation) result.pre_activation.push_back(sum);
    }
  }
  return result;
}

// Of the rows of A as it lies, (k, m), added to what was there.
template <typename Real> Numbers sums(const Shape &shape, const Numbers &a, const Numbers &before) {
  std::vector<Real> sum(before.begin(), before.end());
  for (int64_t i = 0; i < shape.k * shape.m; i++) sum[i % shape.m] += static_cast<Real>(a[i]);
  return Numbers(sum.begin(), sum.end());
}

Operand *kept_or_read(Case &c, const Product &p, const Numbers &other) {
  if (p.reads_pre_activation()) return &c.input("pre_activation", p.type, other);
  return p.keeps_pre_activation ? &c.output("pre_activation", p.type, p.shape.m * p.shape.n) : nullptr;
}

void check(Suite &suite, const Product &p) {
  static const char *const kNames[] = {"store",     "accumulate",    "bias",         "bias_gelu",
                                       "bias_tanh", "bias_residual", "gelu_backward"};
  const int64_t m = p.shape.m, n = p.shape.n, k = p.shape.k;
  Case c(suite, format("gemm %s, C %s, m %d n %d k %d, %s%s%s%s%s%s", name(p.type), name(p.c_type), static_cast<int>(m),
                       static_cast<int>(n), static_cast<int>(k), p.transpose_a ? "A transposed, " : "",
                       p.transpose_b ? "B transposed, " : "", kNames[p.epilogue],
                       p.keeps_pre_activation ? ", keeps pre_activation" : "",
                       p.residual_is_c ? ", residual is C" : "", p.sums_a ? ", sums A" : ""));
  bool adds_bias = p.adds_bias(), adds_residual = p.epilogue == SIMCSE_EPILOGUE_BIAS_RESIDUAL;
  double size = 1 / std::sqrt(static_cast<double>(k));
  Numbers a = c.random.normals(p.type, m * k), b = c.random.normals(p.type, k * n, 0, size);
  Numbers bias = adds_bias ? c.random.normals(Type::kF32, n) : Numbers();
  bool reads_c = p.epilogue == SIMCSE_EPILOGUE_ACCUMULATE || p.residual_is_c;
  Numbers other = reads_c || adds_residual ? c.random.normals(p.c_type, m * n) : Numbers();
  if (p.reads_pre_activation()) other = c.random.normals(p.type, m * n);
  Numbers before = p.sums_a ? c.random.normals(Type::kF32, m) : Numbers();

  Operand &in_a = c.input("a", p.type, a);
  Operand &in_b = c.input("b", p.type, b);
  Operand &out = reads_c ? c.updated("c", p.c_type, other) : c.output("c", p.c_type, m * n);
  Operand *in_bias = adds_bias ? &c.input("bias", Type::kF32, bias) : nullptr;
  Operand *pre_activation = kept_or_read(c, p, other);
  Operand *residual = !adds_residual ? nullptr : p.residual_is_c ? &out : &c.input("residual", p.c_type, other);
  Operand *sum = p.sums_a ? &c.updated("bias_gradient", Type::kF32, before) : nullptr;
  c.run([&](const simcse_api &api, simcse_device *device) {
    simcse_gemm g = {};
    g.dtype = dtype(p.type);
    g.c_dtype = dtype(p.c_type);
    g.transpose_a = p.transpose_a;
    g.transpose_b = p.transpose_b;
    g.epilogue = p.epilogue;
    g.m = m;
    g.n = n;
    g.k = k;
    g.a = in_a;
    g.b = in_b;
    g.c = out;
    if (in_bias != nullptr) g.bias = *in_bias;
    if (pre_activation != nullptr) g.pre_activation = *pre_activation;
    if (residual != nullptr) g.residual = *residual;
    if (sum != nullptr) g.bias_gradient = *sum;
    return api.gemm(device, nullptr, c.arguments(g));
  });
  Result want = reference<double>(p, a, b, bias, other);
  Result plain = reference<float>(p, a, b, bias, other);
  // What is added up has size 1, and may cancel.
  c.expect(out, want.c, plain.c, 1);
  if (p.keeps_pre_activation) c.expect(*pre_activation, want.pre_activation, plain.pre_activation, 1);
  if (sum != nullptr) c.expect(*sum, sums<double>(p.shape, a, before), sums<float>(p.shape, a, before));
}

void check_epilogues(Suite &suite, Type type, Type c_type, bool transpose_a, bool transpose_b, Shape shape) {
  for (simcse_epilogue epilogue = SIMCSE_EPILOGUE_STORE; epilogue <= SIMCSE_EPILOGUE_GELU_BACKWARD; epilogue++) {
    Product p = {type, c_type, transpose_a, transpose_b, epilogue, false, false, shape};
    check(suite, p);
    p.keeps_pre_activation = epilogue == SIMCSE_EPILOGUE_BIAS_GELU;
    p.residual_is_c = epilogue == SIMCSE_EPILOGUE_BIAS_RESIDUAL;
    if (p.keeps_pre_activation || p.residual_is_c) check(suite, p);
  }
}

// The epilogue alone: what gemm makes of a product with the identity.
void check_epilogue(Suite &suite, Product p, bool product_is_c) {
  const int64_t m = p.shape.m, n = p.shape.n;
  Case c(suite, format("gemm_epilogue %d, %s, C %s, m %d n %d%s%s%s", static_cast<int>(p.epilogue), name(p.type),
                       name(p.c_type), static_cast<int>(m), static_cast<int>(n), product_is_c ? ", product is C" : "",
                       p.keeps_pre_activation ? ", keeps pre_activation" : "",
                       p.residual_is_c ? ", residual is C" : ""));
  p.shape.k = n;
  Numbers product = c.random.normals(Type::kF32, m * n), identity(static_cast<std::size_t>(n * n));
  for (int64_t i = 0; i < n; i++) identity[i * n + i] = 1;
  bool adds_bias = p.adds_bias(), adds_residual = p.epilogue == SIMCSE_EPILOGUE_BIAS_RESIDUAL;
  bool reads_c = p.epilogue == SIMCSE_EPILOGUE_ACCUMULATE || p.residual_is_c;
  Numbers bias = adds_bias ? c.random.normals(Type::kF32, n) : Numbers();
  Numbers other = reads_c || adds_residual ? c.random.normals(p.c_type, m * n) : Numbers();
  if (p.reads_pre_activation()) other = c.random.normals(p.type, m * n);
  Operand &out = product_is_c ? c.updated("c", p.c_type, product)
                 : reads_c    ? c.updated("c", p.c_type, other)
                              : c.output("c", p.c_type, m * n);
  Operand &in = product_is_c ? out : c.input("product", Type::kF32, product);
  Operand *in_bias = adds_bias ? &c.input("bias", Type::kF32, bias) : nullptr;
  Operand *pre_activation = kept_or_read(c, p, other);
  Operand *residual = !adds_residual ? nullptr : p.residual_is_c ? &out : &c.input("residual", p.c_type, other);
  c.run([&](const simcse_api &api, simcse_device *device) {
    simcse_gemm_epilogue e = {};
    e.dtype = dtype(p.type);
    e.c_dtype = dtype(p.c_type);
    e.epilogue = p.epilogue;
    e.m = m;
    e.n = n;
    e.product = in;
    e.c = out;
    if (in_bias != nullptr) e.bias = *in_bias;
    if (pre_activation != nullptr) e.pre_activation = *pre_activation;
    if (residual != nullptr) e.residual = *residual;
    return api.gemm_epilogue(device, nullptr, c.arguments(e));
  });
  Result want = reference<double>(p, product, identity, bias, other);
  Result plain = reference<float>(p, product, identity, bias, other);
  c.expect(out, want.c, plain.c, 1);
  if (p.keeps_pre_activation) c.expect(*pre_activation, want.pre_activation, plain.pre_activation, 1);
}

void check_epilogues_alone(Suite &suite, Type type, Type c_type, Shape shape) {
  for (simcse_epilogue epilogue = SIMCSE_EPILOGUE_STORE; epilogue <= SIMCSE_EPILOGUE_GELU_BACKWARD; epilogue++) {
    Product p = {type, c_type, false, false, epilogue, false, false, shape};
    check_epilogue(suite, p, false);
    if (c_type == Type::kF32 && epilogue != SIMCSE_EPILOGUE_ACCUMULATE) check_epilogue(suite, p, true);
    p.keeps_pre_activation = epilogue == SIMCSE_EPILOGUE_BIAS_GELU;
    p.residual_is_c = epilogue == SIMCSE_EPILOGUE_BIAS_RESIDUAL;
    if (p.keeps_pre_activation || p.residual_is_c) check_epilogue(suite, p, false);
  }
}

}  // namespace

void test_gemm(Suite &suite) {
  static const Shape kShapes[] = {
      {1, 1, 1},     {1, 1, 7},    {1, 17, 1},    {5, 1, 3},      {2, 3, 2},       {7, 5, 9},      {16, 16, 16},
      {15, 33, 31},  {17, 31, 33}, {31, 32, 33},  {32, 33, 31},   {33, 31, 32},    {32, 32, 32},   {1, 130, 64},
      {64, 1, 65},   {63, 64, 1},  {65, 63, 2},   {6, 48, 127},   {13, 47, 129},   {129, 97, 66},  {96, 192, 64},
      {3, 1030, 10}, {1027, 2, 5}, {4, 18, 2111}, {37, 70, 1025}, {130, 257, 300}, {257, 66, 520}, {2, 2, 4099},
  };
  int turn = 0;
  for (const Shape &shape : kShapes) {
    for (int transposed = 0; transposed < 4; transposed++) {
      for (int types = 0; types < 3; types++) {
        Type type = types == 0 ? Type::kF32 : Type::kBf16;
        Type c_type = types == 1 ? Type::kBf16 : Type::kF32;
        simcse_epilogue epilogue = turn++ % 7;
        check(suite, {type, c_type, transposed % 2 == 1, transposed / 2 == 1, epilogue,
                      epilogue == SIMCSE_EPILOGUE_BIAS_GELU, false, shape});
      }
    }
  }
  for (const Shape &shape : {Shape{1, 1, 1}, Shape{33, 31, 32}, Shape{21, 50, 77}, Shape{70, 5, 300}}) {
    for (int types = 0; types < 3; types++) {
      Type type = types == 0 ? Type::kF32 : Type::kBf16;
      Type c_type = types == 1 ? Type::kBf16 : Type::kF32;
      for (bool transpose_b : {false, true}) {
        check_epilogues(suite, type, c_type, false, transpose_b, shape);
        check(suite, {type, c_type, true, transpose_b, SIMCSE_EPILOGUE_ACCUMULATE, false, false, shape, true});
      }
      for (const Shape &alone : {shape, Shape{5, 48, 0}}) check_epilogues_alone(suite, type, c_type, alone);
    }
  }
}

}  // namespace simcse_test
