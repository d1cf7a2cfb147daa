// Vectors of the tier this file is compiled for: F of kLanes floats, U of as many 32-bit words, M a mask of lanes.
// Loads and stores take float or bf16 memory of any alignment; the *_n forms touch the first n lanes alone
// (0 <= n <= kLanes), read the others as 0, and never touch a byte beyond.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#ifndef SIMCSE_TIER
#error "compile with -DSIMCSE_TIER=portable, avx2, avx512, avx512_bf16 or amx"
#endif

#define SIMCSE_INLINE static inline __attribute__((always_inline))

namespace simcse::cpu::SIMCSE_TIER {

// A bfloat16 in memory.
struct bf16 {
  uint16_t bits;
};

SIMCSE_INLINE float widen(bf16 x) {
  uint32_t bits = (uint32_t)x.bits << 16;
  float value;
  memcpy(&value, &bits, 4);
  return value;
}

SIMCSE_INLINE float widen(float x) { return x; }

// To the nearest, ties to even; NaN stays NaN.
SIMCSE_INLINE bf16 narrow(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return bf16{(uint16_t)(bits >> 16 | 0x40)};
  return bf16{(uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16)};
}

#if defined(__AVX512F__)

constexpr int kLanes = 16;
struct F { __m512 v; };
struct U { __m512i v; };
struct M { __mmask16 m; };

SIMCSE_INLINE M first(int n) { return {(__mmask16)((1u << n) - 1)}; }
SIMCSE_INLINE F splat(float x) { return {_mm512_set1_ps(x)}; }
SIMCSE_INLINE F zero() { return {_mm512_setzero_ps()}; }
SIMCSE_INLINE F load(const float *p) { return {_mm512_loadu_ps(p)}; }
SIMCSE_INLINE F load_n(const float *p, int n) { return {_mm512_maskz_loadu_ps(first(n).m, p)}; }
SIMCSE_INLINE void store(float *p, F x) { _mm512_storeu_ps(p, x.v); }
SIMCSE_INLINE void store_n(float *p, F x, int n) { _mm512_mask_storeu_ps(p, first(n).m, x.v); }
SIMCSE_INLINE F widen(__m256i x) { return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16))}; }
SIMCSE_INLINE F load(const bf16 *p) { return widen(_mm256_loadu_si256((const __m256i *)p)); }
SIMCSE_INLINE F load_n(const bf16 *p, int n) { return widen(_mm256_maskz_loadu_epi16(first(n).m, p)); }
SIMCSE_INLINE __m256i narrow(F x) {
#if defined(__AVX512BF16__)
  return (__m256i)_mm512_cvtneps_pbh(x.v);
#else
  __m512i bits = _mm512_castps_si512(x.v);
  __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  __m512i rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
  __m512i quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x400000));
  __mmask16 nan = _mm512_cmp_ps_mask(x.v, x.v, _CMP_UNORD_Q);
  return _mm512_cvtepi32_epi16(_mm512_srli_epi32(_mm512_mask_blend_epi32(nan, rounded, quiet), 16));
#endif
}
SIMCSE_INLINE void store(bf16 *p, F x) { _mm256_storeu_si256((__m256i *)p, narrow(x)); }
SIMCSE_INLINE void store_n(bf16 *p, F x, int n) { _mm256_mask_storeu_epi16(p, first(n).m, narrow(x)); }

SIMCSE_INLINE F operator+(F a, F b) { return {_mm512_add_ps(a.v, b.v)}; }
SIMCSE_INLINE F operator-(F a, F b) { return {_mm512_sub_ps(a.v, b.v)}; }
SIMCSE_INLINE F operator*(F a, F b) { return {_mm512_mul_ps(a.v, b.v)}; }
SIMCSE_INLINE F operator/(F a, F b) { return {_mm512_div_ps(a.v, b.v)}; }
SIMCSE_INLINE F fma(F a, F b, F c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
SIMCSE_INLINE F max(F a, F b) { return {_mm512_max_ps(a.v, b.v)}; }
SIMCSE_INLINE F min(F a, F b) { return {_mm512_min_ps(a.v, b.v)}; }
SIMCSE_INLINE F sqrt(F a) { return {_mm512_sqrt_ps(a.v)}; }
SIMCSE_INLINE F round(F a) { return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
SIMCSE_INLINE M operator<(F a, F b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ)}; }
SIMCSE_INLINE F select(M m, F yes, F no) { return {_mm512_mask_blend_ps(m.m, no.v, yes.v)}; }

