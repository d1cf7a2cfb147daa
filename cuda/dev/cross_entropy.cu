// The ladder of cross_entropy: logits (T, C), forward and backward. Floor: logits are read once, and in the backward
// pass their gradients are written once.
#include "../cross_entropy.hpp"

#include <cmath>

#include "ladder.hpp"
#include "plain.hpp"

namespace simcse::cuda::dev {

namespace {

constexpr float kLossScale = 0.5f;

template <typename T>
SIMT_KERNEL(kPlainThreads)
row_forward(const T *logits, const int32_t *targets, int64_t rows, int classes, float *lse, float *losses) {
  const int64_t row = plain_index();
  if (row >= rows) return;
  const T *const x = logits + row * classes;
  float most = -INFINITY, sum = 0.0f;
  for (int c = 0; c < classes; c++) most = fmaxf(most, to_float(x[c]));
  for (int c = 0; c < classes; c++) sum += expf(to_float(x[c]) - most);
  lse[row] = most + logf(sum);
  losses[row] = lse[row] - to_float(x[targets[row]]);
}

SIMT_KERNEL(kWarp) mean(const float *losses, int64_t rows, float *loss) {
  float sum = 0.0f;
  for (int64_t row = lane(); row < rows; row += kWarp) sum += losses[row];
  sum = warp_sum(sum);
  if (lane() == 0) *loss = sum / (float)rows;
}

template <typename T>
SIMT_KERNEL(kPlainThreads)
element_backward(const T *logits, const int32_t *targets, const float *lse, int64_t rows, int classes, T *d_logits) {
  const int64_t i = plain_index();
  if (i >= rows * classes) return;
  const int64_t row = i / classes;
  const float d = expf(to_float(logits[i]) - lse[row]) - (i % classes == targets[row] ? 1.0f : 0.0f);
  d_logits[i] = from_float<T>(d * (kLossScale / (float)rows));
}

template <typename T>
void run_type(Ladder &ladder, const Shape &shape) {
  const int64_t rows = shape["T"];
  const int classes = shape.integer("C");
  Random random(1);
  const Host values = Host::random(shape.type(), rows * classes, random, 5);
  std::vector<int32_t> labels;
  Doubles lse_values, d_values, losses;
  double loss_value = 0;
  for (int64_t row = 0; row < rows; row++) {
    labels.push_back((int32_t)(random.next() % (uint32_t)classes));
    double sum = 0;
    for (int64_t i = row * classes; i < (row + 1) * classes; i++) sum += std::exp(values[i]);
    lse_values.push_back(std::log(sum));
    loss_value += (lse_values.back() - values[row * classes + labels.back()]) / (double)rows;
    for (int c = 0; c < classes; c++) {
      const double probability = std::exp(values[row * classes + c]) / sum;
      d_values.push_back((double)kLossScale / (double)rows * (probability - (c == labels.back() ? 1 : 0)));
    }
  }
  {
    Problem p(ladder, "cross_entropy_forward", shape);
    const T *const logits = p.input<T>(values);
    const int32_t *const targets = p.input<int32_t>(Host::of(labels));
    float *const lse = p.output<float>("lse", rows, {lse_values, {}});
    float *const loss = p.output<float>("loss", 1, {{loss_value}, {}});
    p.queue_scratch(std::max<int64_t>(rows * 4, cross_entropy_forward_scratch(rows)));
    p.floor((double)values.bytes(), 0);
    p.rung("row", "a thread a row, which it reads twice, and a warp that adds up all losses", [&](const Queue &q) {
      float *const of_rows = static_cast<float *>(q.scratch);
      const Fault fault = launch("cross_entropy_forward", row_forward<T>, plain_geometry(rows), q.stream, logits,
                                 targets, rows, classes, lse, of_rows);
      if (fault != 0) return fault;
      return launch("cross_entropy_forward", mean, blocks_geometry(1, kWarp), q.stream, (const float *)of_rows, rows,
                    loss);
    });
    p.rung("product", "a warp a row with a running maximum, read once by neighbouring lanes", [&](const Queue &q) {
      return cross_entropy_forward(q, {shape.dtype(), classes, rows, logits, targets, loss, lse});
    });
    p.climb();
  }
  Problem p(ladder, "cross_entropy_backward", shape);
  const T *const logits = p.input<T>(values);
  const int32_t *const targets = p.input<int32_t>(Host::of(labels));
  const float *const lse = p.input<float>(Host::of(std::vector<float>(lse_values.begin(), lse_values.end())));
  T *const d_logits = p.output<T>("d_logits", values.count(), {d_values, rounded(shape.type(), d_values)});
  p.floor(2.0 * (double)values.bytes(), 0);
  p.rung("element", "a thread an element", [&](const Queue &q) {
    return launch("cross_entropy_backward", element_backward<T>, plain_geometry(values.count()), q.stream, logits,
                  targets, lse, rows, classes, d_logits);
  });
  p.rung("product", "a warp a row: its target and lse are read once", [&](const Queue &q) {
    return cross_entropy_backward(q, {shape.dtype(), classes, rows, logits, targets, lse, kLossScale, d_logits});
  });
  p.climb();
}

void run(Ladder &ladder, const Shape &shape) {
  return shape.dtype() == SIMCSE_BF16 ? run_type<bf16>(ladder, shape) : run_type<float>(ladder, shape);
}

const Program kProgram = {{"f32 T=5 C=3", "bf16 T=70 C=33"},
                          {"f32 T=512 C=3", "bf16 T=65536 C=3", "bf16 T=16384 C=1024"},
                          run};

}  // namespace

}  // namespace simcse::cuda::dev

int main(int count, char **arguments) {
  return simcse::cuda::dev::climb(count, arguments, simcse::cuda::dev::kProgram);
}
