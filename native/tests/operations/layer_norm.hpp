// The layer normalisation in plain loops, y = (x - mean) rstd gamma + beta, for tests of what is built around it.
#pragma once

#include <cmath>

#include "harness.hpp"

namespace simcse_test {

struct Norm {
  Numbers gamma;
  Numbers beta;
  float epsilon;
  std::size_t hidden() const { return gamma.size(); }
};

inline Norm norm_of(Random &random, int hidden, float epsilon) {
  Norm norm;
  norm.gamma = random.normals(Type::kF32, hidden, 1, 0.3);
  norm.beta = random.normals(Type::kF32, hidden, 0, 0.3);
  norm.epsilon = epsilon;
  return norm;
}

struct Statistics {
  Numbers mean;
  Numbers rstd;
  Statistics as_kept() const { return {rounded(Type::kF32, mean), rounded(Type::kF32, rstd)}; }
};

template <typename Real> Statistics measure(const Numbers &sum, const Norm &norm) {
  Statistics statistics;
  std::size_t hidden = norm.hidden();
  for (std::size_t row = 0; row < sum.size(); row += hidden) {
    Real mean = 0, squares = 0;
    for (std::size_t c = 0; c < hidden; c++) mean += static_cast<Real>(sum[row + c]);
    mean /= static_cast<Real>(hidden);
    for (std::size_t c = 0; c < hidden; c++) {
      Real apart = static_cast<Real>(sum[row + c]) - mean;
      squares += apart * apart;
    }
    statistics.mean.push_back(mean);
    statistics.rstd.push_back(1 / std::sqrt(squares / static_cast<Real>(hidden) + static_cast<Real>(norm.epsilon)));
  }
  return statistics;
}

template <typename Real> Numbers normalise(const Numbers &sum, const Statistics &statistics, const Norm &norm) {
  Numbers out;
  for (std::size_t i = 0; i < sum.size(); i++) {
    std::size_t row = i / norm.hidden(), c = i % norm.hidden();
    Real apart = static_cast<Real>(sum[i]) - static_cast<Real>(statistics.mean[row]);
    Real x_hat = apart * static_cast<Real>(statistics.rstd[row]);
    out.push_back(x_hat * static_cast<Real>(norm.gamma[c]) + static_cast<Real>(norm.beta[c]));
  }
  return out;
}

struct Gradients {
  Numbers d_sum;
  Numbers d_gamma;
  Numbers d_beta;
};

// d_sum = rstd (g - mean(g) - x_hat mean(g x_hat)), g = d_out gamma; d_gamma and d_beta are added to what was there.
template <typename Real>
Gradients gradients(const Numbers &d_out, const Numbers &sum, const Statistics &statistics, const Norm &norm,
                    const Numbers &d_gamma, const Numbers &d_beta) {
  std::size_t hidden = norm.hidden();
  std::vector<Real> gamma_sum(hidden, Real(0)), beta_sum(hidden, Real(0)), x_hat(hidden), g(hidden);
  Gradients result;
  for (std::size_t row = 0; row < sum.size() / hidden; row++) {
    Real mean = static_cast<Real>(statistics.mean[row]), rstd = static_cast<Real>(statistics.rstd[row]);
    Real g_sum = 0, g_x_sum = 0;
    for (std::size_t c = 0; c < hidden; c++) {
      Real d = static_cast<Real>(d_out[row * hidden + c]);
      x_hat[c] = (static_cast<Real>(sum[row * hidden + c]) - mean) * rstd;
      g[c] = d * static_cast<Real>(norm.gamma[c]);
      gamma_sum[c] += d * x_hat[c];
      beta_sum[c] += d;
      g_sum += g[c];
      g_x_sum += g[c] * x_hat[c];
    }
    Real mean_g = g_sum / static_cast<Real>(hidden), mean_g_x = g_x_sum / static_cast<Real>(hidden);
    for (std::size_t c = 0; c < hidden; c++) result.d_sum.push_back(rstd * (g[c] - mean_g - x_hat[c] * mean_g_x));
  }
  for (std::size_t c = 0; c < hidden; c++) {
    result.d_gamma.push_back(static_cast<Real>(d_gamma[c]) + gamma_sum[c]);
    result.d_beta.push_back(static_cast<Real>(d_beta[c]) + beta_sum[c]);
  }
  return result;
}

inline double largest(const Numbers &values) {
  double most = 0;
  for (double value : values) most = std::fmax(most, std::fabs(value));
  return most;
}

}  // namespace simcse_test