SIMCSE_INLINE U splat_u(uint32_t x) { return {_mm512_set1_epi32((int)x)}; }
SIMCSE_INLINE U load_u(const uint32_t *p) { return {_mm512_loadu_si512(p)}; }
SIMCSE_INLINE void store_u(uint32_t *p, U x) { _mm512_storeu_si512(p, x.v); }
SIMCSE_INLINE U operator+(U a, U b) { return {_mm512_add_epi32(a.v, b.v)}; }
SIMCSE_INLINE U operator^(U a, U b) { return {_mm512_xor_si512(a.v, b.v)}; }
SIMCSE_INLINE U operator&(U a, U b) { return {_mm512_and_si512(a.v, b.v)}; }
SIMCSE_INLINE U operator|(U a, U b) { return {_mm512_or_si512(a.v, b.v)}; }
template <int N> SIMCSE_INLINE U shift_left(U a) { return {_mm512_slli_epi32(a.v, N)}; }
template <int N> SIMCSE_INLINE U shift_right(U a) { return {_mm512_srli_epi32(a.v, N)}; }
SIMCSE_INLINE M below(U a, U b) { return {_mm512_cmplt_epu32_mask(a.v, b.v)}; }
SIMCSE_INLINE void multiply_wide(U a, U b, U *high, U *low) {
  __m512i even = _mm512_mul_epu32(a.v, b.v);
  __m512i odd = _mm512_mul_epu32(_mm512_srli_epi64(a.v, 32), _mm512_srli_epi64(b.v, 32));
  high->v = _mm512_mask_blend_epi32(0xAAAA, _mm512_srli_epi64(even, 32), odd);
  low->v = _mm512_mask_blend_epi32(0xAAAA, even, _mm512_slli_epi64(odd, 32));
}
SIMCSE_INLINE F as_floats(U a) { return {_mm512_castsi512_ps(a.v)}; }
SIMCSE_INLINE U as_words(F a) { return {_mm512_castps_si512(a.v)}; }
SIMCSE_INLINE U to_int(F a) { return {_mm512_cvtps_epi32(a.v)}; }
SIMCSE_INLINE uint32_t bits(M m) { return m.m; }
SIMCSE_INLINE M mask(uint32_t bits) { return {(__mmask16)bits}; }

#elif defined(__AVX2__)

constexpr int kLanes = 8;
struct F { __m256 v; };
struct U { __m256i v; };
struct M { __m256 m; };

SIMCSE_INLINE __m256i counting() { return _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7); }
SIMCSE_INLINE __m256i first_words(int n) { return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), counting()); }
SIMCSE_INLINE M first(int n) { return {_mm256_castsi256_ps(first_words(n))}; }
SIMCSE_INLINE F splat(float x) { return {_mm256_set1_ps(x)}; }
SIMCSE_INLINE F zero() { return {_mm256_setzero_ps()}; }
SIMCSE_INLINE F load(const float *p) { return {_mm256_loadu_ps(p)}; }
SIMCSE_INLINE F load_n(const float *p, int n) { return {_mm256_maskload_ps(p, first_words(n))}; }
SIMCSE_INLINE void store(float *p, F x) { _mm256_storeu_ps(p, x.v); }
SIMCSE_INLINE void store_n(float *p, F x, int n) { _mm256_maskstore_ps(p, first_words(n), x.v); }
SIMCSE_INLINE F widen(__m128i x) { return {_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(x), 16))}; }
SIMCSE_INLINE F load(const bf16 *p) { return widen(_mm_loadu_si128((const __m128i *)p)); }
SIMCSE_INLINE F load_n(const bf16 *p, int n) {
  bf16 copy[8] = {};
  memcpy(copy, p, 2 * (size_t)n);
  return load(copy);
}
SIMCSE_INLINE __m128i narrow(F x) {
  __m256i bits = _mm256_castps_si256(x.v);
  __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  __m256i rounded = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
  __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
  __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(x.v, x.v, _CMP_UNORD_Q));
  __m256i upper = _mm256_srli_epi32(_mm256_blendv_epi8(rounded, quiet, nan), 16);
  return _mm_packus_epi32(_mm256_castsi256_si128(upper), _mm256_extracti128_si256(upper, 1));
}
SIMCSE_INLINE void store(bf16 *p, F x) { _mm_storeu_si128((__m128i *)p, narrow(x)); }
SIMCSE_INLINE void store_n(bf16 *p, F x, int n) {
  bf16 copy[8];
  store(copy, x);
  memcpy(p, copy, 2 * (size_t)n);
}

