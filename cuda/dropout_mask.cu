// A warp draws a row, four elements a lane and Philox block, 128 elements a turn.
#include "dropout_mask.hpp"

#include "batch.hpp"
#include "philox.hpp"

namespace simcse::cuda {

namespace {

constexpr int kWarps = 8;
constexpr int kTurn = 4 * kWarp;

SIMT_KERNEL(kWarps *kWarp) mask_bytes(Batch batch, Dropout dropout, int channels, uint8_t *mask) {
  const int row = block_x() * kWarps + warp();
  if (row >= batch.rows()) return;
  const RowName name = name_row(batch, row);
  const MaskRow mask_name = mask_row(dropout, name.position, name.sample, name.view);
  uint8_t *const to = mask + (int64_t)row * channels;
  const bool whole = channels % 4 == 0 && ((uintptr_t)mask & 3) == 0;
  for (int c = 4 * lane(); c < channels; c += kTurn) {
    uint32_t words[4], bytes = 0;
    mask_words(dropout, mask_name, (uint32_t)c, words);
    SIMT_UNROLL for (int i = 0; i < 4; i++) bytes |= words[i] < dropout.threshold ? 1u << 8 * i : 0u;
    if (whole) {
      store_words<1>(to + c, {{bytes}});
    } else {
      for (int i = 0; i < 4 && c + i < channels; i++) to[c + i] = (uint8_t)(bytes >> 8 * i);
    }
  }
}

// A line of bits for each row and head; a hidden site has one head and `channels` elements, an attention site, where
// channels is 0, as many as the sentence has tokens. A line has `words` words.
SIMT_KERNEL(kWarps *kWarp) mask_bits(Batch batch, Dropout dropout, int channels, int heads, int words, uint32_t *bits) {
  const int64_t line = (int64_t)block_x() * kWarps + warp();
  if (line >= (int64_t)batch.rows() * heads) return;
  const int row = (int)(line / heads);
  const uint32_t head = (uint32_t)(line - (int64_t)row * heads);
  const RowName name = name_row(batch, row);
  const MaskRow mask_name = mask_row(dropout, name.position | head << 16, name.sample, name.view);
  const int count =
      channels > 0 ? channels : batch.cu_seqlens[name.sentence + 1] - batch.cu_seqlens[name.sentence];
  for (int first = 0; first < 32 * words; first += kTurn) {
    const int c = first + 4 * lane();
    uint32_t kept = 0;
    if (c < count) {
      kept = dropout.active ? kept_of_block(dropout, mask_name, c / 4) : 15;
      if (count - c < 4) kept &= (1u << (count - c)) - 1;
    }
    // Eight lanes make a word.
    kept <<= 4 * (lane() % 8);
    SIMT_UNROLL for (int step = 1; step < 8; step *= 2) kept |= shuffle_xor(kept, step);
    if (lane() % 8 == 0 && c < 32 * words) bits[line * words + c / 32] = kept;
  }
}

Fault launch_bits(const Queue &queue, const simcse_batch &batch, const simcse_dropout &dropout, int channels,
                  int heads, uint32_t *bits) {
  const int count = channels > 0 ? channels : batch.max_length;
  return launch("dropout_mask_bits", mask_bits, dropout_mask_geometry(rows_of(batch) * heads), queue.stream,
                device_batch(batch), device_dropout(dropout), channels, heads, (int)ceil_divide(count, 32), bits);
}

}  // namespace

Geometry dropout_mask_geometry(int64_t rows) {
  Geometry geometry;
  geometry.x = (unsigned)ceil_divide(rows, kWarps);
  geometry.threads = kWarps * kWarp;
  return geometry;
}

Fault dropout_mask(const Queue &queue, const simcse_dropout_mask &args) {
  return launch("dropout_mask", mask_bytes, dropout_mask_geometry(rows_of(*args.batch)), queue.stream,
                device_batch(*args.batch), device_dropout(args.dropout), (int)args.channels, args.mask);
}

Fault dropout_mask_bits(const Queue &queue, const simcse_batch &batch, const simcse_dropout &dropout, int channels,
                        uint32_t *bits) {
  return launch_bits(queue, batch, dropout, channels, 1, bits);
}

Fault attention_mask_bits(const Queue &queue, const simcse_batch &batch, const simcse_dropout &dropout, int heads,
                          uint32_t *bits) {
  return launch_bits(queue, batch, dropout, 0, heads, bits);
}

}  // namespace simcse::cuda
