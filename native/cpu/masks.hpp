// Dropout of hidden sites: the masks of kMaskChannels channels at a time, straight from the Philox words.
#pragma once

#include "philox.hpp"

namespace simcse::cpu::SIMCSE_TIER {

// Vectors of masks drawn at once: four of each set of kLanes blocks.
#if defined(__AVX2__)
constexpr int kMaskSets = 2;
#else
constexpr int kMaskSets = 1;
#endif
constexpr int kMaskVectors = 4 * kMaskSets;
constexpr int kMaskChannels = kMaskVectors * kLanes;

// A dropout made ready for many rows.
struct HiddenDropout {
  bool active;
  uint32_t key0;
  uint32_t key1;
  uint32_t site;
  uint32_t threshold;
  float scale;

  explicit HiddenDropout(const simcse_dropout &dropout)
      : active(drops(dropout)),
        key0(dropout.key0),
        key1(dropout.key1),
        site((uint32_t)dropout.site),
        threshold(active ? SIMCSE_TIER::threshold(dropout) : 0),
        scale(1.0f / dropout.keep_prob) {}
};

// The row of a hidden vector, as its dropout masks name it.
struct MaskRow {
  uint32_t position;
  uint32_t sample;
  uint32_t view;
};

#if defined(__AVX512F__)

// Lane 4 q + m holds block 4 m + q, so that transposing the words within 128 bits leaves 16 channels in a row.
SIMCSE_INLINE U block_order() { return {_mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15)}; }

SIMCSE_INLINE void channel_order(U w[4]) {
  __m512i a = _mm512_unpacklo_epi32(w[0].v, w[1].v);
  __m512i b = _mm512_unpackhi_epi32(w[0].v, w[1].v);
  __m512i c = _mm512_unpacklo_epi32(w[2].v, w[3].v);
  __m512i d = _mm512_unpackhi_epi32(w[2].v, w[3].v);
  w[0].v = _mm512_unpacklo_epi64(a, c);
  w[1].v = _mm512_unpackhi_epi64(a, c);
  w[2].v = _mm512_unpacklo_epi64(b, d);
  w[3].v = _mm512_unpackhi_epi64(b, d);
}

#elif defined(__AVX2__)

// Lane 4 q + m holds block 2 m + q, so that transposing the words within 128 bits leaves 8 channels in a row.
SIMCSE_INLINE U block_order() { return {_mm256_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7)}; }

SIMCSE_INLINE void channel_order(U w[4]) {
  __m256i a = _mm256_unpacklo_epi32(w[0].v, w[1].v);
  __m256i b = _mm256_unpackhi_epi32(w[0].v, w[1].v);
  __m256i c = _mm256_unpacklo_epi32(w[2].v, w[3].v);
  __m256i d = _mm256_unpackhi_epi32(w[2].v, w[3].v);
  w[0].v = _mm256_unpacklo_epi64(a, c);
  w[1].v = _mm256_unpackhi_epi64(a, c);
  w[2].v = _mm256_unpacklo_epi64(b, d);
  w[3].v = _mm256_unpackhi_epi64(b, d);
}

#else

SIMCSE_INLINE U block_order() { return {Words{0, 1, 2, 3, 4, 5, 6, 7}}; }

SIMCSE_INLINE void channel_order(U w[4]) {
  uint32_t channels[kMaskChannels];
  for (int i = 0; i < kMaskChannels; i++) channels[i] = w[i % 4].v[i / 4];
  for (int j = 0; j < 4; j++) w[j] = load_u(channels + kLanes * j);
}

#endif

// kept[j]: which of the channels first + kLanes j .. of the row are kept; first is a multiple of kMaskChannels.
SIMCSE_INLINE void kept(const HiddenDropout &dropout, const MaskRow &row, int first, M kept[kMaskVectors]) {
  U words[kMaskSets][4];
  for (int s = 0; s < kMaskSets; s++) {
    words[s][0] = block_order() + splat_u((uint32_t)(first / 4 + s * kLanes));
    words[s][1] = splat_u(row.position);
    words[s][2] = splat_u(row.sample);
    words[s][3] = splat_u(dropout.site | row.view << 24);
  }
  philox_sets<kMaskSets>(words, dropout.key0, dropout.key1);
  for (int s = 0; s < kMaskSets; s++) {
    channel_order(words[s]);
    for (int j = 0; j < 4; j++) kept[4 * s + j] = below(words[s][j], splat_u(dropout.threshold));
  }
}

// The factors on the same channels: 0 or 1 / keep_prob.
SIMCSE_INLINE void mask_factors(const HiddenDropout &dropout, const MaskRow &row, int first, F factors[kMaskVectors]) {
  M keep[kMaskVectors];
  kept(dropout, row, first, keep);
  for (int j = 0; j < kMaskVectors; j++) factors[j] = select(keep[j], splat(dropout.scale), zero());
}

}  // namespace simcse::cpu::SIMCSE_TIER
