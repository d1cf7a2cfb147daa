#include "ladder_kernels.hpp"

#include "../simt.hpp"

namespace simcse::cuda::dev {

namespace {

constexpr int kThreads = 256;
constexpr int kPacks = 4;  // of 16 bytes, a thread

int64_t blocks_of(int64_t bytes) { return bytes / 16 / (kThreads * kPacks); }

SIMT_DEVICE int64_t word_of(int pack) { return (((int64_t)block_x() * kPacks + pack) * kThreads + thread()) * 4; }

SIMT_KERNEL(kThreads) copy(const uint32_t *from, uint32_t *to) {
  Words<4> packs[kPacks];
  SIMT_UNROLL for (int i = 0; i < kPacks; i++) packs[i] = load_words_once<4>(from + word_of(i));
  SIMT_UNROLL for (int i = 0; i < kPacks; i++) store_words<4>(to + word_of(i), packs[i]);
}

// Writes nothing: the memory is zero, but the compiler does not know.
SIMT_KERNEL(kThreads) read(const uint32_t *from, uint32_t *to) {
  uint32_t bits = 0;
  SIMT_UNROLL for (int i = 0; i < kPacks; i++) {
    const Words<4> pack = load_words<4>(from + word_of(i));
    SIMT_UNROLL for (int k = 0; k < 4; k++) bits |= pack.word[k];
  }
  if (bits != 0) *to = bits;
}

// Small numbers of both signs.
SIMT_KERNEL(kThreads) fill(uint32_t *to) {
  SIMT_UNROLL for (int i = 0; i < kPacks; i++) {
    Words<4> pack;
    SIMT_UNROLL for (int k = 0; k < 4; k++) {
      const uint32_t bits = (uint32_t)(word_of(i) + k) * 0x9E3779B9u;
      pack.word[k] = (bits & 0x807f807fu) | 0x3e803e80u;
    }
    store_words<4>(to + word_of(i), pack);
  }
}

Geometry flat(int64_t bytes) {
  Geometry geometry;
  geometry.x = (unsigned)blocks_of(bytes);
  geometry.threads = kThreads;
  return geometry;
}

}  // namespace

Fault copy_bytes(Stream stream, const void *from, void *to, int64_t bytes) {
  return launch("copy", copy, flat(bytes), stream, static_cast<const uint32_t *>(from), static_cast<uint32_t *>(to));
}

Fault read_bytes(Stream stream, void *zeros, int64_t bytes) {
  return launch("read", read, flat(bytes), stream, static_cast<const uint32_t *>(zeros),
                static_cast<uint32_t *>(zeros));
}

Fault fill_bf16(Stream stream, void *to, int64_t bytes) {
  return launch("fill", fill, flat(bytes), stream, static_cast<uint32_t *>(to));
}

}  // namespace simcse::cuda::dev
