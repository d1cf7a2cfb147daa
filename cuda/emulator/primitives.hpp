// The primitives of simt.hpp as calls to the emulator; what each does is said in simt_cuda.hpp. Included by simt.hpp
// under every compiler but nvcc.
#pragma once

#include "emulator.hpp"

#if defined(SIMCSE_TWINS)
#include <tuple>

#include "../tests/twins.hpp"
#endif

#define SIMT_DEVICE inline
#define SIMT_KERNEL(...) inline void
#define SIMT_UNROLL
#define SIMT_SHARED(type, name, count)    \
  static const char name##_key = 0;       \
  type(&name)[count] = *static_cast<type(*)[count]>( \
      ::simcse::cuda::emulator::static_shared(&name##_key, sizeof(type[count])))

namespace simcse::cuda {

namespace emulator {

// Calls it in every lane.
template <typename Call>
Fault run_lanes(const char *name, const Geometry &geometry, Call call) {
  return run(name, geometry, [](void *it) { (*static_cast<Call *>(it))(); }, &call);
}

}  // namespace emulator

template <typename... Parameters, typename... Arguments>
Fault launch(const char *name, void (*kernel)(Parameters...), const Geometry &geometry, [[maybe_unused]] Stream stream,
             const Arguments &...arguments) {
  if (geometry.x == 0 || geometry.y == 0 || geometry.z == 0) return 0;
#if defined(SIMCSE_TWINS)
  if (const Fault fault = twins::send(); fault != 0) return fault;
  const auto given = std::make_tuple(twins::on_gpu(arguments)...);
  return twins::fetch(emulator::run_lanes(name, geometry, [&] { std::apply(kernel, given); }));
#else
  const auto run = [=] { return emulator::run_lanes(name, geometry, [&] { kernel(arguments...); }); };
  if (const Fault fault = emulator::check(name, geometry); fault != 0) return fault;
  emulator::Streams *const streams = emulator::streams();
  return streams != nullptr && streams->keep(stream, run) ? 0 : run();
#endif
}

// --- indices ---

SIMT_DEVICE int thread() { return emulator::position.thread; }
SIMT_DEVICE int threads() { return emulator::position.threads; }
SIMT_DEVICE int block_x() { return emulator::position.block[0]; }
SIMT_DEVICE int block_y() { return emulator::position.block[1]; }
SIMT_DEVICE int block_z() { return emulator::position.block[2]; }
SIMT_DEVICE int grid_x() { return emulator::position.grid[0]; }
SIMT_DEVICE int grid_y() { return emulator::position.grid[1]; }
SIMT_DEVICE int grid_z() { return emulator::position.grid[2]; }

// --- numbers ---

SIMT_DEVICE float float_of_bits(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}
SIMT_DEVICE uint32_t bits_of_float(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}
SIMT_DEVICE int popcount(unsigned x) { return __builtin_popcount(x); }

SIMT_DEVICE bf16 round_bf16(float x) {
  const uint32_t bits = bits_of_float(x);
  if (x != x) return {0x7fff};
  return {static_cast<uint16_t>((bits + 0x7fffu + (bits >> 16 & 1)) >> 16)};
}
SIMT_DEVICE uint32_t pack_bf16(float low, float high) {
  return static_cast<uint32_t>(round_bf16(high).bits) << 16 | round_bf16(low).bits;
}

namespace emulator {
uint16_t half_of_float(float x);
float float_of_half(uint16_t bits);
}  // namespace emulator

SIMT_DEVICE uint32_t pack_f16(float low, float high) {
  return static_cast<uint32_t>(emulator::half_of_float(high)) << 16 | emulator::half_of_float(low);
}

SIMT_DEVICE float exp2_fast(float x) { return exp2f(x); }
SIMT_DEVICE float log2_fast(float x) { return log2f(x); }
SIMT_DEVICE float reciprocal_fast(float x) { return 1.0f / x; }
SIMT_DEVICE float rsqrt_fast(float x) { return 1.0f / sqrtf(x); }
SIMT_DEVICE float tanh_fast(float x) { return tanhf(x); }

// --- warp ---

namespace emulator {

struct Shuffle {
  uint32_t bits;
  int from;  // outside 0 .. 31: its own
  uint32_t result;
  bool unknown;  // the other lane takes no part
};

inline void exchange_shuffle(void *const *operands, unsigned mask) {
  for (int i = 0; i < kWarp; i++) {
    if ((mask >> i & 1) == 0) continue;
    Shuffle &to = *static_cast<Shuffle *>(operands[i]);
    const int from = to.from < 0 || to.from >= kWarp ? i : to.from;
    to.unknown = (mask >> from & 1) == 0;
    to.result = to.unknown ? 0xffffffffu : static_cast<const Shuffle *>(operands[from])->bits;
  }
}

template <typename T>
T shuffle_from(const char *what, T x, int from, unsigned mask, Site at) {
  static_assert(sizeof(T) == 4, "shuffles move 32 bits");
  Shuffle operand = {0, from, 0, false};
  memcpy(&operand.bits, &x, 4);
  meet(what, mask, &operand, exchange_shuffle, false, at);
  if (operand.unknown) fail(at, "%s from lane %d, which is not among lanes %08x", what, from, mask);
  memcpy(&x, &operand.result, 4);
  return x;
}

struct Vote {
  bool vote;
  unsigned result;
};

inline void exchange_votes(void *const *operands, unsigned mask) {
  unsigned votes = 0;
  for (int i = 0; i < kWarp; i++) {
    if (mask >> i & 1) votes |= static_cast<unsigned>(static_cast<const Vote *>(operands[i])->vote) << i;
  }
  for (int i = 0; i < kWarp; i++) {
    if (mask >> i & 1) static_cast<Vote *>(operands[i])->result = votes;
  }
}

inline unsigned votes(const char *what, bool x, unsigned mask, Site at) {
  Vote vote = {x, 0};
  meet(what, mask, &vote, exchange_votes, false, at);
  return vote.result;
}

}  // namespace emulator

template <typename T>
T shuffle_xor(T x, int lanes, unsigned mask = kFullWarp, Site at = Site::here()) {
  return emulator::shuffle_from("shuffle_xor", x, thread() % kWarp ^ lanes, mask, at);
}
template <typename T>
T shuffle_down(T x, int lanes, unsigned mask = kFullWarp, Site at = Site::here()) {
  return emulator::shuffle_from("shuffle_down", x, thread() % kWarp + lanes, mask, at);
}
template <typename T>
T shuffle(T x, int lane, unsigned mask = kFullWarp, Site at = Site::here()) {
  return emulator::shuffle_from("shuffle", x, lane & (kWarp - 1), mask, at);
}
SIMT_DEVICE unsigned ballot(bool x, unsigned mask = kFullWarp, Site at = Site::here()) {
  return emulator::votes("ballot", x, mask, at);
}
SIMT_DEVICE bool any(bool x, unsigned mask = kFullWarp, Site at = Site::here()) {
  return emulator::votes("any", x, mask, at) != 0;
}
SIMT_DEVICE bool all(bool x, unsigned mask = kFullWarp, Site at = Site::here()) {
  return emulator::votes("all", x, mask, at) == mask;
}
SIMT_DEVICE void sync_warp(unsigned mask = kFullWarp, Site at = Site::here()) {
  emulator::meet("sync_warp", mask, nullptr, nullptr, true, at);
}

// --- block ---

SIMT_DEVICE void sync_block(Site at = Site::here()) { emulator::barrier(0, threads(), at); }
SIMT_DEVICE void sync_named(int id, int threads, Site at = Site::here()) {
  if (id < 1) emulator::fail(at, "barrier %d is the block's own", id);
  emulator::barrier(id, threads, at);
}
SIMT_DEVICE void fence() {}
SIMT_DEVICE int atomic_add(int *to, int x) { return emulator::atomic_add(to, x); }
SIMT_DEVICE int atomic_min(int *to, int x) { return emulator::atomic_min(to, x); }

// --- memory ---

template <typename T>
T *dynamic_shared(unsigned offset = 0, Site at = Site::here()) {
  return static_cast<T *>(emulator::dynamic_shared(offset, at));
}

template <int N>
Words<N> load_words(const void *from, Site at = Site::here()) {
  static_assert(N == 1 || N == 2 || N == 4, "4, 8 or 16 bytes");
  emulator::check_aligned(from, sizeof(Words<N>), at);
  Words<N> x;
  memcpy(&x, from, sizeof x);
  return x;
}
template <int N>
Words<N> load_words_once(const void *from, Site at = Site::here()) {
  return load_words<N>(from, at);
}
template <int N>
void store_words(void *to, const Words<N> &x, Site at = Site::here()) {
  static_assert(N == 1 || N == 2 || N == 4, "4, 8 or 16 bytes");
  emulator::check_aligned(to, sizeof(Words<N>), at);
  memcpy(to, &x, sizeof x);
}

SIMT_DEVICE void cp_async16(void *shared, const void *global, int bytes = 16, Site at = Site::here()) {
  emulator::copy_async(shared, global, bytes, at);
}
SIMT_DEVICE void cp_async_commit() { emulator::copy_async_commit(); }
template <int kGroups>
void cp_async_wait() {
  emulator::copy_async_wait(kGroups);
}

// --- tensor cores ---

namespace emulator {

struct Matrices {
  uint16_t row[8];  // the row that this lane's address named
  uint32_t result[4];
};

template <int N, bool kTransposed>
void exchange_matrices(void *const *operands, unsigned) {
  for (int lane = 0; lane < kWarp; lane++) {
    for (int m = 0; m < N; m++) {
      uint32_t pair[2];
      for (int k = 0; k < 2; k++) {
        const int row = kTransposed ? 2 * (lane % 4) + k : lane / 4;
        const int column = kTransposed ? lane / 4 : 2 * (lane % 4) + k;
        pair[k] = static_cast<const Matrices *>(operands[8 * m + row])->row[column];
      }
      static_cast<Matrices *>(operands[lane])->result[m] = pair[1] << 16 | pair[0];
    }
  }
}

// Each lane reads the row it names before it meets the others, so that a row that another lane has yet to write shows.
template <int N, bool kTransposed>
void load_matrices(const char *what, uint32_t (&x)[N], const void *row, Site at) {
  static_assert(N == 1 || N == 2 || N == 4, "1, 2 or 4 matrices");
  Matrices operand = {};
  if (thread() % kWarp < 8 * N) {
    check_aligned(row, 16, at);
    memcpy(operand.row, row, sizeof operand.row);
  }
  meet(what, kFullWarp, &operand, exchange_matrices<N, kTransposed>, false, at);
  for (int m = 0; m < N; m++) x[m] = operand.result[m];
}

struct Product {
  float d[4];
  uint32_t a[4];
  uint32_t b[2];
};

// Of bf16 and of f16.
void exchange_products(void *const *operands, unsigned mask);
void exchange_half_products(void *const *operands, unsigned mask);

inline void multiply(const char *what, float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2],
                     Exchange exchange, Site at) {
  Product operand;
  memcpy(operand.d, d, sizeof d);
  memcpy(operand.a, a, sizeof a);
  memcpy(operand.b, b, sizeof b);
  meet(what, kFullWarp, &operand, exchange, false, at);
  memcpy(d, operand.d, sizeof d);
}

}  // namespace emulator

template <int N>
void ldmatrix(uint32_t (&x)[N], const void *row, Site at = Site::here()) {
  emulator::load_matrices<N, false>("ldmatrix", x, row, at);
}
template <int N>
void ldmatrix_trans(uint32_t (&x)[N], const void *row, Site at = Site::here()) {
  emulator::load_matrices<N, true>("ldmatrix_trans", x, row, at);
}
SIMT_DEVICE uint32_t movmatrix_trans(uint32_t x, Site at = Site::here()) {
  emulator::Matrices operand = {};
  // The row's words come from the four lanes that hold them.
  for (int k = 0; k < 4; k++) {
    const uint32_t word = shuffle(x, 4 * (thread() % 8) + k, kFullWarp, at);
    operand.row[2 * k] = static_cast<uint16_t>(word);
    operand.row[2 * k + 1] = static_cast<uint16_t>(word >> 16);
  }
  emulator::meet("movmatrix_trans", kFullWarp, &operand, emulator::exchange_matrices<1, true>, false, at);
  return operand.result[0];
}
SIMT_DEVICE void mma_bf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], Site at = Site::here()) {
  emulator::multiply("mma_bf16", d, a, b, emulator::exchange_products, at);
}
SIMT_DEVICE void mma_f16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], Site at = Site::here()) {
  emulator::multiply("mma_f16", d, a, b, emulator::exchange_half_products, at);
}

}  // namespace simcse::cuda
