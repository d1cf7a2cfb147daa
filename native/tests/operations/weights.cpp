// weights_hold: gemm with a B whose packed forms the device keeps, through every way that its content may change.
#include <cmath>

#include "harness.hpp"

namespace simcse_test {
namespace {

struct Shape {
  int64_t m, n, k;
};

// Two matrices one after the other in memory that is held as a whole; each product takes one of them.
class Held {
 public:
  Held(Suite &suite, Type type, Shape shape, bool transpose_b)
      : c_(suite, format("gemm %s with a held B%s, m %d n %d k %d", name(type), transpose_b ? " transposed" : "",
                         static_cast<int>(shape.m), static_cast<int>(shape.n), static_cast<int>(shape.k))),
        suite_(suite), type_(type), s_(shape), transpose_b_(transpose_b) {}

  void check() {
    int64_t size = s_.n * s_.k;
    double deviation = 1 / std::sqrt(static_cast<double>(s_.k));
    Numbers a = c_.random.normals(type_, s_.m * s_.k);
    Numbers first = c_.random.normals(type_, 2 * size, 0, deviation);
    Numbers second = c_.random.normals(type_, 2 * size, 0, deviation);
    Numbers third = c_.random.normals(type_, 2 * size, 0, deviation);
    a_ = &c_.input("a", type_, a);
    weights_ = &c_.updated("weights", type_, first);
    Operand &newer = c_.input("second weights", type_, second), &newest = c_.input("third weights", type_, third);
    Operand &as_floats = c_.input("second weights as f32", Type::kF32, second);
    for (int i = 0; i < kProducts; i++) out_[i] = &c_.output(format("product %d", i), Type::kF32, s_.m * s_.n);
    int64_t bytes = 2 * size * static_cast<int64_t>(size_of(type_));
    c_.run([&](const simcse_api &api, simcse_device *device) {
      simcse_status status = api.weights_hold(device, *weights_, bytes);
      if (status == SIMCSE_OK) status = multiply(api, device, 0, 0);
      if (status == SIMCSE_OK) status = multiply(api, device, 1, 1);
      if (status == SIMCSE_OK) status = multiply(api, device, 2, 0);
      if (status == SIMCSE_OK) status = change(api, device, as_floats, newer, 2 * size);
      if (status == SIMCSE_OK) status = multiply(api, device, 3, 0);
      if (status == SIMCSE_OK) status = multiply(api, device, 4, 1);
      if (status == SIMCSE_OK) status = api.copy_to_device(device, nullptr, *weights_, newest, bytes);
      if (status == SIMCSE_OK) status = multiply(api, device, 5, 1);
      if (status == SIMCSE_OK) status = api.memory_zero(device, nullptr, *weights_, bytes / 2);
      if (status == SIMCSE_OK) status = multiply(api, device, 6, 0);
      if (status == SIMCSE_OK) status = multiply(api, device, 7, 1);
      simcse_status released = api.weights_release(device, *weights_);
      if (status == SIMCSE_OK) status = released;
      // Memory is the caller's again.
      Bytes restored = encoded(type_, first);
      std::copy(restored.begin(), restored.end(), weights_->at);
      return status == SIMCSE_OK ? multiply(api, device, 8, 0) : status;
    });
    Numbers zero(static_cast<std::size_t>(2 * size), 0.0);
    const Numbers *const contents[kProducts] = {&first, &first, &first, &second, &second,
                                                &third, &zero,  &third, &first};
    static const int kHalves[kProducts] = {0, 1, 0, 0, 1, 1, 0, 1, 0};
    for (int i = 0; i < kProducts; i++) {
      Numbers want = product(a, *contents[i], kHalves[i] * size);
      c_.expect(*out_[i], want, want);
    }
    for (std::size_t target = 0; c_.ran() && target < suite_.targets.size(); target++) {
      bool same = out_[0]->after[target] == out_[2]->after[target] && out_[0]->after[target] == out_[8]->after[target];
      if (!same) c_.fail("held weights give other bits on " + suite_.targets[target].name);
    }
  }

 private:
  static constexpr int kProducts = 9;

  // Through convert where the weights are bf16; f32 ones are copied.
  simcse_status change(const simcse_api &api, simcse_device *device, Operand &as_floats, Operand &same_type,
                       int64_t count) {
    if (type_ == Type::kF32) return api.copy_to_device(device, nullptr, *weights_, same_type, 4 * count);
    simcse_convert v = {};
    v.from_dtype = SIMCSE_F32;
    v.to_dtype = SIMCSE_BF16;
    v.count = count;
    v.from = as_floats;
    v.to = *weights_;
    return api.convert(device, nullptr, c_.arguments(v));
  }

  simcse_status multiply(const simcse_api &api, simcse_device *device, int index, int half) {
    simcse_gemm g = {};
    g.dtype = dtype(type_);
    g.c_dtype = SIMCSE_F32;
    g.transpose_b = transpose_b_;
    g.m = s_.m;
    g.n = s_.n;
    g.k = s_.k;
    g.a = *a_;
    g.b = weights_->at + half * s_.n * s_.k * static_cast<int64_t>(size_of(type_));
    g.c = *out_[index];
    return api.gemm(device, nullptr, c_.arguments(g));
  }

