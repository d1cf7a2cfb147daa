// The ladder of convert, F32 to BF16 and back: P elements. Floor: 6 bytes an element.
#include "../convert.hpp"

#include "ladder.hpp"
#include "plain.hpp"

namespace simcse::cuda::dev {

namespace {

template <typename From, typename To>
SIMT_KERNEL(kPlainThreads) element(const From *from, To *to, int64_t count) {
  const int64_t i = plain_index();
  if (i < count) to[i] = from_float<To>(to_float(from[i]));
}

template <typename From, typename To>
void run_one(Ladder &ladder, const Shape &shape, const char *operation) {
  const int64_t count = shape["P"];
  Random random(1);
  Problem p(ladder, operation, shape);
  const Host values = Host::random(type_of<From>(), count, random);
  const From *const from = p.input<From>(values);
  To *const to = p.output<To>("to", count, {rounded(type_of<To>(), doubles_of(values)), {}});
  const simcse_dtype narrow = sizeof(To) == 2 ? SIMCSE_BF16 : SIMCSE_F32;
  const simcse_dtype wide = sizeof(From) == 2 ? SIMCSE_BF16 : SIMCSE_F32;
  p.floor(6.0 * (double)count, 0);
  p.rung("element", "a thread an element", [&](const Queue &q) {
    return launch("convert", element<From, To>, plain_geometry(count), q.stream, from, to, count);
  });
  p.rung("product", "eight elements a thread, in accesses of 16 bytes: more bytes in flight", [&](const Queue &q) {
    return convert(q, {sizeof(simcse_convert), wide, narrow, count, from, to});
  });
  p.climb();
}

void run(Ladder &ladder, const Shape &shape) {
  run_one<float, bf16>(ladder, shape, "convert_to_bf16");
  run_one<bf16, float>(ladder, shape, "convert_to_f32");
}

const Program kProgram = {{"P=1", "P=2061"}, {"P=1048576", "P=22713216", "P=109482240"}, run};

}  // namespace

}  // namespace simcse::cuda::dev

int main(int count, char **arguments) {
  return simcse::cuda::dev::climb(count, arguments, simcse::cuda::dev::kProgram);
}
