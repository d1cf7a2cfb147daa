// Forward, replay and backward against the formulas in double, over widths that take every path of row_plan.
#include "../dropout_residual_layer_norm.hpp"

#include <algorithm>

#include "../row.hpp"
#include "check.hpp"

namespace simcse::cuda::tests {

namespace {

constexpr double kEpsilon = 1e-5f;
using Doubles = std::vector<double>;

struct Reference {
  Doubles sum, out, d_residual, d_x, d_gamma, d_beta;
};

// The whole operation in double, `keep(x)` being what is kept of an array that is stored.
template <typename Keep>
Reference reference(int rows, int hidden, const Doubles &x, const Doubles &residual, const Doubles &factor,
                    const Doubles &gamma, const Doubles &beta, const Doubles &d_out, const Keep &keep) {
  Reference r;
  const std::size_t count = x.size();
  r.sum = x;
  for (std::size_t i = 0; i < count && !residual.empty(); i++) r.sum[i] = residual[i] + factor[i] * x[i];
  r.sum = keep(r.sum);
  r.out.resize(count);
  r.d_residual.resize(count);
  r.d_x.resize(count);
  r.d_gamma.assign(static_cast<std::size_t>(hidden), 0);
  r.d_beta.assign(static_cast<std::size_t>(hidden), 0);
  for (int row = 0; row < rows; row++) {
    const std::size_t first = static_cast<std::size_t>(row) * static_cast<std::size_t>(hidden);
    double mean = 0, variance = 0, mean_g = 0, mean_g_y = 0;
    for (std::size_t c = 0; c < gamma.size(); c++) mean += r.sum[first + c] / hidden;
    for (std::size_t c = 0; c < gamma.size(); c++) variance += std::pow(r.sum[first + c] - mean, 2) / hidden;
    const double rstd = 1 / std::sqrt(variance + kEpsilon);
    for (std::size_t c = 0; c < gamma.size(); c++) {
      const double y = (r.sum[first + c] - mean) * rstd;
      const double d = d_out[first + c];
      r.out[first + c] = y * gamma[c] + beta[c];
      r.d_gamma[c] += d * y;
      r.d_beta[c] += d;
      mean_g += d * gamma[c] / hidden;
      mean_g_y += d * gamma[c] * y / hidden;
    }
    for (std::size_t c = 0; c < gamma.size(); c++) {
      const double y = (r.sum[first + c] - mean) * rstd;
      r.d_residual[first + c] = rstd * (d_out[first + c] * gamma[c] - mean_g - y * mean_g_y);
      r.d_x[first + c] = factor[first + c] * r.d_residual[first + c];
    }
  }
  r.out = keep(r.out);
  r.d_residual = keep(r.d_residual);
  r.d_x = keep(r.d_x);
  return r;
}

struct Case {
  int sentences, longest, hidden;
  float keep_prob;
  bool with_residual;
  bool in_place;  // out is residual, d_residual is d_out, d_x is sum
  int offset;     // elements that the activations lie past an aligned address
};

template <typename T>
struct Run {
  Run(const Case &c, int rows)
      : x(static_cast<int64_t>(rows) * c.hidden, c.offset),
        residual(x.count(), c.offset),
        out(x.count(), c.offset),
        replayed(x.count(), c.offset),
        d_out(x.count(), c.offset),
        d_residual(x.count(), c.offset),
        d_x(x.count(), c.offset),
        gamma(c.hidden),
        beta(c.hidden),
        d_gamma(c.hidden),
        d_beta(c.hidden),
        mean(rows),
        rstd(rows),
        scratch(layer_norm_backward_scratch(rows, c.hidden) / 4) {}
  Array<T> x, residual, out, replayed, d_out, d_residual, d_x;
  Array<float> gamma, beta, d_gamma, d_beta, mean, rstd, scratch;
};

template <typename T>
void check_case(const Case &c, int seed) {
  Random random(static_cast<uint64_t>(c.hidden * 7 + c.sentences));  // one set of numbers for all seeds
  const TestBatch batch(random, c.sentences, c.longest);
  const int rows = batch.rows();
  const simcse_dropout dropout = {random.next(), random.next(), 5, c.keep_prob};
  Run<T> run(c, rows);
  run.x.fill(random);
  run.residual.fill(random, 1, 0.5);
  run.x[run.x.count() / 2] = from_float<T>(40.0f);
  run.gamma.fill(random, 1, 1);
  run.beta.fill(random);
  run.d_out.fill(random);
  run.d_gamma.fill(random);
  run.d_beta.fill(random);

  const Doubles factor = reference_factors(dropout, batch, c.hidden);
  const Doubles residual = c.with_residual ? run.residual.values() : Doubles();
  const auto whole = [](const Doubles &x) { return x; };
  Reference exact = reference(rows, c.hidden, run.x.values(), residual, factor, run.gamma.values(),
                                    run.beta.values(), run.d_out.values(), whole);
  Reference naive = reference(rows, c.hidden, run.x.values(), residual, factor, run.gamma.values(),
                                    run.beta.values(), run.d_out.values(), rounded<T>);
  for (Reference *each : {&exact, &naive}) {
    for (int64_t i = 0; i < c.hidden; i++) {
      each->d_gamma[static_cast<std::size_t>(i)] += run.d_gamma[i];
      each->d_beta[static_cast<std::size_t>(i)] += run.d_beta[i];
    }
  }

  const simcse_dtype dtype = sizeof(T) == 2 ? SIMCSE_BF16 : SIMCSE_F32;
  const simcse_layer_norm norm = {run.gamma.data(), run.beta.data(), static_cast<float>(kEpsilon), 0};
  Array<T> &out = c.in_place ? run.residual : run.out;
  const simcse_dropout_residual_layer_norm_forward forward = {sizeof forward,
                                                              batch.get(),
                                                              dtype,
                                                              c.hidden,
                                                              run.x.data(),
                                                              c.with_residual ? run.residual.data() : nullptr,
                                                              norm,
                                                              dropout,
                                                              out.data(),
                                                              run.mean.data(),
                                                              run.rstd.data()};
  RUN(dropout_residual_layer_norm_forward({}, forward));
  check_near("sum", run.x, exact.sum, naive.sum);
  check_near("out", out, exact.out, naive.out);

  const simcse_layer_norm_replay replay = {
      sizeof replay, dtype, c.hidden, rows, run.x.data(), run.mean.data(), run.rstd.data(), norm, run.replayed.data()};
  RUN(layer_norm_replay({}, replay));
  CHECK(run.replayed.same_bits(out), "replay gives other bits, width %d", c.hidden);

  Array<T> &d_residual = c.in_place ? run.d_out : run.d_residual;
  Array<T> &d_x = c.in_place ? run.x : run.d_x;
  const simcse_dropout_residual_layer_norm_backward backward = {sizeof backward,
                                                                batch.get(),
                                                                dtype,
                                                                c.hidden,
                                                                run.d_out.data(),
                                                                run.x.data(),
                                                                run.mean.data(),
                                                                run.rstd.data(),
                                                                norm,
                                                                dropout,
                                                                d_residual.data(),
                                                                d_x.data(),
                                                                run.d_gamma.data(),
                                                                run.d_beta.data()};
  RUN(dropout_residual_layer_norm_backward({nullptr, run.scratch.data()}, backward));
  if (c.hidden != 2) {  // where they are differences of equal numbers
    check_near("d_residual", d_residual, exact.d_residual, naive.d_residual);
    check_near("d_x", d_x, exact.d_x, naive.d_x);
  }
  check_near("d_gamma", run.d_gamma, exact.d_gamma, naive.d_gamma);
  check_near("d_beta", run.d_beta, exact.d_beta, naive.d_beta);

  // The order in which lanes run must not show, not even in the last bit.
  static Doubles first;
  Doubles now = out.values();
  for (const auto &more : {d_residual.values(), d_x.values(), run.d_gamma.values(), run.d_beta.values()}) {
    now.insert(now.end(), more.begin(), more.end());
  }
  if (seed == 1) first = now;
  CHECK(std::equal(now.begin(), now.end(), first.begin(), first.end()), "other bits than under seed 1, width %d",
        c.hidden);
}

template <typename T>
void check_widths() {
  for (const int hidden : {1, 2, 31, 32, 33, 64, 136, 256, 384, 512, 768, 1000, 1024, 1030, 1032}) {
    each_seed(3, [&](int seed) { check_case<T>({3, 3, hidden, 0.9f, true, hidden % 3 == 1, 0}, seed); });
    each_seed(1, [&](int seed) { check_case<T>({1, 1, hidden, 1.0f, false, hidden % 3 == 0, 1}, seed); });
  }
  // More rows than one turn of all blocks of the backward pass.
  each_seed(1, [](int seed) { check_case<T>({40, 50, 8, 0.9f, true, false, 0}, seed); });
}

SIMCSE_TEST(layer_norm_f32) { check_widths<float>(); }
SIMCSE_TEST(layer_norm_bf16) { check_widths<bf16>(); }

SIMCSE_TEST(row_plan_covers_every_width) {
  for (const simcse_dtype dtype : {SIMCSE_F32, SIMCSE_BF16}) {
    const int vector = dtype == SIMCSE_BF16 ? 8 : 4;
    for (int columns = 1; columns <= 5000; columns++) {
      const RowPlan plan = row_plan(dtype, columns, true);
      CHECK(plan.vector == (columns % vector == 0 ? vector : 1), "width %d", columns);
      CHECK(plan.passes == 0 || (plan.passes * plan.vector * 32 >= columns && plan.passes * plan.vector <= 32),
            "width %d, %d passes", columns, plan.passes);
      CHECK(plan.passes > 0 || plan.vector == 1 || columns > 1024, "width %d not in registers", columns);
      CHECK(row_plan(dtype, columns, false).vector == 1, "width %d, not aligned", columns);
    }
  }
  CHECK(row_plan(SIMCSE_BF16, 768, true).passes == 3 && row_plan(SIMCSE_F32, 768, true).passes == 6, "BERT-base");
}

}  // namespace

}  // namespace simcse::cuda::tests