  Numbers product(const Numbers &a, const Numbers &b, int64_t offset) const {
    Numbers c(static_cast<std::size_t>(s_.m * s_.n));
    for (int64_t i = 0; i < s_.m; i++) {
      for (int64_t j = 0; j < s_.n; j++) {
        for (int64_t l = 0; l < s_.k; l++) {
          c[i * s_.n + j] += a[i * s_.k + l] * b[offset + (transpose_b_ ? j * s_.k + l : l * s_.n + j)];
        }
      }
    }
    return c;
  }

  Case c_;
  Suite &suite_;
  Type type_;
  Shape s_;
  bool transpose_b_;
  Operand *a_ = nullptr;
  Operand *weights_ = nullptr;
  Operand *out_[kProducts] = {};
};

simcse_adamw update_of(int64_t count) {
  simcse_adamw u = {};
  u.count = count;
  u.step = 1;
  u.learning_rate = 0.1;
  u.beta1 = 0.9;
  u.beta2 = 0.999;
  u.epsilon = 1e-8;
  return u;
}

// adamw writes masters that are held and the bf16 copy of them that is held too.
void check_adamw(Suite &suite, Shape s) {
  Case c(suite, format("adamw on held weights, m %d n %d k %d", static_cast<int>(s.m), static_cast<int>(s.n),
                       static_cast<int>(s.k)));
  int64_t count = s.n * s.k;
  Numbers start = c.random.normals(Type::kBf16, count);
  Operand &a_f32 = c.input("a", Type::kF32, c.random.normals(Type::kBf16, s.m * s.k));
  Operand &a_bf16 = c.input("a in bf16", Type::kBf16, decoded(Type::kF32, a_f32.before));
  Operand &master = c.updated("masters", Type::kF32, start), &copy = c.updated("copy", Type::kBf16, start);
  Operand &gradients = c.input("gradients", Type::kF32, c.random.normals(Type::kF32, count));
  Operand &first = c.updated("first_moment", Type::kF32, Numbers(start.size(), 0.0));
  Operand &second = c.updated("second_moment", Type::kF32, Numbers(start.size(), 0.0));
  Operand &norm = c.input("norm", Type::kF32, {1});
  Operand *held[4], *plain[2];
  for (int i = 0; i < 4; i++) held[i] = &c.output(format("held product %d", i), Type::kF32, s.m * s.n);
  for (int i = 0; i < 2; i++) plain[i] = &c.output(format("plain product %d", i), Type::kF32, s.m * s.n);
  c.run([&](const simcse_api &api, simcse_device *device) {
    auto multiply = [&](Type type, const Operand &out) {
      simcse_gemm g = {};
      g.dtype = dtype(type);
      g.c_dtype = SIMCSE_F32;
      g.transpose_b = 1;
      g.m = s.m;
      g.n = s.n;
      g.k = s.k;
      g.a = type == Type::kF32 ? a_f32 : a_bf16;
      g.b = type == Type::kF32 ? master : copy;
      g.c = out;
      return api.gemm(device, nullptr, c.arguments(g));
    };
    simcse_adamw u = update_of(count);
    u.parameters = master;
    u.gradients = gradients;
    u.first_moment = first;
    u.second_moment = second;
    u.norm = norm;
    u.bf16_copy = copy;
    simcse_status steps[] = {
        api.weights_hold(device, master, 4 * count), api.weights_hold(device, copy, 2 * count),
        multiply(Type::kF32, *held[0]),              multiply(Type::kBf16, *held[1]),
        api.adamw(device, nullptr, c.arguments(u)),  multiply(Type::kF32, *held[2]),
        multiply(Type::kBf16, *held[3]),             api.weights_release(device, master),
        api.weights_release(device, copy),           multiply(Type::kF32, *plain[0]),
        multiply(Type::kBf16, *plain[1]),
    };
    for (simcse_status status : steps) {
      if (status != SIMCSE_OK) return status;
    }
    return simcse_status{SIMCSE_OK};
  });
  for (std::size_t target = 0; c.ran() && target < suite.targets.size(); target++) {
    for (int i = 0; i < 2; i++) {
      Numbers want = decoded(Type::kF32, plain[i]->after[target]);
      c.expect_of(target, *held[2 + i], want, want);
      if (held[i]->after[target] == held[2 + i]->after[target]) c.fail("held weights did not change");
    }
  }
}

}  // namespace

void test_weights(Suite &suite) {
  static const Shape kShapes[] = {{1, 1, 1}, {3, 7, 5}, {33, 31, 32}, {17, 64, 64}, {64, 96, 130}, {5, 300, 257}};
  for (const Shape &shape : kShapes) {
    for (Type type : kFloats) {
      for (bool transpose_b : {false, true}) Held(suite, type, shape, transpose_b).check();
    }
    check_adamw(suite, shape);
  }
}

}  // namespace simcse_test
