// Faults planted in kernels of their own, to show that the emulator finds what it is there for: a barrier that is
// missing, between warps and within one, and writes outside memory.
#include "check.hpp"

namespace simcse::cuda::tests {

namespace {

// Reverses the block's numbers through shared memory, twice, so that two barriers are needed between write and read and
// one between read and write.
SIMT_KERNEL(128) reverse_twice(const float *from, float *to, int missing) {
  SIMT_SHARED(float, tile, 128);
  tile[thread()] = from[thread()];
  if (missing != 1) sync_block();
  const float x = tile[threads() - 1 - thread()];
  if (missing != 2) sync_block();
  tile[thread()] = x + 1;
  if (missing != 3) sync_block();
  to[thread()] = tile[threads() - 1 - thread()];
}

// The same within a warp.
SIMT_KERNEL(32) reverse_warp(const float *from, float *to, int missing) {
  SIMT_SHARED(float, tile, kWarp);
  tile[lane()] = from[lane()];
  if (missing != 1) sync_warp();
  to[lane()] = tile[kWarp - 1 - lane()];
}

// The same with asynchronous copies, whose wait is for a lane's own alone.
SIMT_KERNEL(32) reverse_copies(const float *from, float *to, int missing) {
  SIMT_SHARED(float, tile, kWarp);
  if (lane() < 8) cp_async16(tile + 4 * lane(), from + 4 * lane());
  cp_async_commit();
  cp_async_wait<0>();
  if (missing != 1) sync_warp();
  to[lane()] = tile[kWarp - 1 - lane()];
}

// How many of 20 seeds give a wrong answer.
template <typename Kernel>
int wrong_answers(Kernel kernel, int threads, int missing) {
  int wrong = 0;
  for (int seed = 1; seed <= 20; seed++) {
    use_seed(seed);
    Array<float> from(threads), to(threads);
    Random random(static_cast<uint64_t>(seed));
    from.fill(random);
    Geometry geometry;
    geometry.threads = static_cast<unsigned>(threads);
    const float *const source = from.data();
    if (launch("reverse", kernel, geometry, nullptr, source, to.data(), missing) != 0) return -1;
    bool right = true;
    for (int i = 0; i < threads; i++) right = right && to[i] == (threads == 128 ? from[i] + 1 : from[threads - 1 - i]);
    wrong += right ? 0 : 1;
  }
  return wrong;
}

#if !defined(__SANITIZE_THREAD__)
SIMCSE_TEST(planted_missing_barriers_show) {
  for (int missing = 0; missing <= 3; missing++) {
    const int wrong = wrong_answers(reverse_twice, 128, missing);
    CHECK(missing == 0 ? wrong == 0 : wrong >= 15, "barrier %d missing: wrong on %d of 20 seeds", missing, wrong);
  }
  for (const auto kernel : {reverse_warp, reverse_copies}) {
    for (int missing = 0; missing <= 1; missing++) {
      const int wrong = wrong_answers(kernel, 32, missing);
      CHECK(missing == 0 ? wrong == 0 : wrong >= 15, "warp barrier %d missing: %d of 20 seeds wrong", missing, wrong);
    }
  }
}
#endif

SIMCSE_PLANTED(missing_block_barrier) { wrong_answers(reverse_twice, 128, 2); }
SIMCSE_PLANTED(missing_copy_barrier) { wrong_answers(reverse_copies, 32, 1); }
SIMCSE_PLANTED(missing_warp_barrier) { wrong_answers(reverse_warp, 32, 1); }

enum class Outside { device_write, device_read, dynamic_write, static_write, none };

SIMT_KERNEL(32) go_outside(float *x, int count, Outside outside) {
  SIMT_SHARED(float, fixed, kWarp);
  float *const sized = dynamic_shared<float>();
  const int past = lane() == 31 ? 1 : 0;
  x[lane() + (outside == Outside::device_write ? past * (count - 31) : 0)] = 1;
  float read = x[lane() + (outside == Outside::device_read ? past * (count - 31) : 0)];
  sized[lane() + (outside == Outside::dynamic_write ? past : 0)] = read;
  fixed[lane() + (outside == Outside::static_write ? past : 0)] = read;
}

void run_outside(Outside outside) {
  Array<float> x(100);
  Geometry geometry;
  geometry.shared = 32 * sizeof(float);
  const Fault fault = launch("go_outside", go_outside, geometry, nullptr, x.data(), 100, outside);
  CHECK(fault == 0, "%s", emulator::fault());
}

SIMCSE_PLANTED(write_outside_device_memory) { run_outside(Outside::device_write); }
SIMCSE_PLANTED(read_outside_device_memory) { run_outside(Outside::device_read); }
SIMCSE_PLANTED(write_outside_dynamic_shared_memory) { run_outside(Outside::dynamic_write); }
SIMCSE_PLANTED(write_outside_static_shared_memory) { run_outside(Outside::static_write); }
SIMCSE_PLANTED(nothing_outside) { run_outside(Outside::none); }

void expect_caught(const char *name, const char *text) {
  std::string output;
  const int status = run_planted(name, &output);
  CHECK(status != 0 && output.find(text) != std::string::npos, "%s: status %d, expected \"%s\" in:\n%s", name, status,
        text, output.c_str());
}

SIMCSE_TEST(planted_writes_outside_are_caught) {
#if defined(__SANITIZE_ADDRESS__)
  for (const char *name : {"write_outside_device_memory", "read_outside_device_memory",
                           "write_outside_dynamic_shared_memory", "write_outside_static_shared_memory"}) {
    const bool array = std::strcmp(name, "write_outside_static_shared_memory") == 0;
    expect_caught(name, array ? "index 32 out of bounds for type 'float [32]'" : "AddressSanitizer: use-after-poison");
    expect_caught(name, "planted_test.cpp");
  }
#else
  expect_caught("write_outside_device_memory", "a write outside an array of 100 elements");
  expect_caught("write_outside_dynamic_shared_memory", "outside the 128 bytes of its dynamic shared memory");
  expect_caught("write_outside_static_shared_memory", "outside the 128 bytes of its static shared memory");
#endif
  std::string output;
  CHECK(run_planted("nothing_outside", &output) == 0, "a fault where none was planted:\n%s", output.c_str());
}

#if defined(__SANITIZE_THREAD__)
// Blocks that write one word, each by another lane.
SIMT_KERNEL(32) blocks_write(float *x) {
  if (lane() == block_x()) *x = 1;
}

SIMCSE_PLANTED(race_of_blocks) {
  Array<float> x(1);
  Geometry geometry;
  geometry.x = 4;
  launch("blocks_write", blocks_write, geometry, nullptr, x.data());
}

SIMCSE_PLANTED(no_race) {
  wrong_answers(reverse_twice, 128, 0);
  wrong_answers(reverse_copies, 32, 0);
}

SIMCSE_TEST(planted_races_are_caught) {
  expect_caught("missing_block_barrier", "ThreadSanitizer: data race");
  expect_caught("missing_warp_barrier", "ThreadSanitizer: data race");
  expect_caught("missing_copy_barrier", "ThreadSanitizer: data race");
  expect_caught("race_of_blocks", "ThreadSanitizer: data race");
  std::string output;
  CHECK(run_planted("no_race", &output) == 0, "a race where none was planted:\n%s", output.c_str());
}
#endif

}  // namespace

}  // namespace simcse::cuda::tests
