// Philox4x32-10 (Salmon et al. 2011) and the dropout masks drawn from it, as a function of every kernel: which elements
// are kept depends on the counter that simcse_dropout describes and on nothing else.
#pragma once

#include "simt.hpp"

namespace simcse::cuda {

constexpr int kPhiloxRounds = 10;

// A site's dropout as kernels take it. The keys of the rounds come with the arguments, two to an instruction: to add
// them up anew for each row takes twice as many.
struct Dropout {
  uint32_t keys[kPhiloxRounds][2];
  uint32_t site;
  uint32_t threshold;  // words below it are kept: ceil(keep_prob * 2^32), or more than 0 where all are
  float scale;         // on what is kept: 1 / keep_prob
  bool active;         // false: everything is kept, no word is drawn
};

inline Dropout device_dropout(const simcse_dropout &dropout) {
  Dropout it = {};
  for (uint32_t round = 0; round < kPhiloxRounds; round++) {
    it.keys[round][0] = dropout.key0 + round * 0x9E3779B9u;
    it.keys[round][1] = dropout.key1 + round * 0xBB67AE85u;
  }
  it.site = (uint32_t)dropout.site;
  it.threshold = 1;
  it.scale = 1.0f;
  it.active = dropout.keep_prob < 1.0f;
  if (it.active) {
    it.threshold = (uint32_t)ceil((double)dropout.keep_prob * 4294967296.0);
    it.scale = 1.0f / dropout.keep_prob;
  }
  return it;
}

// The four words of a counter, in its place.
SIMT_DEVICE void philox(uint32_t (&c)[4], const uint32_t (&keys)[kPhiloxRounds][2]) {
  SIMT_UNROLL for (int round = 0; round < kPhiloxRounds; round++) {
    const uint64_t product0 = (uint64_t)0xD2511F53u * c[0];
    const uint64_t product1 = (uint64_t)0xCD9E8D57u * c[2];
    const uint32_t next0 = (uint32_t)(product1 >> 32) ^ c[1] ^ keys[round][0];
    const uint32_t next2 = (uint32_t)(product0 >> 32) ^ c[3] ^ keys[round][1];
    c[0] = next0;
    c[1] = (uint32_t)product1;
    c[2] = next2;
    c[3] = (uint32_t)product0;
  }
}

// Names the row of a mask: counter words c1, c2, c3.
struct MaskRow {
  uint32_t c1, c2, c3;
};

// `position` is a token's, or in attention the query's | head << 16.
SIMT_DEVICE MaskRow mask_row(const Dropout &dropout, uint32_t position, uint32_t sample, uint32_t view) {
  return {position, sample, dropout.site | view << 24};
}

// Bits 0 to 3: whether elements 4 block .. 4 block + 3 of the row are kept. An element is a channel, or a key.
SIMT_DEVICE uint32_t kept_of_block(const Dropout &dropout, const MaskRow &row, uint32_t block) {
  uint32_t word[4] = {block, row.c1, row.c2, row.c3};
  philox(word, dropout.keys);
  uint32_t kept = 0;
  SIMT_UNROLL for (int i = 0; i < 4; i++) kept |= (uint32_t)(word[i] < dropout.threshold) << i;
  return kept;
}

// The words of elements first .. first + N - 1, which are kept where they are below the threshold; 0 where all are. In
// place of bits, which would be put together only to be taken apart. N is 1, or N and `first` are multiples of 4.
template <int N>
SIMT_DEVICE void mask_words(const Dropout &dropout, const MaskRow &row, uint32_t first, uint32_t (&words)[N]) {
  SIMT_UNROLL for (int i = 0; i < N; i++) words[i] = 0;
  if (!dropout.active) return;
  SIMT_UNROLL for (int i = 0; i < N; i += 4) {
    uint32_t word[4] = {(first + i) / 4, row.c1, row.c2, row.c3};
    philox(word, dropout.keys);
    if constexpr (N == 1) {
      const uint32_t low = first % 2 == 0 ? word[0] : word[1];
      const uint32_t high = first % 2 == 0 ? word[2] : word[3];
      words[0] = first % 4 < 2 ? low : high;
    } else {
      SIMT_UNROLL for (int k = 0; k < 4; k++) words[i + k] = word[k];
    }
  }
}

// Bits 0 to N - 1: whether elements first .. first + N - 1 are kept. N is 1, or N and `first` are multiples of 4.
template <int N>
SIMT_DEVICE uint32_t kept(const Dropout &dropout, const MaskRow &row, uint32_t first) {
  if constexpr (N == 1) {
    return kept_of_block(dropout, row, first / 4) >> first % 4 & 1;
  } else {
    uint32_t bits = 0;
    SIMT_UNROLL for (int i = 0; i < N; i += 4) bits |= kept_of_block(dropout, row, (first + i) / 4) << i;
    return bits;
  }
}

}  // namespace simcse::cuda
