// The ladder of adamw and of gradient_norm: P parameters. Floor: adamw reads 16 bytes a parameter and writes 14, of
// which 2 are the bf16 copy; gradient_norm reads 4.
#include "../adamw.hpp"

#include <cmath>

#include "ladder.hpp"
#include "plain.hpp"

namespace simcse::cuda::dev {

namespace {

constexpr double kRate = 3e-5, kBeta1 = 0.9, kBeta2 = 0.999, kEpsilon = 1e-8, kDecay = 0.01, kMostNorm = 1;
constexpr int64_t kStep = 7;

// --- versions ---

// As adamw takes them.
struct Rates {
  float beta1, beta2, step_size, inverse_root2, epsilon, decay;
};

SIMT_KERNEL(kPlainThreads) clip_gradients(const float *gradients, const float *norm, float *clipped, int64_t count) {
  const int64_t i = plain_index();
  if (i < count) clipped[i] = gradients[i] * fminf(1.0f, (float)kMostNorm / (*norm + 1e-6f));
}

SIMT_KERNEL(kPlainThreads) decay_first(const float *gradients, float *m, float beta, int64_t count) {
  const int64_t i = plain_index();
  if (i < count) m[i] = fmaf(beta, m[i], (1.0f - beta) * gradients[i]);
}

SIMT_KERNEL(kPlainThreads) decay_second(const float *gradients, float *v, float beta, int64_t count) {
  const int64_t i = plain_index();
  if (i < count) v[i] = fmaf(beta, v[i], (1.0f - beta) * gradients[i] * gradients[i]);
}

SIMT_KERNEL(kPlainThreads) take_step(const float *m, const float *v, float *p, Rates rates, int64_t count) {
  const int64_t i = plain_index();
  if (i >= count) return;
  const float step = rates.step_size * m[i] / fmaf(sqrtf(v[i]), rates.inverse_root2, rates.epsilon);
  p[i] -= fmaf(rates.decay, p[i], step);
}

SIMT_KERNEL(kPlainThreads) copy_parameters(const float *p, bf16 *copy, int64_t count) {
  const int64_t i = plain_index();
  if (i < count) copy[i] = round_bf16(p[i]);
}

SIMT_KERNEL(kPlainThreads)
element(const float *gradients, const float *norm, float *m, float *v, float *p, bf16 *copy, Rates rates,
        int64_t count) {
  const int64_t i = plain_index();
  if (i >= count) return;
  const float g = gradients[i] * fminf(1.0f, (float)kMostNorm / (*norm + 1e-6f));
  m[i] = fmaf(rates.beta1, m[i], (1.0f - rates.beta1) * g);
  v[i] = fmaf(rates.beta2, v[i], (1.0f - rates.beta2) * g * g);
  const float step = rates.step_size * m[i] / fmaf(sqrtf(v[i]), rates.inverse_root2, rates.epsilon);
  const float updated = p[i] - fmaf(rates.decay, p[i], step);
  p[i] = updated;
  copy[i] = round_bf16(updated);
}

// Squares are summed in double, in `grid_x()` parts.
SIMT_KERNEL(kPlainThreads) sum_squares(const float *gradients, int64_t count, double *parts) {
  SIMT_SHARED(double, sums, kPlainThreads);
  double total = 0.0;
  for (int64_t i = plain_index(); i < count; i += (int64_t)grid_x() * kPlainThreads) {
    total += (double)gradients[i] * gradients[i];
  }
  sums[thread()] = total;
  sync_block();
  if (thread() > 0) return;
  for (int i = 1; i < kPlainThreads; i++) total += sums[i];
  parts[block_x()] = total;
}

SIMT_KERNEL(kWarp) root(const double *parts, int count, float *norm) {
  if (thread() > 0) return;
  double total = 0.0;
  for (int i = 0; i < count; i++) total += parts[i];
  *norm = (float)sqrt(total);
}

// --- the ladder ---

struct Moments {
  Expected m, v, p, copy;
};

Moments expected_update(const Host &gradients, double norm, const Host &m, const Host &v, const Host &p) {
  Moments e;
  for (Expected *each : {&e.m, &e.v, &e.p, &e.copy}) {
    each->each = 1;
    each->first = spread(p.count(), 500000);
  }
  const double clip = std::fmin(1, kMostNorm / (norm + 1e-6));
  for (const int64_t i : e.p.first) {
    const double g = clip * gradients[i];
    const double first = kBeta1 * m[i] + (1 - kBeta1) * g, second = kBeta2 * v[i] + (1 - kBeta2) * g * g;
    const double step = first / (1 - std::pow(kBeta1, (double)kStep)) /
                        (std::sqrt(second / (1 - std::pow(kBeta2, (double)kStep))) + kEpsilon);
    e.m.reference.push_back(first);
    e.v.reference.push_back(second);
    e.p.reference.push_back(p[i] - kRate * (step + kDecay * p[i]));
  }
  e.copy.reference = e.p.reference;
  e.copy.naive = rounded(Type::bf16, e.p.reference);
  return e;
}

void run_adamw(Ladder &ladder, const Shape &shape) {
  const int64_t count = shape["P"];
  Random random(1);
  Problem problem(ladder, "adamw", shape);
  const Host gradients = Host::random(Type::f32, count, random), parameters = Host::random(Type::f32, count, random);
  const Host first = Host::random(Type::f32, count, random, 0.1);
  const Host second = Host::random(Type::f32, count, random, 0.01, 0.01);
  const Moments e = expected_update(gradients, 3, first, second, parameters);
  const float *const g = problem.input<float>(gradients);
  const float *const norm = problem.input<float>(Host::of<float>({3}));
  float *const m = problem.updated<float>("first_moment", first, e.m);
  float *const v = problem.updated<float>("second_moment", second, e.v);
  float *const p = problem.updated<float>("parameters", parameters, e.p);
  bf16 *const copy = problem.output<bf16>("bf16_copy", count, e.copy);
  float *const clipped = problem.scratch<float>(count);
  const Rates rates = {(float)kBeta1,
                       (float)kBeta2,
                       (float)(kRate / (1 - std::pow(kBeta1, (double)kStep))),
                       (float)(1 / std::sqrt(1 - std::pow(kBeta2, (double)kStep))),
                       (float)kEpsilon,
                       (float)(kRate * kDecay)};
  const Geometry flat = plain_geometry(count);
  problem.floor(30.0 * (double)count, 0);
  const float *const from = clipped;
  problem.rung("unfused", "a kernel each for the clipped gradient, moments, step and copy", [&](const Queue &q) {
    Fault fault = launch("adamw", clip_gradients, flat, q.stream, g, norm, clipped, count);
    if (fault == 0) fault = launch("adamw", decay_first, flat, q.stream, from, m, rates.beta1, count);
    if (fault == 0) fault = launch("adamw", decay_second, flat, q.stream, from, v, rates.beta2, count);
    if (fault == 0) {
      fault = launch("adamw", take_step, flat, q.stream, (const float *)m, (const float *)v, p, rates, count);
    }
    return fault != 0 ? fault : launch("adamw", copy_parameters, flat, q.stream, (const float *)p, copy, count);
  });
  problem.rung("element", "one kernel, a thread a parameter: 30 bytes instead of 66 pass memory", [&](const Queue &q) {
    return launch("adamw", element, flat, q.stream, g, norm, m, v, p, copy, rates, count);
  });
  problem.rung("product", "four parameters a thread, in accesses of 16 bytes", [&](const Queue &q) {
    return adamw(q, {sizeof(simcse_adamw), count, kStep, kRate, kBeta1, kBeta2, kEpsilon, kDecay, kMostNorm, p, g, m, v,
                     norm, reinterpret_cast<uint16_t *>(copy)});
  });
  problem.climb();
}

void run_norm(Ladder &ladder, const Shape &shape) {
  constexpr int kParts = 1024;
  const int64_t count = shape["P"];
  Random random(1);
  Problem p(ladder, "gradient_norm", shape);
  const Host gradients = Host::random(Type::f32, count, random);
  double squares = 0;
  for (int64_t i = 0; i < count; i++) squares += gradients[i] * gradients[i];
  const float *const g = p.input<float>(gradients);
  float *const norm = p.output<float>("norm", 1, {{std::sqrt(squares)}, {}});
  p.queue_scratch(kParts * 8 + gradient_norm_scratch(count));
  const auto sum = [&](const Queue &q, int parts) {
    double *const to = static_cast<double *>(q.scratch);
    const Fault fault =
        launch("gradient_norm", sum_squares, blocks_geometry(parts, kPlainThreads), q.stream, g, count, to);
    if (fault != 0) return fault;
    return launch("gradient_norm", root, blocks_geometry(1, kWarp), q.stream, (const double *)to, parts, norm);
  };
  p.floor(4.0 * (double)count, 0);
  p.rung("block", "one block for all", [&](const Queue &q) { return sum(q, 1); });
  p.rung("blocks", "1024 blocks, then one thread for their parts: all multiprocessors read",
         [&](const Queue &q) { return sum(q, kParts); });
  p.rung("product", "16 bytes a thread, and parts added up by a block: more bytes in flight, a shorter end",
         [&](const Queue &q) { return gradient_norm(q, {sizeof(simcse_gradient_norm), count, g, norm}); });
  p.climb();
}

void run(Ladder &ladder, const Shape &shape) {
  run_adamw(ladder, shape);
  run_norm(ladder, shape);
}

const Program kProgram = {{"P=1", "P=3333"}, {"P=22713216", "P=109482240"}, run};

}  // namespace

}  // namespace simcse::cuda::dev

int main(int count, char **arguments) {
  return simcse::cuda::dev::climb(count, arguments, simcse::cuda::dev::kProgram);
}
