// gradient_norm and adamw.
#include <cmath>

#include "harness.hpp"

namespace simcse_test {
namespace {

void check_norm(Suite &suite, int64_t count, double size) {
  Case c(suite, format("gradient_norm of %d numbers of size %g", static_cast<int>(count), size));
  Numbers gradients = c.random.normals(Type::kF32, count, 0, size);
  Operand &in = c.input("gradients", Type::kF32, gradients), &norm = c.output("norm", Type::kF32, 1);
  c.run([&](const simcse_api &api, simcse_device *device) {
    simcse_gradient_norm a = {};
    a.count = count;
    a.gradients = in;
    a.norm = norm;
    return api.gradient_norm(device, nullptr, c.arguments(a));
  });
  double squares = 0;
  for (double g : gradients) squares += g * g;
  Numbers want = {std::sqrt(squares)};
  c.expect(norm, want, want);
}

struct Update {
  int64_t count;
  int64_t step;
  double max_grad_norm;
  double norm;
  bool bf16_copy;
};

void check_adamw(Suite &suite, const Update &u) {
  Case c(suite, format("adamw of %d, step %lld, max_grad_norm %g of %g%s", static_cast<int>(u.count),
                       static_cast<long long>(u.step), u.max_grad_norm, u.norm, u.bf16_copy ? ", bf16_copy" : ""));
  const double rate = 0.05, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, decay = 0.01;
  Numbers p = c.random.normals(Type::kF32, u.count), g = c.random.normals(Type::kF32, u.count, 0, 0.1);
  Numbers m = c.random.normals(Type::kF32, u.count, 0, 0.1), v = c.random.normals(Type::kF32, u.count, 0, 0.1);
  for (double &value : v) value = rounded(Type::kF32, value * value);
  // Weights that never had a gradient.
  for (std::size_t i = 0; i < p.size(); i += 3) g[i] = m[i] = v[i] = 0;
  Operand &parameters = c.updated("parameters", Type::kF32, p), &gradients = c.input("gradients", Type::kF32, g);
  Operand &first = c.updated("first_moment", Type::kF32, m), &second = c.updated("second_moment", Type::kF32, v);
  Operand &norm = c.input("norm", Type::kF32, {u.norm});
  Operand *copy = u.bf16_copy ? &c.output("bf16_copy", Type::kBf16, u.count) : nullptr;
  c.run([&](const simcse_api &api, simcse_device *device) {
    simcse_adamw a = {};
    a.count = u.count;
    a.step = u.step;
    a.learning_rate = rate;
    a.beta1 = beta1;
    a.beta2 = beta2;
    a.epsilon = epsilon;
    a.weight_decay = decay;
    a.max_grad_norm = u.max_grad_norm;
    a.parameters = parameters;
    a.gradients = gradients;
    a.first_moment = first;
    a.second_moment = second;
    a.norm = norm;
    if (copy != nullptr) a.bf16_copy = *copy;
    return api.adamw(device, nullptr, c.arguments(a));
  });
  double clip = u.max_grad_norm > 0 ? std::fmin(1, u.max_grad_norm / (rounded(Type::kF32, u.norm) + 1e-6)) : 1;
  double correction1 = 1 - std::pow(beta1, static_cast<double>(u.step));
  double correction2 = 1 - std::pow(beta2, static_cast<double>(u.step));
  for (std::size_t i = 0; i < p.size(); i++) {
    double gradient = clip * g[i];
    m[i] = beta1 * m[i] + (1 - beta1) * gradient;
    v[i] = beta2 * v[i] + (1 - beta2) * gradient * gradient;
    p[i] -= rate * (m[i] / correction1 / (std::sqrt(v[i] / correction2) + epsilon) + decay * p[i]);
  }
  c.expect(parameters, p, p);
  c.expect(first, m, m);
  c.expect(second, v, v);
  for (std::size_t target = 0; c.ran() && copy != nullptr && target < suite.targets.size(); target++) {
    Bytes want = encoded(Type::kBf16, decoded(Type::kF32, parameters.after[target]));
    if (want != copy->after[target]) c.fail("bf16_copy is not the rounded parameters on " + suite.targets[target].name);
  }
}

}  // namespace

void test_optimiser(Suite &suite) {
  for (int64_t count : {1, 2, 15, 16, 17, 31, 32, 33, 1000, 4097, 200003}) {
    check_norm(suite, count, 1);
    check_norm(suite, count, 1e-3);
    check_adamw(suite, {count, 1, 0, 3, false});
    check_adamw(suite, {count, 2, 1, 0.5, true});
    check_adamw(suite, {count, 1000, 1, 25, true});
    check_adamw(suite, {count, 1000000, 5, 0, false});
  }
  // Squares that no float holds.
  check_norm(suite, 1000, 1e25);
  check_norm(suite, 1000, 1e-25);
  check_norm(suite, 1, 0);
}

}  // namespace simcse_test
