// A ladder whose rungs are wrong, each in its own way, but for the first: `make check-dev` holds the frame to finding
// them. It fills an array with ones.
#include "../ladder.hpp"
#include "../plain.hpp"

namespace simcse::cuda::dev {

namespace {

// `skipped` is not written; `off` is added to the first element.
SIMT_KERNEL(kPlainThreads) fill(float *to, int64_t count, int64_t skipped, float off) {
  const int64_t i = plain_index();
  if (i < count && i != skipped) to[i] = i == 0 ? 1.0f + off : 1.0f;
}

void run(Ladder &ladder, const Shape &shape) {
  const int64_t count = shape["P"];
  Problem p(ladder, "planted", shape);
  float *const to = p.output<float>("to", count, {Doubles(static_cast<size_t>(count), 1.0), {}});
  const auto rung = [&](const char *name, int64_t written, int64_t skipped, float off) {
    p.rung(name, "planted", [=](const Queue &q) {
      return launch("planted", fill, plain_geometry(written), q.stream, to, written, skipped, off);
    });
  };
  rung("right", count, -1, 0);
  rung("inaccurate", count, -1, 1e-3f);
  rung("not a number", count, -1, NAN);
  rung("a hole", count, count - 1, 0);
  rung("too far", count + 1, -1, 0);
  rung("nothing", 0, -1, 0);
  p.climb();
}

const Program kProgram = {{"P=1000"}, {}, run};

}  // namespace

}  // namespace simcse::cuda::dev

int main(int count, char **arguments) {
  return simcse::cuda::dev::climb(count, arguments, simcse::cuda::dev::kProgram);
}
