// The dropout mask of a hidden site (R, channels), one byte an element: 1 kept, 0 dropped. The fused operations draw
// the same bits inside; this is for tests and for those who build on them.
#include "operations.hpp"
#include "rows.hpp"

namespace simcse::cpu::SIMCSE_TIER {

SIMCSE_INLINE void write_row(const HiddenDropout &dropout, const MaskRow &row, int channels, uint8_t *mask) {
  for (int c = 0; c < channels; c += kBlock) {
    M keep[kMaskVectors];
    kept(dropout, row, c, keep);
    uint32_t words[kMaskVectors];
    for (int j = 0; j < kMaskVectors; j++) words[j] = bits(keep[j]);
    for (int i = 0; i < kBlock && c + i < channels; i++) mask[c + i] = (uint8_t)(words[i / kLanes] >> i % kLanes & 1);
  }
}

void dropout_mask(Context &context, const simcse_dropout_mask &a) {
  const HiddenDropout dropout(a.dropout);
  const Chunks chunks((int64_t)a.batch->views * a.batch->tokens);
  parallel(context, chunks.count, [&](int64_t task, int) {
    RowCursor cursor(*a.batch, chunks.begin(task));
    for (int64_t row = chunks.begin(task); row < chunks.end(task); row++, cursor.next()) {
      uint8_t *mask = a.mask + row * a.channels;
      if (dropout.active) {
        write_row(dropout, cursor.mask_row(), a.channels, mask);
      } else {
        memset(mask, 1, (size_t)a.channels);
      }
    }
  });
}

}  // namespace simcse::cpu::SIMCSE_TIER
