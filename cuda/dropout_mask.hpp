// Dropout masks on their own, for tests, benchmarks and the inspection of what the fused kernels drop.
//
//   dropout_mask          bytes (R, channels) of a hidden site: 1 kept, 0 dropped
//   dropout_mask_bits     bits (R, channels) of a hidden site: bit c % 32 of word c / 32 of a row is channel c
//   attention_mask_bits   bits (R, heads, max_length) of an attention site: bit j is key j of the query's sentence
//
// A row of bits is ceil(count / 32) words; bits past the end (past the sentence's last key) are 0.
// Source: Philox counters as simcse_dropout describes them. Bound by arithmetic: about 50 instructions for 4 elements.
#pragma once

#include "launch.hpp"

namespace simcse::cuda {

Geometry dropout_mask_geometry(int64_t rows);

Fault dropout_mask(const Queue &queue, const simcse_dropout_mask &args);
Fault dropout_mask_bits(const Queue &queue, const simcse_batch &batch, const simcse_dropout &dropout, int channels,
                        uint32_t *bits);
Fault attention_mask_bits(const Queue &queue, const simcse_batch &batch, const simcse_dropout &dropout, int heads,
                          uint32_t *bits);

}  // namespace simcse::cuda
