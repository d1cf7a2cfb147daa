// Copies of parts of an operand of a matrix product in the order in which its kernel reads them, in words of 32 bits:
// a float, a widened bf16, or a pair of bf16 that are neighbours along k.
#pragma once

#include "simd.hpp"

namespace simcse::cpu::SIMCSE_TIER {

enum class Word {
  kFloats,       // word (r, c) is the float (r, c)
  kWidened,      // word (r, c) is the bf16 (r, c)
  kPairsAlong,   // word (r, c) is the bf16 (r, 2 c) and (r, 2 c + 1)
  kPairsDown,    // word (r, c) is the bf16 (2 r, c) and (2 r + 1, c)
};

// A matrix in memory of `rows` by `columns` elements. Reads beyond its edges give 0 and touch nothing.
template <Word kWords>
struct Source {
  const char *data;
  int64_t ld;
  int64_t rows, columns;

  inline __attribute__((always_inline)) int64_t word_rows() const {
    return kWords == Word::kPairsDown ? (rows + 1) / 2 : rows;
  }

  inline __attribute__((always_inline)) int64_t word_columns() const {
    return kWords == Word::kPairsAlong ? (columns + 1) / 2 : columns;
  }

  inline __attribute__((always_inline)) void fetch(int64_t r, int64_t c, int64_t count) const {
    constexpr int64_t kSize = kWords == Word::kFloats ? 4 : 2;
    constexpr int64_t kAcross = kWords == Word::kPairsAlong ? 2 : 1, kDown = kWords == Word::kPairsDown ? 2 : 1;
    for (int64_t line = 0; line < count * kAcross * kSize; line += 64) {
      for (int64_t i = 0; i < kDown; i++) {
        __builtin_prefetch(data + ((kDown * r + i) * ld + kAcross * c) * kSize + line);
      }
    }
  }

