// Sums of columns against sums in double.
#include "../column_sum.hpp"
#include "check.hpp"

namespace simcse::cuda::tests {

namespace {

template <typename T>
void check_sums(int64_t rows, int64_t columns, int offset) {
  Random random(static_cast<uint64_t>(rows * 1000 + columns));
  Array<T> x(rows * columns, offset);
  x.fill(random, 1, 0.5);
  Array<float> before(columns), scratch(column_sum_scratch(rows, columns) / 4);
  before.fill(random);
  std::vector<double> expected = before.values();
  for (int64_t i = 0; i < x.count(); i++) expected[static_cast<std::size_t>(i % columns)] += value_of(x[i]);
  Array<float> first(columns);
  each_seed(3, [&](int seed) {
    Array<float> sum(columns);
    sum.copy(before);
    const simcse_column_sum args = {sizeof args, sizeof(T) == 2 ? SIMCSE_BF16 : SIMCSE_F32, 0, rows, columns,
                                    x.data(), sum.data()};
    RUN(column_sum({nullptr, scratch.data()}, args));
    check_near("sum", sum, expected, {});
    if (seed == 1) first.copy(sum);
    CHECK(sum.same_bits(first), "other bits than under seed 1");
  });
}

SIMCSE_TEST(column_sums) {
  for (const int64_t rows : {1, 8, 63, 65, 300}) {
    for (const int64_t columns : {1, 31, 33, 128, 264}) {
      check_sums<float>(rows, columns, 0);
      check_sums<bf16>(rows, columns, 0);
    }
    check_sums<bf16>(rows, 64, 1);
  }
  check_sums<bf16>(8300, 8, 0);  // more than one turn of all blocks
  CHECK(column_sum_parts(1) == 1 && column_sum_parts(65) == 2 && column_sum_parts(1 << 20) == 128, "parts");
}

}  // namespace

}  // namespace simcse::cuda::tests
