// GELU and its derivative, number by number: also where little is left of them, far below 0.
#include "../activation.hpp"
#include "check.hpp"

namespace simcse::cuda::tests {

namespace {

// The worst relative error over x from -12.5 to 12.5, in steps that are no powers of 2.
template <typename Exact>
double worst_of(const Array<float> &x, const Array<float> &found, const Exact &exact) {
  double worst = 0;
  for (int64_t i = 0; i < x.count(); i++) {
    const double wanted = exact(static_cast<double>(x[i]));
    const double error = std::fabs(static_cast<double>(found[i]) / wanted - 1);
    if (!(error <= worst)) worst = error;
  }
  return worst;
}

double below(double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }

SIMCSE_TEST(gelu_keeps_its_digits) {
  constexpr int64_t kCount = 4001;
  Array<float> x(kCount), value(kCount), slope(kCount);
  for (int64_t i = 0; i < kCount; i++) x[i] = 0.00625f * static_cast<float>(i - kCount / 2) + 0.001f;
  slope.set(1.0f);
  RUN(gelu_forward({}, SIMCSE_F32, x.data(), SIMCSE_F32, value.data(), kCount));
  double worst = worst_of(x, value, [](double at) { return at * below(at); });
  CHECK(worst < 2e-5, "gelu is off by %g of itself", worst);
  value.copy(x);
  const simcse_gelu_backward args = {sizeof args, SIMCSE_F32, 0, kCount, value.data(), slope.data()};
  RUN(gelu_backward({}, args));
  worst = worst_of(x, value, [](double at) { return at * below(at); });
  CHECK(worst < 2e-5, "gelu is off by %g of itself where its derivative is taken", worst);
  // The derivative has a zero near -0.75: there its error is one of its parts, of which none is above 1.
  double furthest = 0;
  for (int64_t i = 0; i < kCount; i++) {
    const double at = static_cast<double>(x[i]);
    const double wanted = below(at) + at * std::exp(-0.5 * at * at) / std::sqrt(2 * std::acos(-1.0));
    furthest = std::fmax(furthest, std::fabs(static_cast<double>(slope[i]) - wanted));
  }
  CHECK(furthest < 1e-6, "the derivative is off by %g", furthest);
}

}  // namespace

}  // namespace simcse::cuda::tests
