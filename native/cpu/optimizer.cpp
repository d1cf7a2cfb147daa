// The global gradient norm, and AdamW (Loshchilov and Hutter 2019, algorithm 2) on float masters with gradient
// clipping and the bf16 copy of the weights folded into one pass over the parameters.
#include "flat.hpp"
#include "operations.hpp"

namespace simcse::cpu::SIMCSE_TIER {

typedef float Singles __attribute__((vector_size(32)));
typedef double Doubles __attribute__((vector_size(64)));

// In double: the squares of 10^8 gradients span more than a float holds.
SIMCSE_INLINE double sum_of_squares(const float *x, int elements) {
  Doubles sums[4] = {};
  int i = 0;
  for (; i + 32 <= elements; i += 32) {
    for (int j = 0; j < 4; j++) {
      Singles singles;
      memcpy(&singles, x + i + 8 * j, sizeof(singles));
      Doubles wide = __builtin_convertvector(singles, Doubles);
      sums[j] += wide * wide;
    }
  }
  Doubles total = (sums[0] + sums[1]) + (sums[2] + sums[3]);
  double sum = 0;
  for (int j = 0; j < 8; j++) sum += total[j];
  for (; i < elements; i++) sum += (double)x[i] * x[i];
  return sum;
}

void gradient_norm(Context &context, const simcse_gradient_norm &a) {
  double *sums = (double *)context.shared((size_t)parts(a.count) * sizeof(double));
  each_part(context, a.count, [&](int64_t begin, int elements) {
    sums[begin / kPart] = sum_of_squares(a.gradients + begin, elements);
  });
  double sum = 0;
  for (int64_t part = 0; part < parts(a.count); part++) sum += sums[part];
  a.norm[0] = (float)__builtin_sqrt(sum);
}

// The numbers of one update as the loop uses them.
struct Update {
  float clip;
  float beta1, rest1;
  float beta2, rest2;
  float correction;  // 1 / (1 - beta1^step)
  float root;        // 1 / sqrt(1 - beta2^step)
  float epsilon;
  float weight_decay;
  float rate;

  explicit Update(const simcse_adamw &a)
      : clip(1.0f),
        beta1((float)a.beta1),
        rest1((float)(1.0 - a.beta1)),
        beta2((float)a.beta2),
        rest2((float)(1.0 - a.beta2)),
        correction((float)(1.0 / (1.0 - __builtin_pow(a.beta1, (double)a.step)))),
        root((float)(1.0 / __builtin_sqrt(1.0 - __builtin_pow(a.beta2, (double)a.step)))),
        epsilon((float)a.epsilon),
        weight_decay((float)a.weight_decay),
        rate((float)a.learning_rate) {
    if (a.max_grad_norm > 0) {
      double factor = a.max_grad_norm / ((double)a.norm[0] + 1e-6);
      // A norm that is no number must not pass for a small one.
      if (!(factor >= 1.0)) clip = (float)factor;
    }
  }
};

SIMCSE_INLINE void update_vector(const simcse_adamw &a, const Update &u, int64_t i, int n) {
  F g = splat(u.clip) * load_at(a.gradients + i, n);
  F m = fma(splat(u.beta1), load_at(a.first_moment + i, n), splat(u.rest1) * g);
  F v = fma(splat(u.beta2), load_at(a.second_moment + i, n), splat(u.rest2) * g * g);
  F p = load_at(a.parameters + i, n);
  F step = splat(u.correction) * m / fma(sqrt(v), splat(u.root), splat(u.epsilon));
  p = p - splat(u.rate) * fma(splat(u.weight_decay), p, step);
  store_at(a.first_moment + i, m, n);
  store_at(a.second_moment + i, v, n);
  store_at(a.parameters + i, p, n);
  if (a.bf16_copy != nullptr) store_at((bf16 *)a.bf16_copy + i, p, n);
}

void adamw(Context &context, const simcse_adamw &a) {
  const Update update(a);
  each_part(context, a.count, [&](int64_t begin, int elements) {
    int64_t end = begin + elements;
    int64_t i = begin;
    for (; i + kLanes <= end; i += kLanes) update_vector(a, update, i, kLanes);
    if (i < end) update_vector(a, update, i, (int)(end - i));
  });
}

}  // namespace simcse::cpu::SIMCSE_TIER