SIMCSE_INLINE F operator+(F a, F b) { return {_mm256_add_ps(a.v, b.v)}; }
SIMCSE_INLINE F operator-(F a, F b) { return {_mm256_sub_ps(a.v, b.v)}; }
SIMCSE_INLINE F operator*(F a, F b) { return {_mm256_mul_ps(a.v, b.v)}; }
SIMCSE_INLINE F operator/(F a, F b) { return {_mm256_div_ps(a.v, b.v)}; }
SIMCSE_INLINE F fma(F a, F b, F c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
SIMCSE_INLINE F max(F a, F b) { return {_mm256_max_ps(a.v, b.v)}; }
SIMCSE_INLINE F min(F a, F b) { return {_mm256_min_ps(a.v, b.v)}; }
SIMCSE_INLINE F sqrt(F a) { return {_mm256_sqrt_ps(a.v)}; }
SIMCSE_INLINE F round(F a) { return {_mm256_round_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
SIMCSE_INLINE M operator<(F a, F b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_LT_OQ)}; }
SIMCSE_INLINE F select(M m, F yes, F no) { return {_mm256_blendv_ps(no.v, yes.v, m.m)}; }

SIMCSE_INLINE U splat_u(uint32_t x) { return {_mm256_set1_epi32((int)x)}; }
SIMCSE_INLINE U load_u(const uint32_t *p) { return {_mm256_loadu_si256((const __m256i *)p)}; }
SIMCSE_INLINE void store_u(uint32_t *p, U x) { _mm256_storeu_si256((__m256i *)p, x.v); }
SIMCSE_INLINE U operator+(U a, U b) { return {_mm256_add_epi32(a.v, b.v)}; }
SIMCSE_INLINE U operator^(U a, U b) { return {_mm256_xor_si256(a.v, b.v)}; }
SIMCSE_INLINE U operator&(U a, U b) { return {_mm256_and_si256(a.v, b.v)}; }
SIMCSE_INLINE U operator|(U a, U b) { return {_mm256_or_si256(a.v, b.v)}; }
template <int N> SIMCSE_INLINE U shift_left(U a) { return {_mm256_slli_epi32(a.v, N)}; }
template <int N> SIMCSE_INLINE U shift_right(U a) { return {_mm256_srli_epi32(a.v, N)}; }
SIMCSE_INLINE M below(U a, U b) {
  __m256i sign = _mm256_set1_epi32((int)0x80000000u);
  return {_mm256_castsi256_ps(_mm256_cmpgt_epi32(_mm256_xor_si256(b.v, sign), _mm256_xor_si256(a.v, sign)))};
}
SIMCSE_INLINE void multiply_wide(U a, U b, U *high, U *low) {
  __m256i even = _mm256_mul_epu32(a.v, b.v);
  __m256i odd = _mm256_mul_epu32(_mm256_srli_epi64(a.v, 32), _mm256_srli_epi64(b.v, 32));
  high->v = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xAA);
  low->v = _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xAA);
}
SIMCSE_INLINE F as_floats(U a) { return {_mm256_castsi256_ps(a.v)}; }
SIMCSE_INLINE U as_words(F a) { return {_mm256_castps_si256(a.v)}; }
SIMCSE_INLINE U to_int(F a) { return {_mm256_cvtps_epi32(a.v)}; }
SIMCSE_INLINE uint32_t bits(M m) { return (uint32_t)_mm256_movemask_ps(m.m); }
SIMCSE_INLINE M mask(uint32_t bits) {
  __m256i lane = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
  return {_mm256_castsi256_ps(_mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32((int)bits), lane), lane))};
}

#else

// The compiler's own vectors: runs on any machine.
constexpr int kLanes = 8;
typedef float Floats __attribute__((vector_size(32)));
typedef int32_t Ints __attribute__((vector_size(32)));
typedef uint32_t Words __attribute__((vector_size(32)));
struct F { Floats v; };
struct U { Words v; };
struct M { Ints m; };

SIMCSE_INLINE M first(int n) { return {(Ints{} + n) > Ints{0, 1, 2, 3, 4, 5, 6, 7}}; }
SIMCSE_INLINE F splat(float x) { return {Floats{} + x}; }
SIMCSE_INLINE F zero() { return {Floats{}}; }
SIMCSE_INLINE F load(const float *p) {
  F x;
  memcpy(&x.v, p, 32);
  return x;
}
SIMCSE_INLINE F load_n(const float *p, int n) {
  F x = zero();
  memcpy(&x.v, p, 4 * (size_t)n);
  return x;
}
SIMCSE_INLINE void store(float *p, F x) { memcpy(p, &x.v, 32); }
SIMCSE_INLINE void store_n(float *p, F x, int n) { memcpy(p, &x.v, 4 * (size_t)n); }
SIMCSE_INLINE F load_n(const bf16 *p, int n) {
  F x = zero();
  for (int i = 0; i < n; i++) x.v[i] = widen(p[i]);
  return x;
}
SIMCSE_INLINE F load(const bf16 *p) { return load_n(p, kLanes); }
SIMCSE_INLINE void store_n(bf16 *p, F x, int n) {
  for (int i = 0; i < n; i++) p[i] = narrow(x.v[i]);
}
SIMCSE_INLINE void store(bf16 *p, F x) { store_n(p, x, kLanes); }

