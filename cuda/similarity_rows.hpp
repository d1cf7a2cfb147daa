// The vectors of similarity_softmax one by one: lengths, the copies that products are taken of, and the way of
// gradients back through the normalisation.
#pragma once

#include "simt.hpp"
#include "similarity_tile.hpp"

namespace simcse::cuda {

// A panel's vectors of one side; of the other side there may be none.
template <typename T, typename X>
struct PanelCopy {
  const T *vectors;   // (count, H)
  float *norms;       // (count), written where `measure`, unless null
  int count, filled;  // `filled` rows are written, those past `count` with zeros
  X *copy;            // (filled, columns)
  float *inverse;     // (filled), 0 past `count`
  // Null, or which of `all` vectors: then they are measured. One that there is not is a row past `count`.
  const int32_t *picked;
  int64_t all;
  bool swizzled;  // as similarity_swizzled.hpp says, for f16; else row by row
};

template <typename T, typename X>
Fault copy_panels(const char *name, const Queue &queue, int hidden, int columns, bool measure,
                  const PanelCopy<T, X> &queries, const PanelCopy<T, X> &keys);

// Sums over G times copies, (splits, rows, columns) with `stride` elements between splits, become gradients.
template <typename T>
struct PanelGradient {
  const T *vectors;    // (count, H)
  const float *norms;  // (count)
  int count, splits;
  const float *sums;
  int64_t stride;
  T *gradient;  // (count, H)
};

// `factor` on all gradients.
template <typename T>
Fault finish_panels(const char *name, const Queue &queue, int hidden, int columns, float factor,
                    const PanelGradient<T> &queries, const PanelGradient<T> &keys);

}  // namespace simcse::cuda
