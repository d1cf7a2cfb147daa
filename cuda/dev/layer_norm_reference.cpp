#include "layer_norm_reference.hpp"

#include <cmath>

namespace simcse::cuda::dev {

namespace {

constexpr int64_t kComparedRows = 2000;

struct Statistics {
  double mean, rstd;
};

Statistics statistics_of(const Doubles &row) {
  Statistics s = {};
  double squares = 0;
  for (const double x : row) s.mean += x / static_cast<double>(row.size());
  for (const double x : row) squares += (x - s.mean) * (x - s.mean);
  s.rstd = 1 / std::sqrt(squares / static_cast<double>(row.size()) + kLayerNormEpsilon);
  return s;
}

}  // namespace

LayerNormForward layer_norm_forward_expected(const Sentences &s, const simcse_dropout &dropout, const Host &x,
                                             const Host &residual, const Host &gamma, const Host &beta) {
  LayerNormForward e;
  const int64_t hidden = gamma.count();
  e.sum.each = e.out.each = hidden;
  e.mean.each = e.rstd.each = 1;
  e.mean.first = e.rstd.first = spread(s.rows(), kComparedRows);
  for (const int64_t row : e.mean.first) {
    const RowPlace at = s.place(static_cast<int>(row));
    Doubles exact;
    for (int64_t c = 0; c < hidden; c++) {
      const double factor = dropout_factor(dropout, c, at.position, at.sample, at.view);
      exact.push_back(residual[row * hidden + c] + factor * x[row * hidden + c]);
    }
    e.sum.first.push_back(row * hidden);
    for (const bool stored : {false, true}) {
      const Doubles sum = stored ? rounded(x.type(), exact) : exact;
      const Statistics of_sum = statistics_of(sum);
      const auto to = [stored](Expected &each) -> Doubles & { return stored ? each.naive : each.reference; };
      to(e.mean).push_back(of_sum.mean);
      to(e.rstd).push_back(of_sum.rstd);
      for (int64_t c = 0; c < hidden; c++) {
        const double y = (sum[static_cast<size_t>(c)] - of_sum.mean) * of_sum.rstd * gamma[c] + beta[c];
        to(e.sum).push_back(sum[static_cast<size_t>(c)]);
        to(e.out).push_back(stored ? rounded(x.type(), y) : y);
      }
    }
  }
  e.out.first = e.sum.first;
  return e;
}

LayerNormBackward layer_norm_backward_expected(const Sentences &s, const simcse_dropout &dropout, const Host &sum,
                                               const Host &d_out, const Host &gamma) {
  const int64_t hidden = gamma.count(), rows = s.rows();
  LayerNormBackward e = {{}, {}, {}, {}, Host(Type::f32, rows), Host(Type::f32, rows)};
  const std::vector<int64_t> compared = spread(rows, kComparedRows);
  e.d_residual.each = e.d_x.each = hidden;
  e.d_gamma.reference.assign(static_cast<size_t>(hidden), 0);
  e.d_beta.reference.assign(static_cast<size_t>(hidden), 0);
  Doubles values(static_cast<size_t>(hidden)), y(static_cast<size_t>(hidden));
  for (int64_t row = 0, next = 0; row < rows; row++) {
    for (int64_t c = 0; c < hidden; c++) values[static_cast<size_t>(c)] = sum[row * hidden + c];
    const Statistics of_row = statistics_of(values);
    e.mean.set(row, of_row.mean);
    e.rstd.set(row, of_row.rstd);
    double mean_g = 0, mean_g_y = 0;
    for (int64_t c = 0; c < hidden; c++) {
      const double d = d_out[row * hidden + c];
      y[static_cast<size_t>(c)] = (values[static_cast<size_t>(c)] - of_row.mean) * of_row.rstd;
      e.d_gamma.reference[static_cast<size_t>(c)] += d * y[static_cast<size_t>(c)];
      e.d_beta.reference[static_cast<size_t>(c)] += d;
      mean_g += d * gamma[c] / static_cast<double>(hidden);
      mean_g_y += d * gamma[c] * y[static_cast<size_t>(c)] / static_cast<double>(hidden);
    }
    if (next >= static_cast<int64_t>(compared.size()) || compared[static_cast<size_t>(next)] != row) continue;
    next++;
    e.d_residual.first.push_back(row * hidden);
    const RowPlace at = s.place(static_cast<int>(row));
    for (int64_t c = 0; c < hidden; c++) {
      const double g = d_out[row * hidden + c] * gamma[c];
      const double d = of_row.rstd * (g - mean_g - y[static_cast<size_t>(c)] * mean_g_y);
      e.d_residual.reference.push_back(d);
      e.d_x.reference.push_back(d * dropout_factor(dropout, c, at.position, at.sample, at.view));
    }
  }
  e.d_x.first = e.d_residual.first;
  for (Expected *each : {&e.d_residual, &e.d_x}) each->naive = rounded(sum.type(), each->reference);
  return e;
}

}  // namespace simcse::cuda::dev