SIMCSE_INLINE F operator+(F a, F b) { return {a.v + b.v}; }
SIMCSE_INLINE F operator-(F a, F b) { return {a.v - b.v}; }
SIMCSE_INLINE F operator*(F a, F b) { return {a.v * b.v}; }
SIMCSE_INLINE F operator/(F a, F b) { return {a.v / b.v}; }
// Not fused here: std::fma without the instruction is a call into the C library.
SIMCSE_INLINE F fma(F a, F b, F c) { return {a.v * b.v + c.v}; }
SIMCSE_INLINE F select(M m, F yes, F no) { return {m.m ? yes.v : no.v}; }
SIMCSE_INLINE M operator<(F a, F b) { return {a.v < b.v}; }
SIMCSE_INLINE F max(F a, F b) { return {a.v > b.v ? a.v : b.v}; }
SIMCSE_INLINE F min(F a, F b) { return {a.v < b.v ? a.v : b.v}; }
SIMCSE_INLINE F sqrt(F a) {
  for (int i = 0; i < kLanes; i++) a.v[i] = __builtin_sqrtf(a.v[i]);
  return a;
}
SIMCSE_INLINE F round(F a) {
  for (int i = 0; i < kLanes; i++) a.v[i] = __builtin_rintf(a.v[i]);
  return a;
}

SIMCSE_INLINE U splat_u(uint32_t x) { return {Words{} + x}; }
SIMCSE_INLINE U load_u(const uint32_t *p) {
  U x;
  memcpy(&x.v, p, 32);
  return x;
}
SIMCSE_INLINE void store_u(uint32_t *p, U x) { memcpy(p, &x.v, 32); }
SIMCSE_INLINE U operator+(U a, U b) { return {a.v + b.v}; }
SIMCSE_INLINE U operator^(U a, U b) { return {a.v ^ b.v}; }
SIMCSE_INLINE U operator&(U a, U b) { return {a.v & b.v}; }
SIMCSE_INLINE U operator|(U a, U b) { return {a.v | b.v}; }
template <int N> SIMCSE_INLINE U shift_left(U a) { return {a.v << N}; }
template <int N> SIMCSE_INLINE U shift_right(U a) { return {a.v >> N}; }
SIMCSE_INLINE M below(U a, U b) { return {a.v < b.v}; }
SIMCSE_INLINE void multiply_wide(U a, U b, U *high, U *low) {
  for (int i = 0; i < kLanes; i++) {
    uint64_t product = (uint64_t)a.v[i] * b.v[i];
    high->v[i] = (uint32_t)(product >> 32);
    low->v[i] = (uint32_t)product;
  }
}
SIMCSE_INLINE F as_floats(U a) { return {(Floats)a.v}; }
SIMCSE_INLINE U as_words(F a) { return {(Words)a.v}; }
SIMCSE_INLINE U to_int(F a) {
  U x;
  for (int i = 0; i < kLanes; i++) x.v[i] = (uint32_t)(int32_t)a.v[i];
  return x;
}
SIMCSE_INLINE uint32_t bits(M m) {
  uint32_t all = 0;
  for (int i = 0; i < kLanes; i++) all |= (uint32_t)(m.m[i] & 1) << i;
  return all;
}
SIMCSE_INLINE M mask(uint32_t bits) {
  M m;
  for (int i = 0; i < kLanes; i++) m.m[i] = -(int32_t)(bits >> i & 1);
  return m;
}

#endif

// Over all lanes, always in the same order.
SIMCSE_INLINE float sum(F x) {
  float lanes[kLanes];
  store(lanes, x);
  for (int width = kLanes / 2; width > 0; width /= 2) {
    for (int i = 0; i < width; i++) lanes[i] += lanes[i + width];
  }
  return lanes[0];
}

SIMCSE_INLINE float largest(F x) {
  float lanes[kLanes];
  store(lanes, x);
  float most = lanes[0];
  for (int i = 1; i < kLanes; i++) most = lanes[i] > most ? lanes[i] : most;
  return most;
}

}  // namespace simcse::cpu::SIMCSE_TIER
