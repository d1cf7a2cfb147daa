// What the kernels' tests are written with: checks, random numbers, guarded arrays, and errors against doubles.
#pragma once

#include <cmath>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "../emulator/emulator.hpp"
#include "../simt.hpp"
#include "twins.hpp"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace simcse::cuda::tests {

// --- tests and checks ---

using Test = void (*)();
void add_test(const char *file, const char *name, Test test);
// For planted faults: what `program --planted NAME` runs in a process of its own.
void add_planted(const char *name, Test body);
// Runs a planted fault; returns its exit status and what it wrote.
int run_planted(const char *name, std::string *output);

#define SIMCSE_TEST(name)                                                                  \
  static void name();                                                                      \
  static const bool name##_added = (::simcse::cuda::tests::add_test(__FILE__, #name, name), true); \
  static void name()

#define SIMCSE_PLANTED(name)                                                                  \
  static void name();                                                                         \
  static const bool name##_added = (::simcse::cuda::tests::add_planted(#name, name), true);   \
  static void name()

void fail_check(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));
const char *text_of(Fault fault);

#define CHECK(holds, ...)                                                                \
  do {                                                                                   \
    if (!(holds)) ::simcse::cuda::tests::fail_check(__FILE__, __LINE__, __VA_ARGS__);    \
  } while (0)

// A launch that must succeed.
#define RUN(call)                                                                                        \
  do {                                                                                                   \
    if (const ::simcse::cuda::Fault run_fault = (call); run_fault != 0) {                                \
      ::simcse::cuda::tests::fail_check(__FILE__, __LINE__, "%s", ::simcse::cuda::tests::text_of(run_fault)); \
      return;                                                                                            \
    }                                                                                                    \
  } while (0)

// --- random numbers ---

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15u + 1) {}
  uint32_t next() {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<uint32_t>(state_ >> 32);
  }
  int between(int low, int high) { return low + static_cast<int>(next() % static_cast<uint32_t>(high - low + 1)); }
  double uniform() { return next() * 0x1p-31 - 1; }  // -1 to 1

 private:
  uint64_t state_;
};

// --- arrays ---

inline double value_of(float x) { return x; }
inline double value_of(bf16 x) { return to_float(x); }

// Memory of exactly `count` elements, rubbish at first (not a number, -1), `offset` elements past a multiple of 256
// bytes. A write outside ends the process under AddressSanitizer, and is found by guards_hold elsewhere.
template <typename T>
class Array {
 public:
  explicit Array(int64_t count, int offset = 0) : count_(count), start_(kGuard + offset * sizeof(T)) {
    bytes_ = start_ + static_cast<std::size_t>(count) * sizeof(T) + kGuard;
    void *memory = nullptr;
    if (posix_memalign(&memory, kGuard, bytes_) != 0) std::abort();
    memory_ = static_cast<unsigned char *>(memory);
    std::memset(memory_, 0xff, bytes_);
#if defined(SIMCSE_TWINS)
    twins::add(memory_, bytes_, kGuard);
#endif
#if defined(__SANITIZE_ADDRESS__)
    __asan_poison_memory_region(memory_, start_);
    __asan_poison_memory_region(memory_ + bytes_ - kGuard, kGuard);
#endif
  }
  ~Array() {
#if defined(__SANITIZE_ADDRESS__)
    __asan_unpoison_memory_region(memory_, bytes_);
#else
    CHECK(guards_hold(), "a write outside an array of %lld elements", static_cast<long long>(count_));
#endif
#if defined(SIMCSE_TWINS)
    twins::remove(memory_);
#endif
    std::free(memory_);
  }
  Array(const Array &) = delete;
  Array &operator=(const Array &) = delete;

  T *data() { return reinterpret_cast<T *>(memory_ + start_); }
  const T *data() const { return reinterpret_cast<const T *>(memory_ + start_); }
  int64_t count() const { return count_; }
  T &operator[](int64_t i) { return data()[i]; }
  const T &operator[](int64_t i) const { return data()[i]; }

