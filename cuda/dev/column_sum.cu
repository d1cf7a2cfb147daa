// The ladder of column_sum: sum += the rows of x (T, H), the gradient of a bias. Floor: x is read once.
#include "../column_sum.hpp"

#include "ladder.hpp"
#include "plain.hpp"

namespace simcse::cuda::dev {

namespace {

template <typename T>
SIMT_KERNEL(kPlainThreads) column(const T *x, int64_t rows, int64_t columns, float *sum) {
  const int64_t c = plain_index();
  if (c >= columns) return;
  float total = 0.0f;
  for (int64_t row = 0; row < rows; row++) total += to_float(x[row * columns + c]);
  sum[c] += total;
}

template <typename T>
SIMT_KERNEL(kPlainThreads) block(const T *x, int64_t rows, int64_t columns, float *sum) {
  add_columns(rows, columns, sum, [&](int64_t row, int64_t c) { return to_float(x[row * columns + c]); });
}

template <typename T>
void run_type(Ladder &ladder, const Shape &shape) {
  const int64_t rows = shape["T"], columns = shape["H"];
  Random random(1);
  Problem p(ladder, "column_sum", shape);
  const Host values = Host::random(shape.type(), rows * columns, random);
  const Host start = Host::random(Type::f32, columns, random);
  Doubles sums = doubles_of(start);
  for (int64_t row = 0; row < rows; row++) {
    for (int64_t c = 0; c < columns; c++) sums[(size_t)c] += values[row * columns + c];
  }
  const T *const x = p.input<T>(values);
  float *const sum = p.updated<float>("sum", start, {sums, {}});
  p.queue_scratch(column_sum_scratch(rows, columns));
  p.floor((double)values.bytes(), 0);
  p.rung("column", "a thread a column", [&](const Queue &q) {
    return launch("column_sum", column<T>, plain_geometry(columns), q.stream, x, rows, columns, sum);
  });
  p.rung("block", "eight warps share the rows of 32 columns: eight times the bytes in flight", [&](const Queue &q) {
    return launch("column_sum", block<T>, blocks_geometry(ceil_divide(columns, kWarp), kPlainThreads), q.stream, x,
                  rows, columns, sum);
  });
  p.rung("product", "up to 128 blocks share the rows of a column, 16 bytes a lane: all multiprocessors read",
         [&](const Queue &q) {
           return column_sum(q, {sizeof(simcse_column_sum), shape.dtype(), 0, rows, columns, x, sum});
         });
  p.climb();
}

void run(Ladder &ladder, const Shape &shape) {
  return shape.dtype() == SIMCSE_BF16 ? run_type<bf16>(ladder, shape) : run_type<float>(ladder, shape);
}

const Program kProgram = {{"f32 T=1 H=3", "bf16 T=70 H=33", "bf16 T=150 H=64"},
                          {"bf16 T=1024 H=768", "bf16 T=16384 H=384", "bf16 T=16384 H=768", "bf16 T=16384 H=3072",
                           "bf16 T=65536 H=1024", "f32 T=16384 H=768"},
                          run};

}  // namespace

}  // namespace simcse::cuda::dev

int main(int count, char **arguments) {
  return simcse::cuda::dev::climb(count, arguments, simcse::cuda::dev::kProgram);
}
