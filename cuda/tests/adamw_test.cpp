// Gradient norm and AdamW against the formulas in double.
#include "../adamw.hpp"

#include <memory>

#include "check.hpp"

namespace simcse::cuda::tests {

namespace {

SIMCSE_TEST(gradient_norm_of_odd_counts) {
  for (const int64_t count : {1, 3, 4, 1023, 1024, 1025, 5003}) {
    for (const int offset : {0, 1}) {
      Array<double> scratch(gradient_norm_scratch(count) / 8);
      float first = 0;
      each_seed(3, [&](int seed) {
        Random random(static_cast<uint64_t>(count));
        Array<float> gradients(count, offset), norm(1);
        gradients.fill(random, 3);
        gradients[count / 2] = 1e4f;
        simcse_gradient_norm args = {sizeof args, count, gradients.data(), norm.data()};
        RUN(gradient_norm({nullptr, scratch.data()}, args));
        double squares = 0;
        for (int64_t i = 0; i < count; i++) squares += static_cast<double>(gradients[i]) * gradients[i];
        CHECK(std::fabs(norm[0] - std::sqrt(squares)) <= 1e-5 * std::sqrt(squares), "%g, not %g",
              static_cast<double>(norm[0]), std::sqrt(squares));
        if (seed == 1) first = norm[0];
        CHECK(norm[0] == first, "the order of the lanes shows");
      });
    }
  }
}

struct Moments {
  std::vector<double> m, v, p;
};

Moments reference_update(const simcse_adamw &a) {
  const double clip = a.max_grad_norm > 0 ? std::fmin(1.0, a.max_grad_norm / (*a.norm + 1e-6)) : 1.0;
  Moments all;
  for (int64_t i = 0; i < a.count; i++) {
    const double g = clip * a.gradients[i];
    const double m = a.beta1 * a.first_moment[i] + (1 - a.beta1) * g;
    const double v = a.beta2 * a.second_moment[i] + (1 - a.beta2) * g * g;
    const double m_hat = m / (1 - std::pow(a.beta1, static_cast<double>(a.step)));
    const double v_hat = v / (1 - std::pow(a.beta2, static_cast<double>(a.step)));
    const double p = a.parameters[i];
    all.m.push_back(m);
    all.v.push_back(v);
    all.p.push_back(p - a.learning_rate * (m_hat / (std::sqrt(v_hat) + a.epsilon) + a.weight_decay * p));
  }
  return all;
}

void check_update(int seed, int64_t count, int offset, int64_t step, double max_grad_norm, bool with_copy) {
  Random random(static_cast<uint64_t>(seed + count));
  Array<float> parameters(count, offset), gradients(count, offset), first(count, offset), second(count, offset);
  Array<float> norm(1);
  Array<bf16> copy(with_copy ? count : 0, offset);
  parameters.fill(random);
  gradients.fill(random, 2);
  first.fill(random, step > 1 ? 0.1 : 0);
  second.fill(random, step > 1 ? 0.01 : 0, step > 1 ? 0.01 : 0);
  norm[0] = 3;
  const simcse_adamw args = {sizeof args,
                             count,
                             step,
                             1e-2,
                             0.9,
                             0.999,
                             1e-8,
                             0.1,
                             max_grad_norm,
                             parameters.data(),
                             gradients.data(),
                             first.data(),
                             second.data(),
                             norm.data(),
                             with_copy ? reinterpret_cast<uint16_t *>(copy.data()) : nullptr};
  const Moments expected = reference_update(args);
  RUN(adamw({}, args));
  check_near("first moment", first, expected.m, {});
  check_near("second moment", second, expected.v, {});
  check_near("parameters", parameters, expected.p, {});
  for (int64_t i = 0; i < copy.count(); i++) {
    CHECK(copy[i].bits == round_bf16(parameters[i]).bits, "bf16 copy of %lld", static_cast<long long>(i));
  }
}

SIMCSE_TEST(adamw_of_odd_counts) {
  each_seed(2, [](int seed) {
    for (const int64_t count : {1, 3, 4, 5, 1023, 1024, 2050}) {
      for (const int offset : {0, 1}) {
        check_update(seed, count, offset, 1, 1.0, true);
        check_update(seed, count, offset, 1000, 0, false);
        check_update(seed, count, offset, 7, 10.0, true);
      }
    }
  });
}

SIMCSE_TEST(adamw_keeps_what_is_not_a_number) {
  Array<float> parameters(4), gradients(4), first(4), second(4), norm(1);
  parameters.set(1);
  gradients.set(1);
  first.set(0);
  second.set(0);
  norm[0] = NAN;
  const simcse_adamw args = {sizeof args,      4,    1,    1e-3, 0.9, 0.999, 1e-8, 0, 1.0, parameters.data(),
                             gradients.data(), first.data(), second.data(), norm.data(), nullptr};
  RUN(adamw({}, args));
  for (int i = 0; i < 4; i++) CHECK(parameters[i] != parameters[i], "an unclipped update");
}

}  // namespace

}  // namespace simcse::cuda::tests