  void fill(Random &random, double scale = 1, double shift = 0) {
    for (int64_t i = 0; i < count_; i++) {
      data()[i] = from_float<T>(static_cast<float>(random.uniform() * scale + shift));
    }
  }
  void set(T x) {
    for (int64_t i = 0; i < count_; i++) data()[i] = x;
  }
  void copy(const Array &from) { std::memcpy(data(), from.data(), static_cast<std::size_t>(count_) * sizeof(T)); }
  std::vector<double> values() const {
    std::vector<double> all(static_cast<std::size_t>(count_));
    for (int64_t i = 0; i < count_; i++) all[static_cast<std::size_t>(i)] = value_of(data()[i]);
    return all;
  }
  bool same_bits(const Array &other) const {
    return std::memcmp(data(), other.data(), static_cast<std::size_t>(count_) * sizeof(T)) == 0;
  }

 private:
  static constexpr std::size_t kGuard = 256;
  bool guards_hold() const {
    for (std::size_t i = 0; i < start_; i++) {
      if (memory_[i] != 0xff) return false;
    }
    for (std::size_t i = bytes_ - kGuard; i < bytes_; i++) {
      if (memory_[i] != 0xff) return false;
    }
    return true;
  }
  int64_t count_;
  std::size_t start_, bytes_;
  unsigned char *memory_;
};

// --- errors ---

struct Error {
  double largest;  // max |out - ref| / max |ref|; not a number where an output is
  double norm;     // ||out - ref|| / ||ref||
};
Error error_of(const std::vector<double> &out, const std::vector<double> &reference);

// As the array's type rounds them.
template <typename T>
std::vector<double> rounded(std::vector<double> x) {
  for (double &each : x) each = value_of(from_float<T>(static_cast<float>(each)));
  return x;
}

// `out` is as near to `reference` as it must be: its error is at most 1e-5, or twice that of `naive`, the same computed
// with every stored number rounded, where that is more. For outputs that depend on no rounded number `naive` is empty.
template <typename T>
void check_near(const char *what, const Array<T> &out, const std::vector<double> &reference,
                const std::vector<double> &naive) {
  const Error error = error_of(out.values(), reference);
  const double limit = naive.empty() ? 1e-5 : std::fmax(1e-5, 2 * error_of(naive, reference).norm);
  CHECK(error.norm <= limit, "%s: error %g (largest %g), above %g", what, error.norm, error.largest, limit);
}

// --- batches ---

// Sentences of random lengths up to `longest`, the first of one token, under two views of which the first is number 1.
class TestBatch {
 public:
  TestBatch(Random &random, int sentences, int longest);
  const simcse_batch *get() const { return &batch_; }
  int rows() const { return batch_.views * batch_.tokens; }
  // Of a row: its token's position, its sentence's sample, its view, its sentence.
  void name(int row, uint32_t *position, uint32_t *sample, uint32_t *view, int *sentence = nullptr) const;

 private:
  Array<int32_t> cu_seqlens_;
  Array<int32_t> samples_;
  simcse_batch batch_;
};

// Whether an element of a mask is kept, written from the definition.
bool reference_kept(const simcse_dropout &dropout, uint32_t element, uint32_t c1, uint32_t sample, uint32_t view);
// 0 or 1 / keep_prob for each element of a hidden site (R, channels).
std::vector<double> reference_factors(const simcse_dropout &dropout, const TestBatch &batch, int channels);

// The seed of the emulator; on a GPU it only names the data.
void use_seed(int seed);

// For as long as it lives, the emulated GPU is of sm_90a, whose blocks may have 227 KB of shared memory; a GPU is what
// it is.
class Sm90 {
 public:
  Sm90();
  ~Sm90();
  Sm90(const Sm90 &) = delete;
  Sm90 &operator=(const Sm90 &) = delete;
};

// Calls body(seed) under several seeds, at most as many as SIMCSE_TEST_SEEDS in the environment says.
template <typename Body>
void each_seed(int seeds, const Body &body) {
  const char *most = std::getenv("SIMCSE_TEST_SEEDS");
  if (most != nullptr && std::atoi(most) < seeds) seeds = std::atoi(most);
  for (int seed = 1; seed <= seeds; seed++) {
    use_seed(seed);
    body(seed);
  }
}

}  // namespace simcse::cuda::tests
