// What the passes over long sentences share: pairs of tiles, of which two are held, one in use and one on its way.
#pragma once

#include "attention_tile.hpp"

namespace simcse::cuda {

// stream_queries, where kernels may name it.
template <int kHead>
struct StreamQueries {
  static constexpr int value = stream_queries(kHead);
};

template <int kBlock>
SIMT_DEVICE int tokens_of_block(int length, int first) {
  return length - first < kBlock ? length - first : kBlock;
}

// Tiles of keys and values, or of queries and gradients of results.
template <int kHead, int kRows>
struct TilePairs {
  bf16 *data;

  SIMT_DEVICE Tile<kHead> left(int stage) const { return {data + stage * 2 * kRows * kHead}; }
  SIMT_DEVICE Tile<kHead> right(int stage) const { return {data + (stage * 2 + 1) * kRows * kHead}; }

  // Asks for the block that starts at token `first` of two arrays of `length` tokens, if there is one.
  SIMT_DEVICE void ask(int stage, const bf16 *left_from, int left_stride, const bf16 *right_from,
                       int right_stride, int length, int first, Site at = Site::here()) const {
    if (first < length) {
      const int rows = tokens_of_block<kRows>(length, first);
      const bf16 *const lefts = left_from + (int64_t)first * left_stride;
      const bf16 *const rights = right_from + (int64_t)first * right_stride;
      copy_tile(left(stage), lefts, left_stride, rows, thread(), kAttentionThreads, at);
      copy_tile(right(stage), rights, right_stride, rows, thread(), kAttentionThreads, at);
    }
    cp_async_commit();
  }
};

}  // namespace simcse::cuda
