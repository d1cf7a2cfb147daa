// Philox4x32-10 (Salmon et al. 2011) for kLanes counters at once, and the dropout masks drawn from it.
#pragma once

#include "../include/simcse.h"
#include "simd.hpp"

namespace simcse::cpu::SIMCSE_TIER {

#if defined(__AVX2__)

// Words in the lower halves of 64 bits, where the multiplication takes them; what the upper halves hold is ignored.
#if defined(__AVX512F__)
typedef __m512i Pairs;
SIMCSE_INLINE Pairs pairs(uint32_t x) { return _mm512_set1_epi64((int64_t)x); }
SIMCSE_INLINE Pairs multiply(Pairs a, Pairs b) { return _mm512_mul_epu32(a, b); }
SIMCSE_INLINE Pairs upper(Pairs a) { return _mm512_srli_epi64(a, 32); }
SIMCSE_INLINE Pairs exclusive_or(Pairs a, Pairs b, Pairs c) { return _mm512_ternarylogic_epi64(a, b, c, 0x96); }
SIMCSE_INLINE U join(Pairs even, Pairs odd) {
  return {_mm512_mask_shuffle_epi32(even, 0xAAAA, odd, (_MM_PERM_ENUM)0xA0)};
}
#else
typedef __m256i Pairs;
SIMCSE_INLINE Pairs pairs(uint32_t x) { return _mm256_set1_epi64x((int64_t)x); }
SIMCSE_INLINE Pairs multiply(Pairs a, Pairs b) { return _mm256_mul_epu32(a, b); }
SIMCSE_INLINE Pairs upper(Pairs a) { return _mm256_srli_epi64(a, 32); }
SIMCSE_INLINE Pairs exclusive_or(Pairs a, Pairs b, Pairs c) { return _mm256_xor_si256(_mm256_xor_si256(a, c), b); }
SIMCSE_INLINE U join(Pairs even, Pairs odd) {
  return {_mm256_blend_epi32(even, _mm256_shuffle_epi32(odd, 0xA0), 0xAA)};
}
#endif

SIMCSE_INLINE void philox_round(Pairs c[4], Pairs key0, Pairs key1) {
  Pairs product0 = multiply(c[0], pairs(0xD2511F53u));
  Pairs product1 = multiply(c[2], pairs(0xCD9E8D57u));
  c[0] = exclusive_or(upper(product1), c[1], key0);
  c[2] = exclusive_or(upper(product0), c[3], key1);
  c[1] = product1;
  c[3] = product0;
}

// c[s][0..3]: the counters of kSets * kLanes blocks, replaced by the four words of each. A round waits for the one
// before it: two sets at once keep a wide machine busy.
template <int kSets>
SIMCSE_INLINE void philox_sets(U (*c)[4], uint32_t key0, uint32_t key1) {
  Pairs even[kSets][4], odd[kSets][4];
  for (int s = 0; s < kSets; s++) {
    for (int i = 0; i < 4; i++) {
      even[s][i] = c[s][i].v;
      odd[s][i] = upper(c[s][i].v);
    }
  }
#pragma GCC unroll 10
  for (int round = 0; round < 10; round++) {
    for (int s = 0; s < kSets; s++) {
      philox_round(even[s], pairs(key0), pairs(key1));
      philox_round(odd[s], pairs(key0), pairs(key1));
    }
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  for (int s = 0; s < kSets; s++) {
    for (int i = 0; i < 4; i++) c[s][i] = join(even[s][i], odd[s][i]);
  }
}

#else

SIMCSE_INLINE void philox_set(U c[4], uint32_t key0, uint32_t key1) {
  const U multiplier0 = splat_u(0xD2511F53u);
  const U multiplier1 = splat_u(0xCD9E8D57u);
  for (int round = 0; round < 10; round++) {
    U high0, low0, high1, low1;
    multiply_wide(multiplier0, c[0], &high0, &low0);
    multiply_wide(multiplier1, c[2], &high1, &low1);
    c[0] = high1 ^ c[1] ^ splat_u(key0);
    c[2] = high0 ^ c[3] ^ splat_u(key1);
    c[1] = low1;
    c[3] = low0;
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
}

// c[s][0..3]: the counters of kSets * kLanes blocks, replaced by the four words of each.
template <int kSets>
SIMCSE_INLINE void philox_sets(U (*c)[4], uint32_t key0, uint32_t key1) {
  for (int s = 0; s < kSets; s++) philox_set(c[s], key0, key1);
}

#endif

// c[0..3]: the counters of kLanes blocks, replaced by the four words of each.
SIMCSE_INLINE void philox(U c[4], uint32_t key0, uint32_t key1) {
  U set[1][4] = {{c[0], c[1], c[2], c[3]}};
  philox_sets<1>(set, key0, key1);
  for (int i = 0; i < 4; i++) c[i] = set[0][i];
}

SIMCSE_INLINE bool drops(const simcse_dropout &dropout) { return dropout.keep_prob < 1.0f; }

// Words below this are kept: ceil(keep_prob * 2^32), which fits where anything is dropped.
SIMCSE_INLINE uint32_t threshold(const simcse_dropout &dropout) {
  double bound = (double)dropout.keep_prob * 4294967296.0;
  uint64_t whole = (uint64_t)bound;
  return (uint32_t)(whole + ((double)whole < bound ? 1 : 0));
}

}  // namespace simcse::cpu::SIMCSE_TIER
