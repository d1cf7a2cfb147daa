// Cross entropy and its gradient against the formula in double.
#include "../cross_entropy.hpp"
#include "check.hpp"

namespace simcse::cuda::tests {

namespace {

template <typename T>
void check_case(int64_t rows, int classes, double scale, bool in_place) {
  const simcse_dtype dtype = sizeof(T) == 2 ? SIMCSE_BF16 : SIMCSE_F32;
  Random random(static_cast<uint64_t>(rows * 100 + classes));
  Array<T> logits(rows * classes), d_logits(rows * classes);
  Array<int32_t> targets(rows);
  Array<float> loss(1), lse(rows), scratch(cross_entropy_forward_scratch(rows) / 4);
  logits.fill(random, scale);
  std::vector<double> expected(static_cast<std::size_t>(logits.count())), sums;
  const float loss_scale = 0.5f;
  double mean = 0;
  for (int64_t r = 0; r < rows; r++) {
    targets[r] = random.between(0, classes - 1);
    double most = -1e300, sum = 0;
    for (int c = 0; c < classes; c++) most = std::fmax(most, value_of(logits[r * classes + c]));
    for (int c = 0; c < classes; c++) sum += std::exp(value_of(logits[r * classes + c]) - most);
    sums.push_back(most + std::log(sum));
    mean += (sums.back() - value_of(logits[r * classes + targets[r]])) / static_cast<double>(rows);
    for (int c = 0; c < classes; c++) {
      const double kept = static_cast<float>(sums.back());
      const double probability = std::exp(value_of(logits[r * classes + c]) - kept);
      expected[static_cast<std::size_t>(r * classes + c)] =
          static_cast<double>(loss_scale) / static_cast<double>(rows) * (probability - (c == targets[r] ? 1 : 0));
    }
  }
  const CrossEntropyForward forward = {dtype, classes, rows, logits.data(), targets.data(), loss.data(), lse.data()};
  RUN(cross_entropy_forward({nullptr, scratch.data()}, forward));
  CHECK(std::fabs(loss[0] - mean) <= 1e-5 * mean + 1e-7, "loss %g, not %g", static_cast<double>(loss[0]), mean);
  check_near("lse", lse, sums, {});
  Array<T> &to = in_place ? logits : d_logits;
  const CrossEntropyBackward backward = {dtype,      classes,    rows,     logits.data(), targets.data(),
                                         lse.data(), loss_scale, to.data()};
  RUN(cross_entropy_backward({}, backward));
  if (classes > 1) check_near("d_logits", to, expected, rounded<T>(expected));
}

SIMCSE_TEST(cross_entropy_of_odd_counts) {
  each_seed(2, [](int seed) {
    for (const int64_t rows : {1, 3, 33, 70}) {
      for (const int classes : {1, 2, 3, 31, 32, 33, 100}) {
        check_case<float>(rows, classes, 5, seed == 2);
        check_case<bf16>(rows, classes, 5, seed == 1);
      }
    }
    check_case<float>(300, 3, 5, false);  // more rows than threads that add up the losses
  });
}

SIMCSE_TEST(cross_entropy_keeps_what_is_not_a_number) {
  Array<float> logits(6), loss(1), lse(2), scratch(2);
  Array<int32_t> targets(2);
  for (int i = 0; i < 6; i++) logits[i] = 1;
  logits[1] = NAN;
  logits[3] = -INFINITY;  // a class that takes no part
  targets[0] = 0;
  targets[1] = 1;
  RUN(cross_entropy_forward({nullptr, scratch.data()}, {SIMCSE_F32, 3, 2, logits.data(), targets.data(), loss.data(),
                                                        lse.data()}));
  CHECK(loss[0] != loss[0] && lse[0] != lse[0], "loss %g", static_cast<double>(loss[0]));
  CHECK(std::fabs(lse[1] - (1 + std::log(2.0))) < 1e-6, "lse %g", static_cast<double>(lse[1]));
}

}  // namespace

}  // namespace simcse::cuda::tests
