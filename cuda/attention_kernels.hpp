// What attention's host side and its kernels agree on: shapes of blocks, shared memory, arguments.
#pragma once

#include "attention.hpp"
#include "batch.hpp"
#include "philox.hpp"

namespace simcse::cuda {

// --- shapes ---

constexpr int kAttentionThreads = 128;  // at most

// whole32: heads of a sentence in a block, a warp for each. whole64: one, by 4 warps.
constexpr int whole_units(int head_size, int length) { return length > 32 ? 1 : head_size == 128 ? 2 : 4; }
constexpr int whole_warps(int length) { return length > 32 ? 4 : 1; }  // for each

// Numbers of bf16 in shared memory for each row of the tiles of a head of a sentence. Forward: q, k, v. Backward: q, k,
// d_out, and v, over which the probabilities and the gradients of the scores (rows, length) are laid when it was read.
constexpr int whole_forward_width(int head_size) { return 3 * head_size; }
constexpr int whole_backward_width(int head_size, int length) {
  return 3 * head_size + (head_size > 2 * length ? head_size : 2 * length);
}

// streaming: tokens in a tile; queries at a time while a block sums up the gradients of 64 keys.
constexpr int kStreamRows = 64;
constexpr int stream_queries(int head_size) { return head_size == 128 ? 32 : 64; }
// Forward: q, twice (k, v). Queries: q, d_out, twice (k, v). Keys: k, v, twice (q, d_out), twice (lse, delta).
constexpr unsigned stream_forward_bytes(int head_size) { return (unsigned)(5 * kStreamRows * head_size * 2); }
constexpr unsigned stream_queries_bytes(int head_size) { return (unsigned)(6 * kStreamRows * head_size * 2); }
constexpr unsigned stream_keys_bytes(int head_size) {
  const int queries = 4 * stream_queries(head_size);
  return (unsigned)((2 * kStreamRows + queries) * head_size * 2 + queries * 4);
}

// plain: a block takes 32 rows, 8 a warp, and passes over 32 columns at a time. Rows of tiles are padded by 4 floats,
// so that 8 lanes that read 16 bytes of 8 rows meet no bank twice.
constexpr int kPlainRows = 32;
constexpr int kPlainPad = 4;
constexpr unsigned plain_bytes(int head_size, int tiles, int weights) {
  return (unsigned)(kPlainRows * ((head_size + kPlainPad) * tiles + kPlainRows * weights) * 4);
}

// --- arguments ---

template <typename T>
struct ForwardArguments {
  Batch batch;
  Dropout dropout;
  int hidden, heads;
  int rows;     // AttentionPlan::rows
  float scale;  // 1 / sqrt D
  const T *qkv;
  T *out;
  float *lse;
};

template <typename T>
struct BackwardArguments {
  Batch batch;
  Dropout dropout;
  int hidden, heads;
  int rows;
  float scale;
  const T *qkv;
  const T *out;
  const T *d_out;
  const float *lse;
  float *delta;  // (R, A) of scratch memory: row sums of d_out * out
  T *d_qkv;
};

// --- launches, each in its own file ---

Fault launch_whole_forward(const AttentionPlan &, Stream, const ForwardArguments<bf16> &);
Fault launch_whole_backward(const AttentionPlan &, Stream, const BackwardArguments<bf16> &);
Fault launch_stream_forward(const AttentionPlan &, Stream, const ForwardArguments<bf16> &);
Fault launch_stream_backward(const AttentionPlan &, Stream, const BackwardArguments<bf16> &);
Fault launch_plain_forward(const AttentionPlan &, Stream, const ForwardArguments<bf16> &);
Fault launch_plain_forward(const AttentionPlan &, Stream, const ForwardArguments<float> &);
Fault launch_plain_backward(const AttentionPlan &, Stream, const BackwardArguments<bf16> &);
Fault launch_plain_backward(const AttentionPlan &, Stream, const BackwardArguments<float> &);

// Calls body with the head size as a type.
template <int kValue>
struct HeadSize {
  static constexpr int value = kValue;
};
template <typename Body>
Fault with_head_size(int head_size, const Body &body) {
  if (head_size == 32) return body(HeadSize<32>());
  if (head_size == 64) return body(HeadSize<64>());
  return head_size == 128 ? body(HeadSize<128>()) : 1;
}

// --- which head of which sentence ---

struct Head {
  int head;
  int length;  // of the sentence
  int row;     // of activations, of the sentence's first token
  uint32_t sample, view;

  // c1 of the mask's counter.
  SIMT_DEVICE uint32_t mask_position(int query) const { return (uint32_t)query | (uint32_t)head << 16; }
};

SIMT_DEVICE Head name_head(const Batch &batch, int sentence, int head, int view) {
  const int first = batch.cu_seqlens[sentence];
  return {head, batch.cu_seqlens[sentence + 1] - first, view * batch.tokens + first, (uint32_t)batch.samples[sentence],
          (uint32_t)(batch.first_view + view)};
}

// Blocks of kBlock tokens are told apart without the host: of the T / kBlock + B slots sentence b has those from
// cu_seqlens[b] / kBlock + b on, as many as it has blocks or one more. Found by the whole warp; *first is the block's
// first token, and at or past the sentence's end in the slot that is one too many.
template <int kBlock>
SIMT_DEVICE int find_block(const Batch &batch, int slot, int *first, Site at = Site::here()) {
  int from = 0;
  int count = batch.sentences;
  while (count > 1) {
    const int step = (count + kWarp - 1) / kWarp;
    const int probe = from + lane() * step;
    const bool starts_before = lane() * step < count && batch.cu_seqlens[probe] / kBlock + probe <= slot;
    const int last = popcount(ballot(starts_before, kFullWarp, at)) - 1;
    from += last * step;
    count = count - last * step < step ? count - last * step : step;
  }
  *first = (slot - batch.cu_seqlens[from] / kBlock - from) * kBlock;
  return from;
}

// Of a grid (slots, heads, views): the head, and the first token of the block. False where there is none.
template <int kBlock>
SIMT_DEVICE bool name_block(const Batch &batch, Head *head, int *first, Site at = Site::here()) {
  const int sentence = find_block<kBlock>(batch, block_x(), first, at);
  *head = name_head(batch, sentence, block_y(), block_z());
  return *first < head->length;
}

constexpr int64_t block_slots(const simcse_batch &batch, int block) { return batch.tokens / block + batch.sentences; }

constexpr float kLog2e = 1.4426950408889634f;
constexpr float kLn2 = 0.6931471805599453f;

}  // namespace simcse::cuda
