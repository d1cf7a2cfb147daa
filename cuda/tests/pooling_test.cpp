// Pooling and its gradient against plain loops in double.
#include "../pooling.hpp"
#include "check.hpp"

namespace simcse::cuda::tests {

namespace {

using Doubles = std::vector<double>;

struct Case {
  int sentences, longest, hidden;
  simcse_pooling_mode mode;
  bool accumulate;
  int offset;
};

template <typename T, typename Out>
void check_case(const Case &k) {
  Random random(static_cast<uint64_t>(k.hidden + 100 * k.mode));
  const TestBatch batch(random, k.sentences, k.longest);
  const simcse_batch &b = *batch.get();
  const int embeddings = b.views * b.sentences;
  const simcse_dtype dtype = sizeof(T) == 2 ? SIMCSE_BF16 : SIMCSE_F32;
  const simcse_dtype out_dtype = sizeof(Out) == 2 ? SIMCSE_BF16 : SIMCSE_F32;
  const bool max = k.mode == SIMCSE_POOLING_MAX;
  const float weight = 0.5f;
  Array<T> x(static_cast<int64_t>(batch.rows()) * k.hidden, k.offset), d_x(x.count(), k.offset);
  Array<Out> out(static_cast<int64_t>(embeddings) * k.hidden, k.offset), d_out(out.count(), k.offset);
  Array<int32_t> argmax(max ? out.count() : 0);
  x.fill(random);
  for (int64_t i = 0; i < x.count(); i += 3) x[i] = from_float<T>(0.75f);  // the first of equals counts
  d_out.fill(random);
  d_x.fill(random);
  if (k.accumulate) out.fill(random);
  Doubles expected = k.accumulate ? out.values() : Doubles(static_cast<std::size_t>(out.count()), 0.0);
  Doubles d_expected = d_x.values();
  std::vector<int64_t> rows_of_max;
  for (int e = 0; e < embeddings; e++) {
    const int sentence = e % b.sentences;
    const int first = e / b.sentences * b.tokens + b.cu_seqlens[sentence];
    const int count = b.cu_seqlens[sentence + 1] - b.cu_seqlens[sentence];
    for (int c = 0; c < k.hidden; c++) {
      const int64_t i = static_cast<int64_t>(e) * k.hidden + c;
      const auto at = [&](int row) { return static_cast<int64_t>(row) * k.hidden + c; };
      const double d = static_cast<double>(weight) * value_of(d_out[i]);
      double pooled = 0;
      if (k.mode == SIMCSE_POOLING_CLS) {
        pooled = value_of(x[at(first)]);
        d_expected[static_cast<std::size_t>(at(first))] += d;
      } else if (k.mode == SIMCSE_POOLING_MEAN) {
        for (int row = first; row < first + count; row++) {
          pooled += value_of(x[at(row)]) / count;
          d_expected[static_cast<std::size_t>(at(row))] += d / count;
        }
      } else {
        int best = first;
        for (int row = first; row < first + count; row++) {
          if (value_of(x[at(row)]) > value_of(x[at(best)])) best = row;
        }
        pooled = value_of(x[at(best)]);
        d_expected[static_cast<std::size_t>(at(best))] += d;
        rows_of_max.push_back(best);
      }
      expected[static_cast<std::size_t>(i)] += static_cast<double>(weight) * pooled;
    }
  }
  const simcse_pooling_forward forward = {sizeof forward, batch.get(), dtype, out_dtype, k.hidden, k.mode,
                                          k.accumulate, weight, x.data(), out.data(), max ? argmax.data() : nullptr};
  RUN(pooling_forward({}, forward));
  check_near("pooled", out, expected, rounded<Out>(expected));
  for (int64_t i = 0; i < argmax.count(); i++) {
    CHECK(argmax[i] == rows_of_max[static_cast<std::size_t>(i)], "row of maximum %lld", static_cast<long long>(i));
  }
  const simcse_pooling_backward backward = {sizeof backward, batch.get(), dtype, out_dtype, k.hidden, k.mode, weight, 0,
                                            d_out.data(), max ? argmax.data() : nullptr, d_x.data()};
  RUN(pooling_backward({}, backward));
  check_near("d_x", d_x, d_expected, rounded<T>(d_expected));
}

SIMCSE_TEST(pooling_modes) {
  each_seed(2, [](int) {
    for (const simcse_pooling_mode mode : {SIMCSE_POOLING_CLS, SIMCSE_POOLING_MEAN, SIMCSE_POOLING_MAX}) {
      for (const int hidden : {1, 31, 33, 64, 264}) {
        for (const Case &k : {Case{1, 1, hidden, mode, false, 0}, Case{5, 7, hidden, mode, true, hidden % 2},
                              Case{3, 33, hidden, mode, false, 0}}) {
          check_case<float, float>(k);
          check_case<bf16, float>(k);
          check_case<bf16, bf16>(k);
        }
      }
    }
  });
}

}  // namespace

}  // namespace simcse::cuda::tests
