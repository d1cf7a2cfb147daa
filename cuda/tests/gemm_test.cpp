// gemm and the activations behind it, against plain loops.
#include "../gemm.hpp"
#include "../gemm_epilogue.hpp"

#include "../activation.hpp"
#include "../column_sum.hpp"
#include "check.hpp"

namespace simcse::cuda::tests {

namespace {

double gelu_of(double x) { return x / 2 * std::erfc(-x * std::sqrt(0.5)); }
double slope_of(double x) {
  return std::erfc(-x * std::sqrt(0.5)) / 2 + x * std::exp(-x * x / 2) / std::sqrt(2 * std::acos(-1.0));
}

bool adds_bias(simcse_epilogue epilogue) {
  return epilogue >= SIMCSE_EPILOGUE_BIAS && epilogue <= SIMCSE_EPILOGUE_BIAS_RESIDUAL;
}

// C and P + bias as doubles.
struct Product {
  std::vector<double> c, pre_activation;
};

template <typename T>
Product reference(const simcse_gemm &g, const Array<T> &a, const Array<T> &b, const std::vector<double> &bias,
                  const std::vector<double> &other) {
  Product result;
  for (int64_t i = 0; i < g.m; i++) {
    for (int64_t j = 0; j < g.n; j++) {
      double x = 0;
      for (int64_t k = 0; k < g.k; k++) {
        x += value_of(a[g.transpose_a ? k * g.m + i : i * g.k + k]) *
             value_of(b[g.transpose_b ? j * g.k + k : k * g.n + j]);
      }
      if (!bias.empty()) x += bias[static_cast<std::size_t>(j)];
      const double old = other.empty() ? 0 : other[static_cast<std::size_t>(i * g.n + j)];
      x = g.epilogue == SIMCSE_EPILOGUE_GELU_BACKWARD ? x * slope_of(old) : x + old;
      result.pre_activation.push_back(x);
      if (g.epilogue == SIMCSE_EPILOGUE_BIAS_GELU) x = gelu_of(x);
      if (g.epilogue == SIMCSE_EPILOGUE_BIAS_TANH) x = std::tanh(x);
      result.c.push_back(x);
    }
  }
  return result;
}

// The sums of A's rows, (k, m), beside what was there.
template <typename T>
std::vector<double> sums_of(const Array<T> &a, const Array<float> &before) {
  std::vector<double> sums = before.values();
  for (int64_t i = 0; i < a.count(); i++) sums[static_cast<std::size_t>(i % before.count())] += value_of(a[i]);
  return sums;
}

template <typename T, typename C>
void check_product(Random &random, int64_t m, int64_t n, int64_t k, int transposed, simcse_epilogue epilogue,
                   int offset) {
  Array<T> a(m * k, offset), b(k * n, offset), pre(m * n, offset);
  Array<C> c(m * n, offset), first(m * n, offset);
  Array<float> bias(n);
  a.fill(random);
  b.fill(random);
  bias.fill(random);
  const bool accumulates = epilogue == SIMCSE_EPILOGUE_ACCUMULATE, sums = accumulates && transposed % 2 == 1;
  const bool adds_residual = epilogue == SIMCSE_EPILOGUE_BIAS_RESIDUAL;
  const bool multiplies = epilogue == SIMCSE_EPILOGUE_GELU_BACKWARD;
  Array<C> other(m * n);
  Array<T> kept(m * n, offset);
  Array<float> before(m), sum(m), first_sum(m), scratch(sums ? column_sum_scratch(k, m) / 4 : 1);
  other.fill(random);
  kept.fill(random, 3);
  before.fill(random);
  simcse_gemm g = {};
  g.struct_size = sizeof g;
  g.dtype = sizeof(T) == 4 ? SIMCSE_F32 : SIMCSE_BF16;
  g.c_dtype = sizeof(C) == 4 ? SIMCSE_F32 : SIMCSE_BF16;
  g.transpose_a = transposed % 2;
  g.transpose_b = transposed / 2;
  g.epilogue = epilogue;
  g.m = m;
  g.n = n;
  g.k = k;
  g.a = a.data();
  g.b = b.data();
  g.c = c.data();
  g.bias = adds_bias(epilogue) ? bias.data() : nullptr;
  g.pre_activation = multiplies ? kept.data() : epilogue == SIMCSE_EPILOGUE_BIAS_GELU ? pre.data() : nullptr;
  g.residual = adds_residual ? c.data() : nullptr;
  g.bias_gradient = sums ? sum.data() : nullptr;
  CHECK(gemm_scratch(g) <= 4 * scratch.count(), "scratch of %lld bytes", static_cast<long long>(gemm_scratch(g)));
  const bool reads = accumulates || adds_residual;
  const Product want = reference(g, a, b, adds_bias(epilogue) ? bias.values() : std::vector<double>(),
                                 multiplies ? kept.values() : reads ? other.values() : std::vector<double>());
  each_seed(2, [&](int seed) {
    if (reads) {
      c.copy(other);
    } else {
      std::memset(c.data(), 0xff, static_cast<std::size_t>(m * n) * sizeof(C));
    }
    sum.copy(before);
    RUN(gemm({nullptr, scratch.data()}, g));
    check_near("c", c, want.c, rounded<C>(want.c));
    if (epilogue == SIMCSE_EPILOGUE_BIAS_GELU) {
      check_near("pre_activation", pre, want.pre_activation, rounded<T>(want.pre_activation));
    }
    if (sums) check_near("bias_gradient", sum, sums_of(a, before), {});
    if (seed == 1) {
      first.copy(c);
      first_sum.copy(sum);
    }
    CHECK(c.same_bits(first) && sum.same_bits(first_sum), "other bits under another seed");
  });
}

SIMCSE_TEST(gemm_against_loops) {
  Random random(11);
  const int64_t shapes[][3] = {{1, 1, 1}, {5, 3, 2}, {31, 33, 32}, {64, 64, 64}, {65, 72, 40}, {8, 136, 129}};
  int turn = 0;
  for (const auto &s : shapes) {
    for (int transposed = 0; transposed < 4; transposed++) {
      const simcse_epilogue epilogue = turn++ % 7;
      const int offset = turn % 3 == 0;
      check_product<float, float>(random, s[0], s[1], s[2], transposed, epilogue, offset);
      check_product<bf16, bf16>(random, s[0], s[1], s[2], transposed, epilogue, offset);
      check_product<bf16, float>(random, s[0], s[1], s[2], transposed, (epilogue + 1) % 7, offset);
    }
  }
}

// What gemm makes of a product with the identity.
template <typename T, typename C>
void check_epilogue(Random &random, int64_t m, int64_t n, simcse_epilogue epilogue, int offset) {
  Array<float> product(m * n, offset), identity(n * n), bias(n);
  Array<T> pre(m * n, offset);
  Array<C> c(m * n, offset), other(m * n), first(m * n, offset);
  Array<T> kept(m * n, offset);
  product.fill(random);
  bias.fill(random);
  other.fill(random);
  kept.fill(random, 3);
  for (int64_t i = 0; i < n * n; i++) identity[i] = i % (n + 1) == 0;
  const bool adds_residual = epilogue == SIMCSE_EPILOGUE_BIAS_RESIDUAL;
  const bool multiplies = epilogue == SIMCSE_EPILOGUE_GELU_BACKWARD;
  const bool reads = epilogue == SIMCSE_EPILOGUE_ACCUMULATE || adds_residual;
  simcse_gemm g = {};
  g.epilogue = epilogue;
  g.m = m;
  g.n = g.k = n;
  const Product want = reference(g, product, identity, adds_bias(epilogue) ? bias.values() : std::vector<double>(),
                                 multiplies ? kept.values() : reads ? other.values() : std::vector<double>());
  simcse_gemm_epilogue e = {};
  e.struct_size = sizeof e;
  e.dtype = sizeof(T) == 4 ? SIMCSE_F32 : SIMCSE_BF16;
  e.c_dtype = sizeof(C) == 4 ? SIMCSE_F32 : SIMCSE_BF16;
  e.epilogue = epilogue;
  e.m = m;
  e.n = n;
  e.product = product.data();
  e.c = c.data();
  e.bias = adds_bias(epilogue) ? bias.data() : nullptr;
  e.pre_activation = multiplies ? kept.data() : epilogue == SIMCSE_EPILOGUE_BIAS_GELU ? pre.data() : nullptr;
  e.residual = adds_residual ? c.data() : nullptr;
  each_seed(2, [&](int seed) {
    c.copy(other);
    RUN(gemm_epilogue({}, e));
    check_near("c", c, want.c, rounded<C>(want.c));
    if (epilogue == SIMCSE_EPILOGUE_BIAS_GELU) {
      check_near("pre_activation", pre, want.pre_activation, rounded<T>(want.pre_activation));
    }
    if (seed == 1) first.copy(c);
    CHECK(c.same_bits(first), "other bits under another seed");
  });
}

SIMCSE_TEST(gemm_epilogue_against_loops) {
  Random random(13);
  const int64_t shapes[][2] = {{1, 1}, {3, 5}, {31, 33}, {17, 64}, {40, 100}};
  for (const auto &s : shapes) {
    for (simcse_epilogue epilogue = SIMCSE_EPILOGUE_STORE; epilogue <= SIMCSE_EPILOGUE_GELU_BACKWARD; epilogue++) {
      for (const int offset : {0, 1}) {
        check_epilogue<float, float>(random, s[0], s[1], epilogue, offset);
        check_epilogue<bf16, bf16>(random, s[0], s[1], epilogue, offset);
        check_epilogue<bf16, float>(random, s[0], s[1], epilogue, offset);
      }
    }
  }
}

template <typename From, typename To>
void check_activations(Random &random, int64_t count, int offset) {
  Array<From> from(count, offset);
  Array<To> to(count, offset), gradient(count, offset);
  from.fill(random, 6);
  gradient.fill(random);
  const simcse_dtype from_dtype = sizeof(From) == 4 ? SIMCSE_F32 : SIMCSE_BF16;
  const simcse_dtype to_dtype = sizeof(To) == 4 ? SIMCSE_F32 : SIMCSE_BF16;
  std::vector<double> curved, flat;
  for (const double x : from.values()) {
    curved.push_back(gelu_of(x));
    flat.push_back(std::tanh(x));
  }
  RUN(gelu_forward({}, from_dtype, from.data(), to_dtype, to.data(), count));
  check_near("gelu", to, curved, rounded<To>(curved));
  std::vector<double> steep = gradient.values();
  for (std::size_t i = 0; i < steep.size(); i++) steep[i] *= slope_of(value_of(from[static_cast<int64_t>(i)]));
  RUN(multiply_by_gelu_slope({}, from_dtype, from.data(), to_dtype, gradient.data(), count));
  check_near("gelu'", gradient, steep, rounded<To>(steep));
  RUN(tanh_forward({}, from_dtype, from.data(), count));
  check_near("tanh", from, flat, rounded<From>(flat));
}

SIMCSE_TEST(gemm_activations) {
  Random random(12);
  for (const int64_t count : {1, 7, 8, 9, 2048, 2051}) {
    for (const int offset : {0, 1}) {
      check_activations<float, float>(random, count, offset);
      check_activations<bf16, bf16>(random, count, offset);
      check_activations<bf16, float>(random, count, offset);
    }
  }
}

// GELU as cuBLASLt has it, with its derivative.
double tanh_form(double x, double *slope) {
  const double root = std::sqrt(2 / std::acos(-1.0));
  const double t = std::tanh(root * (x + 0.044715 * x * x * x));
  *slope = (1 + t) / 2 + x / 2 * (1 - t * t) * root * (1 + 3 * 0.044715 * x * x);
  return x / 2 * (1 + t);
}

void check_within_twice(const char *what, const std::vector<double> &form, const std::vector<double> &reference,
                        double mean, double deviation) {
  const Error error = error_of(rounded<bf16>(form), reference), naive = error_of(rounded<bf16>(reference), reference);
  CHECK(error.norm <= 2 * naive.norm && error.largest <= 2 * naive.largest,
        "%s around %g by %g: errors %g and %g, of naive bf16 %g and %g", what, mean, deviation, error.norm,
        error.largest, naive.norm, naive.largest);
}

// That the tanh form may stand for GELU in bf16: for pre-activations of any spread, unless almost all are below -1.5,
// where GELU is small beside what is lost.
SIMCSE_TEST(gelu_of_the_library_within_twice_bf16) {
  const double spreads[][2] = {{0, 0.1}, {0, 0.5}, {0, 1}, {0, 4}, {0.5, 1}, {1, 2}, {-0.5, 0.5}, {-1, 0.5}, {-1, 1},
                               {-1.5, 1}, {-2, 2}, {-4, 4}};
  for (const auto &spread : spreads) {
    Random random(14);
    std::vector<double> values, slopes, forms, form_slopes;
    for (int i = 0; i < 20000; i++) {
      double x = 0;  // normal, as the sum of twelve
      for (int k = 0; k < 12; k++) x += random.uniform() / 2;
      x = spread[0] + spread[1] * x;
      // What the product holds before it is multiplied.
      const double product = random.uniform();
      double slope = 0;
      values.push_back(gelu_of(x));
      slopes.push_back(product * slope_of(x));
      forms.push_back(tanh_form(x, &slope));
      form_slopes.push_back(product * slope);
    }
    check_within_twice("gelu", forms, values, spread[0], spread[1]);
    check_within_twice("gelu'", form_slopes, slopes, spread[0], spread[1]);
  }
}

SIMCSE_TEST(gemm_geometry_within_limits) {
  CHECK(gemm_geometry(SIMCSE_BF16, 1, 1).x == 1, "one tile");
  CHECK(gemm_geometry(SIMCSE_BF16, 65, 64).x == 2 && gemm_geometry(SIMCSE_F32, 64, 129).x == 3, "tiles");
  CHECK(gemm_geometry(SIMCSE_F32, 1 << 20, 3072).threads % 32 == 0, "whole warps");
  CHECK(activation_geometry(1).x == 1 && activation_geometry(2049).x == 2, "2048 elements a block");
}

}  // namespace

}  // namespace simcse::cuda::tests
