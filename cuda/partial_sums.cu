// A block adds up 32 columns of one array; its warps take the parts in turn. There are few blocks and little to read:
// what it costs is how often a warp waits for memory, so that a block is as large as can be.
#include "partial_sums.hpp"

#include "simt.hpp"

namespace simcse::cuda {

namespace {

constexpr int kWarps = 32;

SIMT_KERNEL(kWarps *kWarp) add_parts(const float *partials, int parts, int columns, float *to0, float *to1) {
  using Columns = float[kWarp];
  SIMT_SHARED(Columns, sums, kWarps);
  const int c = block_x() * kWarp + lane();
  float *const to = block_y() == 0 ? to0 : to1;
  const float before = warp() == 0 && c < columns ? to[c] : 0.0f;
  float sum = 0.0f;
  if (c < columns) {
    const float *from = partials + (int64_t)block_y() * columns + c;
    const int64_t stride = (int64_t)grid_y() * columns;
    SIMT_UNROLL for (int part = warp(); part < parts; part += kWarps) sum += from[part * stride];
  }
  sums[warp()][lane()] = sum;
  sync_block();
  if (warp() > 0 || c >= columns) return;
  sum = sums[0][lane()];
  SIMT_UNROLL for (int i = 1; i < kWarps; i++) sum += sums[i][lane()];
  to[c] = before + sum;
}

}  // namespace

Geometry add_partials_geometry(int columns, int arrays) {
  Geometry geometry;
  geometry.x = (unsigned)ceil_divide(columns, kWarp);
  geometry.y = (unsigned)arrays;
  geometry.threads = kWarps * kWarp;
  return geometry;
}

Fault add_partials(const Queue &queue, const float *partials, int parts, int columns, float *to0, float *to1) {
  return launch("add_partials", add_parts, add_partials_geometry(columns, to1 == nullptr ? 1 : 2), queue.stream,
                partials, parts, columns, to0, to1);
}

}  // namespace simcse::cuda
