// Backward of GELU and tanh against their derivatives in double.
#include "../activation.hpp"
#include "check.hpp"

namespace simcse::cuda::tests {

namespace {

template <typename T>
void check_activations(int64_t count, int offset) {
  const simcse_dtype dtype = sizeof(T) == 2 ? SIMCSE_BF16 : SIMCSE_F32;
  Random random(static_cast<uint64_t>(count));
  Array<T> x(count, offset), d(count, offset), y(count, offset), e(count, offset);
  x.fill(random, 6);
  x[0] = from_float<T>(-12.0f);
  d.fill(random);
  y.fill(random);
  e.fill(random);
  std::vector<double> gelu = x.values(), slope = d.values(), tanh = e.values();
  for (std::size_t i = 0; i < gelu.size(); i++) {
    const double v = gelu[i];
    gelu[i] = v / 2 * std::erfc(-v / std::sqrt(2.0));
    slope[i] *= std::erfc(-v / std::sqrt(2.0)) / 2 + v * std::exp(-v * v / 2) / std::sqrt(2 * M_PI);
    tanh[i] *= 1 - std::pow(value_of(y[static_cast<int64_t>(i)]), 2);
  }
  const simcse_gelu_backward first = {sizeof first, dtype, 0, count, x.data(), d.data()};
  RUN(gelu_backward({}, first));
  check_near("gelu", x, gelu, rounded<T>(gelu));
  check_near("gelu slope", d, slope, rounded<T>(slope));
  const simcse_tanh_backward second = {sizeof second, dtype, 0, count, y.data(), e.data()};
  RUN(tanh_backward({}, second));
  check_near("tanh slope", e, tanh, rounded<T>(tanh));
}

SIMCSE_TEST(activations_backward) {
  each_seed(2, [](int) {
    for (const int64_t count : {1, 3, 7, 8, 33, 1023, 1024, 4099}) {
      for (const int offset : {0, 1}) {
        check_activations<float>(count, offset);
        check_activations<bf16>(count, offset);
      }
    }
  });
}

}  // namespace

}  // namespace simcse::cuda::tests
