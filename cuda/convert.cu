// Eight elements a thread: 16 bytes of bf16 and twice 16 of floats.
#include "convert.hpp"

#include "simt.hpp"

namespace simcse::cuda {

namespace {

constexpr int kThreads = 256;
constexpr int kEach = 8;

template <bool kVectors>
SIMT_KERNEL(kThreads) narrow(const float *from, bf16 *to, int64_t count) {
  const int64_t i = ((int64_t)block_x() * kThreads + thread()) * kEach;
  if (kVectors && i + kEach <= count) {
    float x[kEach];
    load_floats(x, from + i);
    Pack<bf16, kEach> pack;
    pack.set(x);
    pack.store(to + i);
  } else {
    for (int64_t k = i; k < i + kEach && k < count; k++) to[k] = round_bf16(from[k]);
  }
}

template <bool kVectors>
SIMT_KERNEL(kThreads) widen(const bf16 *from, float *to, int64_t count) {
  const int64_t i = ((int64_t)block_x() * kThreads + thread()) * kEach;
  if (kVectors && i + kEach <= count) {
    Pack<bf16, kEach> pack;
    pack.load(from + i);
    float x[kEach];
    pack.get(x);
    store_floats(to + i, x);
  } else {
    for (int64_t k = i; k < i + kEach && k < count; k++) to[k] = to_float(from[k]);
  }
}

}  // namespace

Geometry convert_geometry(int64_t count) {
  Geometry geometry;
  geometry.x = (unsigned)ceil_divide(count, kThreads * kEach);
  geometry.threads = kThreads;
  return geometry;
}

Fault convert(const Queue &queue, const simcse_convert &args) {
  const Geometry geometry = convert_geometry(args.count);
  const bool vectors = aligned16(args.from, args.to);
  if (args.to_dtype == SIMCSE_BF16) {
    return launch("convert", vectors ? narrow<true> : narrow<false>, geometry, queue.stream,
                  static_cast<const float *>(args.from), static_cast<bf16 *>(args.to), args.count);
  }
  return launch("convert", vectors ? widen<true> : widen<false>, geometry, queue.stream,
                static_cast<const bf16 *>(args.from), static_cast<float *>(args.to), args.count);
}

}  // namespace simcse::cuda
