// A simcse_batch as kernels take it, and which sentence a row belongs to.
#pragma once

#include "simt.hpp"

namespace simcse::cuda {

struct Batch {
  const int32_t *ids;
  const int64_t *starts;
  const int32_t *cu_seqlens;
  const int32_t *samples;
  int sentences, tokens, views, first_view;

  SIMT_DEVICE int rows() const { return views * tokens; }
};

inline Batch device_batch(const simcse_batch &batch) {
  return {batch.ids,       batch.starts, batch.cu_seqlens, batch.samples,
          batch.sentences, batch.tokens, batch.views,      batch.first_view};
}

// Rows r of activations in 31 bits, as the ABI has it.
inline int64_t rows_of(const simcse_batch &batch) { return (int64_t)batch.views * batch.tokens; }

struct RowName {
  int sentence;
  uint32_t position;  // of the token in its sentence
  uint32_t sample;
  uint32_t view;
};

// The sentence of a token, the last whose cu_seqlens is not above it, found by the whole warp: two rounds of loads for
// up to 1024 sentences.
SIMT_DEVICE int find_sentence(const int32_t *cu_seqlens, int sentences, int token, Site at = Site::here()) {
  int first = 0;
  int count = sentences;
  while (count > 1) {
    const int step = (count + kWarp - 1) / kWarp;
    const int probe = lane() * step;
    const bool starts_before = probe < count && cu_seqlens[first + probe] <= token;
    const int last = popcount(ballot(starts_before, kFullWarp, at)) - 1;
    first += last * step;
    count = count - last * step < step ? count - last * step : step;
  }
  return first;
}

// By the whole warp, for one row of activations.
SIMT_DEVICE RowName name_row(const Batch &batch, int row, Site at = Site::here()) {
  const int view = row / batch.tokens;
  const int token = row - view * batch.tokens;
  const int sentence = find_sentence(batch.cu_seqlens, batch.sentences, token, at);
  return {sentence, (uint32_t)(token - batch.cu_seqlens[sentence]), (uint32_t)batch.samples[sentence],
          (uint32_t)(batch.first_view + view)};
}

}  // namespace simcse::cuda
