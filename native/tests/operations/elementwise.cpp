// gelu_backward, tanh_backward and column_sum.
#include <cmath>

#include "harness.hpp"

namespace simcse_test {
namespace {

// Numbers of every size: zeros of both signs, tails where gelu and tanh saturate, and values too small to square.
Numbers spread(Random &random, Type type, int64_t count) {
  static const double kSpecial[] = {0,   -0.0, 1e-30, -1e-30, 1e-39, 0.5, -0.5, 3.9, -3.9, 5.5,
                                    -5.5, 8.1,  -8.1,  13.5,   -13.5, 50,  -50,  1e4, -1e4, 1e30};
  Numbers values = random.normals(type, count, 0, 2);
  for (std::size_t i = 0; i < values.size() && i < std::size(kSpecial); i++) {
    std::size_t from_end = values.size() - 1 - i;
    if (from_end > 40) values[from_end] = rounded(type, kSpecial[i]);
  }
  return values;
}

template <typename Real> void gelu_backward(Numbers *x, Numbers *d) {
  for (std::size_t i = 0; i < x->size(); i++) {
    Real v = static_cast<Real>((*x)[i]);
    Real cdf = Real(0.5) * (1 + std::erf(v * Real(M_SQRT1_2)));
    Real density = std::exp(-v * v / 2) * Real(0.39894228040143267794);
    (*d)[i] = static_cast<Real>((*d)[i]) * (cdf + v * density);
    (*x)[i] = v * cdf;
  }
}

template <typename Real> Numbers tanh_backward(const Numbers &y, Numbers d) {
  for (std::size_t i = 0; i < d.size(); i++) {
    Real v = static_cast<Real>(y[i]);
    d[i] = static_cast<Real>(d[i]) * (1 - v * v);
  }
  return d;
}

void check_gelu(Suite &suite, Type type, int64_t count, bool extremes) {
  Case c(suite, format("gelu_backward %s of %d%s", name(type), static_cast<int>(count), extremes ? ", extremes" : ""));
  Numbers x = extremes ? spread(c.random, type, count) : c.random.normals(type, count);
  // The largest values would hide all others from a norm.
  if (extremes) {
    for (double &value : x) value = std::fabs(value) > 100 ? rounded(type, -1e4) : value;
  }
  Numbers d = c.random.normals(type, count);
  Operand &pre_activation = c.updated("pre_activation", type, x);
  Operand &gradient = c.updated("gradient", type, d);
  c.run([&](const simcse_api &api, simcse_device *device) {
    simcse_gelu_backward g = {};
    g.dtype = dtype(type);
    g.count = count;
    g.pre_activation = pre_activation;
    g.gradient = gradient;
    return api.gelu_backward(device, nullptr, c.arguments(g));
  });
  Numbers plain_x = x, plain_d = d;
  gelu_backward<double>(&x, &d);
  gelu_backward<float>(&plain_x, &plain_d);
  c.expect(pre_activation, x, plain_x);
  c.expect(gradient, d, plain_d);
}

void check_tanh(Suite &suite, Type type, int64_t count) {
  Case c(suite, format("tanh_backward %s of %d", name(type), static_cast<int>(count)));
  Numbers y = c.random.normals(type, count), d = c.random.normals(type, count);
  for (double &value : y) value = rounded(type, std::tanh(value));
  Operand &activation = c.input("activation", type, y);
  Operand &gradient = c.updated("gradient", type, d);
  c.run([&](const simcse_api &api, simcse_device *device) {
    simcse_tanh_backward t = {};
    t.dtype = dtype(type);
    t.count = count;
    t.activation = activation;
    t.gradient = gradient;
    return api.tanh_backward(device, nullptr, c.arguments(t));
  });
  c.expect(gradient, tanh_backward<double>(y, d), tanh_backward<float>(y, d));
}

template <typename Real> Numbers column_sum(const Numbers &x, const Numbers &before) {
  std::vector<Real> sum(before.begin(), before.end());
  for (std::size_t i = 0; i < x.size(); i++) sum[i % sum.size()] += static_cast<Real>(x[i]);
  return Numbers(sum.begin(), sum.end());
}

void check_column_sum(Suite &suite, Type type, int64_t rows, int64_t columns) {
  Case c(suite, format("column_sum %s, %d x %d", name(type), static_cast<int>(rows), static_cast<int>(columns)));
  Numbers x = c.random.normals(type, rows * columns, 0.1), before = c.random.normals(Type::kF32, columns);
  Operand &in = c.input("x", type, x);
  Operand &sum = c.updated("sum", Type::kF32, before);
  c.run([&](const simcse_api &api, simcse_device *device) {
    simcse_column_sum s = {};
    s.dtype = dtype(type);
    s.rows = rows;
    s.columns = columns;
    s.x = in;
    s.sum = sum;
    return api.column_sum(device, nullptr, c.arguments(s));
  });
  c.expect(sum, column_sum<double>(x, before), column_sum<float>(x, before));
}

// Where gelu and tanh of the epilogues saturate, through a product of one number and 1.
void check_epilogue_tails(Suite &suite, Type type, simcse_epilogue epilogue) {
  bool is_gelu = epilogue == SIMCSE_EPILOGUE_BIAS_GELU;
  Case c(suite, format("gemm %s %s over numbers of every size", is_gelu ? "bias_gelu" : "bias_tanh", name(type)));
  Numbers x = spread(c.random, type, 100), want, plain;
  for (double &value : x) {
    value = is_gelu && value > 20 ? rounded(type, 20) : value;
    want.push_back(is_gelu ? value * 0.5 * std::erfc(-value * M_SQRT1_2) : std::tanh(value));
    float v = static_cast<float>(value);
    plain.push_back(is_gelu ? v * 0.5f * (1 + std::erf(v * static_cast<float>(M_SQRT1_2))) : std::tanh(v));
  }
  Operand &a = c.input("a", type, {1});
  Operand &b = c.input("b", type, x);
  Operand &bias = c.input("bias", Type::kF32, Numbers(x.size(), 0.0));
  Operand &out = c.output("c", type, static_cast<int64_t>(x.size()));
  c.run([&](const simcse_api &api, simcse_device *device) {
    simcse_gemm g = {};
    g.dtype = g.c_dtype = dtype(type);
    g.epilogue = epilogue;
    g.m = g.k = 1;
    g.n = static_cast<int64_t>(x.size());
    g.a = a;
    g.b = b;
    g.c = out;
    g.bias = bias;
    return api.gemm(device, nullptr, c.arguments(g));
  });
  c.expect(out, want, plain);
}

}  // namespace

void test_elementwise(Suite &suite) {
  for (Type type : kFloats) {
    for (int64_t count : {1, 2, 7, 8, 15, 16, 17, 31, 32, 33, 100, 1023, 40003}) {
      check_gelu(suite, type, count, false);
      if (count >= 100) check_gelu(suite, type, count, true);
      check_tanh(suite, type, count);
    }
    for (int64_t columns : {1, 5, 16, 31, 32, 33, 130, 771}) {
      for (int64_t rows : {1, 2, 31, 33, 64, 500}) check_column_sum(suite, type, rows, columns);
    }
    check_column_sum(suite, type, 9001, 3);
    check_epilogue_tails(suite, type, SIMCSE_EPILOGUE_BIAS_GELU);
    check_epilogue_tails(suite, type, SIMCSE_EPILOGUE_BIAS_TANH);
  }
}

}  // namespace simcse_test