  // Words c .. c + count - 1 of row r, which it has, 0 <= count <= kLanes. The other lanes are 0.
  inline __attribute__((always_inline)) F words(int64_t r, int64_t c, int count) const {
    if constexpr (kWords == Word::kFloats) {
      const float *p = (const float *)data + r * ld + c;
      return count == kLanes ? load(p) : load_n(p, count);
    } else if constexpr (kWords == Word::kWidened) {
      const bf16 *p = (const bf16 *)data + r * ld + c;
      return count == kLanes ? load(p) : load_n(p, count);
    } else if constexpr (kWords == Word::kPairsAlong) {
      const bf16 *p = (const bf16 *)data + r * ld + 2 * c;
      if (2 * (c + kLanes) <= columns && count == kLanes) return load((const float *)p);
      int64_t left = columns - 2 * c < 2 * count ? columns - 2 * c : 2 * count;
      bf16 copy[2 * kLanes] = {};
      memcpy(copy, p, 2 * (size_t)left);
      return load((const float *)copy);
    } else {
      const bf16 *p = (const bf16 *)data + 2 * r * ld + c;
      U low = shift_right<16>(as_words(count == kLanes ? load(p) : load_n(p, count)));
      if (2 * r + 1 == rows) return as_floats(low);
      return as_floats(low | as_words(count == kLanes ? load(p + ld) : load_n(p + ld, count)));
    }
  }
};

SIMCSE_INLINE int lanes(int64_t left) { return left >= kLanes ? kLanes : left > 0 ? (int)left : 0; }

// to[r * stride + c] = word (row + r, column + c) for count_r rows and count_c columns of words; the columns up to the
// next multiple of kLanes become 0. Rows that many further on are fetched, where `ahead` is not 0.
template <Word kWords>
SIMCSE_INLINE void pack_rows(const Source<kWords> &from, int64_t row, int64_t count_r, int64_t column, int64_t count_c,
                             float *to, int64_t stride, int64_t ahead) {
  int64_t rows = from.word_rows() - row;
  int64_t columns = from.word_columns() - column < count_c ? from.word_columns() - column : count_c;
  for (int64_t r = 0; r < count_r; r++) {
    if (ahead != 0 && r + ahead < rows) from.fetch(row + r + ahead, column, count_c);
    for (int64_t c = 0; c < count_c; c += kLanes) {
      int present = r < rows ? lanes(columns - c) : 0;
      store(to + r * stride + c, present > 0 ? from.words(row + r, column + c, present) : zero());
    }
  }
}

#if defined(__AVX512F__)

SIMCSE_INLINE void transpose(F x[16]) {
  __m512i t[16];
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_castps_si512(_mm512_unpacklo_ps(x[i].v, x[i + 1].v));
    t[i + 1] = _mm512_castps_si512(_mm512_unpackhi_ps(x[i].v, x[i + 1].v));
  }
  __m512i u[16];
  for (int i = 0; i < 16; i += 4) {
    u[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    u[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    u[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    u[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  for (int i = 0; i < 4; i++) {
    __m512i even_low = _mm512_shuffle_i32x4(u[i], u[i + 4], 0x88);
    __m512i odd_low = _mm512_shuffle_i32x4(u[i], u[i + 4], 0xdd);
    __m512i even_high = _mm512_shuffle_i32x4(u[i + 8], u[i + 12], 0x88);
    __m512i odd_high = _mm512_shuffle_i32x4(u[i + 8], u[i + 12], 0xdd);
    x[i].v = _mm512_castsi512_ps(_mm512_shuffle_i32x4(even_low, even_high, 0x88));
    x[i + 4].v = _mm512_castsi512_ps(_mm512_shuffle_i32x4(odd_low, odd_high, 0x88));
    x[i + 8].v = _mm512_castsi512_ps(_mm512_shuffle_i32x4(even_low, even_high, 0xdd));
    x[i + 12].v = _mm512_castsi512_ps(_mm512_shuffle_i32x4(odd_low, odd_high, 0xdd));
  }
}

#elif defined(__AVX2__)

SIMCSE_INLINE void transpose(F x[8]) {
  __m256 t[8], u[8];
  for (int i = 0; i < 8; i += 2) {
    t[i] = _mm256_unpacklo_ps(x[i].v, x[i + 1].v);
    t[i + 1] = _mm256_unpackhi_ps(x[i].v, x[i + 1].v);
  }
  for (int i = 0; i < 8; i += 4) {
    u[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
    u[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
    u[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
    u[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
  }
  for (int i = 0; i < 4; i++) {
    x[i].v = _mm256_permute2f128_ps(u[i], u[i + 4], 0x20);
    x[i + 4].v = _mm256_permute2f128_ps(u[i], u[i + 4], 0x31);
  }
}

#else

SIMCSE_INLINE void transpose(F x[kLanes]) {
  for (int i = 0; i < kLanes; i++) {
    for (int j = 0; j < i; j++) {
      float upper = x[j].v[i];
      x[j].v[i] = x[i].v[j];
      x[i].v[j] = upper;
    }
  }
}

#endif

// to[c * stride + r] = word (row + r, column + c) for count_r rows and count_c columns of words; the rows up to the
// next multiple of kLanes become 0.
template <Word kWords>
SIMCSE_INLINE void pack_transposed(const Source<kWords> &from, int64_t row, int64_t count_r, int64_t column,
                                   int64_t count_c, float *to, int64_t stride) {
  int64_t rows = from.word_rows() - row < count_r ? from.word_rows() - row : count_r;
  int64_t columns = from.word_columns() - column;
  for (int64_t r = 0; r < count_r; r += kLanes) {
    for (int64_t c = 0; c < count_c; c += kLanes) {
      int present = lanes(columns - c);
      F x[kLanes];
      for (int i = 0; i < kLanes; i++) {
        x[i] = r + i < rows && present > 0 ? from.words(row + r + i, column + c, present) : zero();
      }
      transpose(x);
      int kept = lanes(count_c - c);
      for (int i = 0; i < kept; i++) store(to + (c + i) * stride + r, x[i]);
    }
  }
}

}  // namespace simcse::cpu::SIMCSE_TIER
