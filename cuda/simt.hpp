// The primitives over which every kernel of this folder is written. nvcc turns them into the instructions
// (simt_cuda.hpp); g++ turns the very same kernel sources into a run of the emulator (emulator/primitives.hpp).
//
//   kernels       SIMT_KERNEL(threads[, blocks per multiprocessor]) name(...) { }, in an anonymous namespace
//                 launch("name", name, geometry, stream, arguments ...)
//   functions     SIMT_DEVICE (inlined, device only), SIMT_UNROLL before a loop
//   indices       thread() lane() warp() threads() block_x() block_y() block_z() grid_x() grid_y() grid_z()
//   warp          shuffle_xor shuffle_down shuffle (of any lane) ballot any all sync_warp, each with a mask of lanes
//   block         sync_block()  sync_named(id 1..15, threads)
//   memory        SIMT_SHARED(type, name, count)  dynamic_shared<T>(byte offset)  load_words store_words  fence
//   atomics       atomic_add atomic_min(int *, int), for counters and firsts: floats are never added in arrival order
//   tensor cores  ldmatrix ldmatrix_trans movmatrix_trans (x1, x2, x4 by the array's size)  mma_bf16 mma_f16 (m16n8k16)
//   copies        cp_async16  cp_async_commit  cp_async_wait<groups still in flight>
//   numbers       bf16, to_float, from_float<T>, pack_bf16, low_bf16, high_bf16, pack_f16, Pack<T, N>
//                 exp2_fast log2_fast rsqrt_fast reciprocal_fast tanh_fast; expf, erff, sqrtf, fmaf ... as in math.h
//   sums          warp_sum warp_max block_sum
//
// Stricter than the hardware, and checked by the emulator: a lane named in a mask must not have ended; lanes that meet
// must be at the same call; a block barrier is met by every lane of the block; sync_warp (or more) lies between a write
// to shared memory and another lane's read of it; a lane waits for all its asynchronous copies before it ends.
#pragma once

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "launch.hpp"

namespace simcse::cuda {

constexpr unsigned kFullWarp = 0xffffffffu;

// The upper half of a float.
struct bf16 {
  uint16_t bits;
};

// N 32-bit words that are read and written at once: 4, 8 or 16 bytes, aligned to as much.
template <int N>
struct alignas(4 * N) Words {
  uint32_t word[N];
};

}  // namespace simcse::cuda

#if defined(__CUDACC__)
#include "simt_cuda.hpp"
#else
#include "emulator/primitives.hpp"
#endif

namespace simcse::cuda {

SIMT_DEVICE int lane() { return thread() % kWarp; }
SIMT_DEVICE int warp() { return thread() / kWarp; }

// --- numbers ---

SIMT_DEVICE float to_float(float x) { return x; }
SIMT_DEVICE float to_float(bf16 x) { return float_of_bits((uint32_t)x.bits << 16); }

template <typename T>
SIMT_DEVICE T from_float(float x);
template <>
SIMT_DEVICE float from_float<float>(float x) {
  return x;
}
template <>
SIMT_DEVICE bf16 from_float<bf16>(float x) {
  return round_bf16(x);
}

SIMT_DEVICE float low_bf16(uint32_t pair) { return float_of_bits(pair << 16); }
SIMT_DEVICE float high_bf16(uint32_t pair) { return float_of_bits(pair & 0xffff0000u); }

// Elements of T in 16 bytes.
template <typename T>
constexpr int kVector = 16 / (int)sizeof(T);

// N neighbours of an array of T, held as they lie in memory and read or written in one access of N * sizeof(T) bytes.
// N is 1, or makes 4, 8 or 16 bytes to which the address is then aligned.
template <typename T, int N>
struct Pack {
  static constexpr int kWords = N * (int)sizeof(T) / 4;
  Words<kWords> raw;

  SIMT_DEVICE void load(const T *from, Site at = Site::here()) { raw = load_words<kWords>(from, at); }
  SIMT_DEVICE void load_once(const T *from, Site at = Site::here()) { raw = load_words_once<kWords>(from, at); }
  SIMT_DEVICE void store(T *to, Site at = Site::here()) const { store_words<kWords>(to, raw, at); }
  SIMT_DEVICE void get(float (&x)[N]) const {
    SIMT_UNROLL for (int i = 0; i < kWords; i++) {
      if constexpr (sizeof(T) == 4) {
        x[i] = float_of_bits(raw.word[i]);
      } else {
        x[2 * i] = low_bf16(raw.word[i]);
        x[2 * i + 1] = high_bf16(raw.word[i]);
      }
    }
  }
  SIMT_DEVICE void set(const float (&x)[N]) {
    SIMT_UNROLL for (int i = 0; i < kWords; i++) {
      if constexpr (sizeof(T) == 4) {
        raw.word[i] = bits_of_float(x[i]);
      } else {
        raw.word[i] = pack_bf16(x[2 * i], x[2 * i + 1]);
      }
    }
  }
};

template <typename T>
struct Pack<T, 1> {
  T raw;

  SIMT_DEVICE void load(const T *from, Site = Site::here()) { raw = *from; }
  SIMT_DEVICE void load_once(const T *from, Site = Site::here()) { raw = *from; }
  SIMT_DEVICE void store(T *to, Site = Site::here()) const { *to = raw; }
  SIMT_DEVICE void get(float (&x)[1]) const { x[0] = to_float(raw); }
  SIMT_DEVICE void set(const float (&x)[1]) { raw = from_float<T>(x[0]); }
};

// N floats from an array of floats whose alignment is that of N * 4 bytes, up to 16; N is 1 or a multiple of 4.
template <int N>
SIMT_DEVICE void load_floats(float (&x)[N], const float *from, Site at = Site::here()) {
  (void)at;
  if constexpr (N == 1) {
    x[0] = *from;
  } else {
    SIMT_UNROLL for (int i = 0; i < N; i += 4) {
      const Words<4> words = load_words<4>(from + i, at);
      SIMT_UNROLL for (int k = 0; k < 4; k++) x[i + k] = float_of_bits(words.word[k]);
    }
  }
}

template <int N>
SIMT_DEVICE void store_floats(float *to, const float (&x)[N], Site at = Site::here()) {
  (void)at;
  if constexpr (N == 1) {
    *to = x[0];
  } else {
    SIMT_UNROLL for (int i = 0; i < N; i += 4) {
      Words<4> words;
      SIMT_UNROLL for (int k = 0; k < 4; k++) words.word[k] = bits_of_float(x[i + k]);
      store_words<4>(to + i, words, at);
    }
  }
}

// --- sums, in one order whatever runs first ---

// Over the 32 lanes; every lane gets the result.
SIMT_DEVICE float warp_sum(float x, Site at = Site::here()) {
  SIMT_UNROLL for (int step = kWarp / 2; step > 0; step /= 2) x += shuffle_xor(x, step, kFullWarp, at);
  return x;
}

SIMT_DEVICE float warp_max(float x, Site at = Site::here()) {
  SIMT_UNROLL for (int step = kWarp / 2; step > 0; step /= 2) x = fmaxf(x, shuffle_xor(x, step, kFullWarp, at));
  return x;
}

// Over all threads of the block; every thread gets the result. `partial` is shared memory for 32 floats, which may be
// used for something else only after another barrier.
SIMT_DEVICE float block_sum(float x, float *partial, Site at = Site::here()) {
  x = warp_sum(x, at);
  if (lane() == 0) partial[warp()] = x;
  sync_block(at);
  x = lane() < threads() / kWarp ? partial[lane()] : 0.0f;
  return warp_sum(x, at);
}

}  // namespace simcse::cuda
