// dropout_residual_layer_norm_forward, _backward and layer_norm_replay.
#include <cmath>

#include "batch.hpp"
#include "layer_norm.hpp"

namespace simcse_test {
namespace {

struct Shape {
  const BatchShape &batch;
  int hidden;
  float keep_prob;
};

std::string label(const char *operation, Type type, const Batch &batch, const Shape &s) {
  return format("%s %s, hidden %d, keep_prob %g, %s", operation, name(type), s.hidden,
                static_cast<double>(s.keep_prob), batch.label().c_str());
}

// Activations as BERT has them: channel 0 is far larger than the others.
Numbers activations(Case &c, Type type, int64_t rows, int hidden, bool outliers) {
  Numbers x = c.random.normals(type, rows * hidden, 0.2);
  for (std::size_t i = 0; outliers && i < x.size(); i += static_cast<std::size_t>(hidden)) {
    x[i] = rounded(type, 40 * x[i]);
  }
  return x;
}

template <typename Real> Numbers add(const Numbers &x, const Numbers &keep, const Numbers &residual) {
  Numbers sum;
  for (std::size_t i = 0; i < x.size(); i++) {
    sum.push_back(static_cast<Real>(x[i]) * static_cast<Real>(keep[i]) + static_cast<Real>(residual[i]));
  }
  return sum;
}

// out, mean and rstd must be those of the sum that each target left in x.
void expect_normalised(Case &c, const Suite &suite, const Operand &x, const Operand &out, const Operand &mean,
                       const Operand &rstd, const Norm &norm) {
  for (std::size_t target = 0; c.ran() && target < suite.targets.size(); target++) {
    Numbers sum = decoded(x.type, x.after[target]);
    Statistics truth = measure<double>(sum, norm);
    Statistics loop = measure<float>(sum, norm);
    c.expect_of(target, mean, truth.mean, loop.mean, 0.1);
    c.expect_of(target, rstd, truth.rstd, loop.rstd);
    c.expect_of(target, out, normalise<double>(sum, truth, norm), normalise<float>(sum, loop, norm));
  }
}

enum class Form { kPlain, kOutIsResidual, kNoResidual };

void check_forward(Suite &suite, Type type, const Shape &s, Form form) {
  Case c(suite, "");
  Batch batch(c.random, s.batch.lengths, s.batch.views, s.batch.first_view);
  c.use(batch);
  c.rename(label("dropout_residual_layer_norm_forward", type, batch, s) +
           (form == Form::kOutIsResidual ? ", out is residual" : form == Form::kNoResidual ? ", no residual" : ""));
  int64_t count = batch.rows() * s.hidden;
  Numbers x = activations(c, type, batch.rows(), s.hidden, s.hidden > 30);
  Numbers residual = form == Form::kNoResidual ? Numbers(x.size(), 0.0) : c.random.normals(type, count);
  Norm norm = norm_of(c.random, s.hidden, s.hidden < 3 ? 1e-2f : 1e-5f);
  simcse_dropout dropout = dropout_of(c.random, s.keep_prob);
  Operand &in_x = c.updated("x", type, x);
  Operand *in_residual = form == Form::kPlain            ? &c.input("residual", type, residual)
                         : form == Form::kOutIsResidual ? &c.updated("residual (out)", type, residual)
                                                         : nullptr;
  Operand &out = form == Form::kOutIsResidual ? *in_residual : c.output("out", type, count);
  Operand &gamma = c.input("gamma", Type::kF32, norm.gamma), &beta = c.input("beta", Type::kF32, norm.beta);
  Operand &mean = c.output("mean", Type::kF32, batch.rows()), &rstd = c.output("rstd", Type::kF32, batch.rows());
  c.run([&](const simcse_api &api, simcse_device *device) {
    simcse_dropout_residual_layer_norm_forward a = {};
    a.batch = c.batch();
    a.dtype = dtype(type);
    a.hidden = s.hidden;
    a.x = in_x;
    if (in_residual != nullptr) a.residual = *in_residual;
    a.norm = {gamma, beta, norm.epsilon, 0};
    a.dropout = dropout;
    a.out = out;
    a.mean = mean;
    a.rstd = rstd;
    return api.dropout_residual_layer_norm_forward(device, nullptr, c.arguments(a));
  });
  Numbers keep = Masks(batch, dropout).hidden(s.hidden);
  if (form == Form::kNoResidual) {
    c.expect_bits(in_x, encoded(type, x));
  } else {
    c.expect(in_x, add<double>(x, keep, residual), add<float>(x, keep, residual));
  }
  expect_normalised(c, suite, in_x, out, mean, rstd, norm);
}

void check_backward(Suite &suite, Type type, const Shape &s, bool in_place) {
  Case c(suite, "");
  Batch batch(c.random, s.batch.lengths, s.batch.views, s.batch.first_view);
  c.use(batch);
  c.rename(label("dropout_residual_layer_norm_backward", type, batch, s) + (in_place ? ", in place" : ""));
  int64_t count = batch.rows() * s.hidden;
  Numbers sum = activations(c, type, batch.rows(), s.hidden, s.hidden > 30);
  Numbers upstream = c.random.normals(type, count);
  Norm norm = norm_of(c.random, s.hidden, s.hidden < 3 ? 1.0f : 1e-12f);
  Statistics kept = measure<double>(sum, norm).as_kept();
  simcse_dropout dropout = dropout_of(c.random, s.keep_prob);
  Numbers gamma_before = c.random.normals(Type::kF32, s.hidden), beta_before = c.random.normals(Type::kF32, s.hidden);
  Operand &d_out = in_place ? c.updated("d_out (d_residual)", type, upstream) : c.input("d_out", type, upstream);
  Operand &in_sum = in_place ? c.updated("sum (d_x)", type, sum) : c.input("sum", type, sum);
  Operand &mean = c.input("mean", Type::kF32, kept.mean), &rstd = c.input("rstd", Type::kF32, kept.rstd);
  Operand &gamma = c.input("gamma", Type::kF32, norm.gamma), &beta = c.input("beta", Type::kF32, norm.beta);
  Operand &d_residual = in_place ? d_out : c.output("d_residual", type, count);
  Operand &d_x = in_place ? in_sum : c.output("d_x", type, count);
  Operand &d_gamma = c.updated("d_gamma", Type::kF32, gamma_before);
  Operand &d_beta = c.updated("d_beta", Type::kF32, beta_before);
  c.run([&](const simcse_api &api, simcse_device *device) {
    simcse_dropout_residual_layer_norm_backward a = {};
    a.batch = c.batch();
    a.dtype = dtype(type);
    a.hidden = s.hidden;
    a.d_out = d_out;
    a.sum = in_sum;
    a.mean = mean;
    a.rstd = rstd;
    a.norm = {gamma, beta, norm.epsilon, 0};
    a.dropout = dropout;
    a.d_residual = d_residual;
    a.d_x = d_x;
    a.d_gamma = d_gamma;
    a.d_beta = d_beta;
    return api.dropout_residual_layer_norm_backward(device, nullptr, c.arguments(a));
  });
  Gradients want = gradients<double>(upstream, sum, kept, norm, gamma_before, beta_before);
  Gradients plain = gradients<float>(upstream, sum, kept, norm, gamma_before, beta_before);
  // One or two numbers less their mean cancel to nearly nothing.
  double scale = s.hidden < 3 ? largest(kept.rstd) : 0;
  Numbers keep = Masks(batch, dropout).hidden(s.hidden), zero(keep.size(), 0.0);
  c.expect(d_residual, want.d_sum, plain.d_sum, scale);
  c.expect(d_x, add<double>(want.d_sum, keep, zero), add<float>(plain.d_sum, keep, zero), scale);
  c.expect(d_gamma, want.d_gamma, plain.d_gamma, 1);
  c.expect(d_beta, want.d_beta, plain.d_beta, 1);
}

void check_replay(Suite &suite, Type type, int64_t rows, int hidden) {
  Case c(suite, format("layer_norm_replay %s, %d rows, hidden %d", name(type), static_cast<int>(rows), hidden));
  Numbers sum = activations(c, type, rows, hidden, hidden > 30);
  Norm norm = norm_of(c.random, hidden, 1e-12f);
  Statistics kept = measure<double>(sum, norm).as_kept();
  Operand &in = c.input("sum", type, sum), &out = c.output("out", type, rows * hidden);
  Operand &mean = c.input("mean", Type::kF32, kept.mean), &rstd = c.input("rstd", Type::kF32, kept.rstd);
  Operand &gamma = c.input("gamma", Type::kF32, norm.gamma), &beta = c.input("beta", Type::kF32, norm.beta);
  c.run([&](const simcse_api &api, simcse_device *device) {
    simcse_layer_norm_replay a = {};
    a.dtype = dtype(type);
    a.hidden = hidden;
    a.rows = rows;
    a.sum = in;
    a.mean = mean;
    a.rstd = rstd;
    a.norm = {gamma, beta, norm.epsilon, 0};
    a.out = out;
    return api.layer_norm_replay(device, nullptr, c.arguments(a));
  });
  c.expect(out, normalise<double>(sum, kept, norm), normalise<float>(sum, kept, norm));
}

// What replay makes of a forward pass has that pass's bits.
void check_same_bits(Suite &suite, Type type, int hidden) {
  Case c(suite, format("layer_norm_replay after forward %s, hidden %d", name(type), hidden));
  Batch batch(c.random, {3, 1, 17}, 2, 0);
  c.use(batch);
  int64_t count = batch.rows() * hidden;
  Norm norm = norm_of(c.random, hidden, 1e-12f);
  simcse_dropout dropout = dropout_of(c.random, 0.9f);
  Operand &x = c.updated("x", type, c.random.normals(type, count));
  Operand &residual = c.input("residual", type, c.random.normals(type, count));
  Operand &gamma = c.input("gamma", Type::kF32, norm.gamma), &beta = c.input("beta", Type::kF32, norm.beta);
  Operand &mean = c.output("mean", Type::kF32, batch.rows()), &rstd = c.output("rstd", Type::kF32, batch.rows());
  Operand &out = c.output("out", type, count), &again = c.output("out of replay", type, count);
  c.run([&](const simcse_api &api, simcse_device *device) {
    simcse_dropout_residual_layer_norm_forward f = {};
    f.batch = c.batch();
    f.dtype = dtype(type);
    f.hidden = hidden;
    f.x = x;
    f.residual = residual;
    f.norm = {gamma, beta, norm.epsilon, 0};
    f.dropout = dropout;
    f.out = out;
    f.mean = mean;
    f.rstd = rstd;
    simcse_status status = api.dropout_residual_layer_norm_forward(device, nullptr, c.arguments(f));
    if (status != SIMCSE_OK) return status;
    simcse_layer_norm_replay r = {};
    r.dtype = dtype(type);
    r.hidden = hidden;
    r.rows = batch.rows();
    r.sum = x;
    r.mean = mean;
    r.rstd = rstd;
    r.norm = f.norm;
    r.out = again;
    return api.layer_norm_replay(device, nullptr, c.arguments(r));
  });
  for (std::size_t target = 0; c.ran() && target < suite.targets.size(); target++) {
    if (out.after[target] != again.after[target]) c.fail("other bits on " + suite.targets[target].name);
  }
}

}  // namespace

void test_layer_norm(Suite &suite) {
  int turn = 0;
  for (Type type : kFloats) {
    for (int hidden : {1, 2, 5, 15, 16, 31, 32, 33, 128, 771}) {
      for (const BatchShape &batch : batch_shapes()) {
        Shape s = {batch, hidden, turn % 3 == 0 ? 1.0f : turn % 3 == 1 ? 0.9f : 0.3f};
        Form form = turn % 2 == 0 ? Form::kPlain : s.keep_prob == 1 ? Form::kNoResidual : Form::kOutIsResidual;
        check_forward(suite, type, s, form);
        check_backward(suite, type, s, turn++ % 2 == 0);
      }
      for (int64_t rows : {1, 33}) check_replay(suite, type, rows, hidden);
      check_same_bits(suite, type, hidden);
    }
  }
}

}  // namespace simcse_test
