// What the host side of every operation needs, with or without nvcc and with or without a GPU: where its kernels run
// and in which shape. Plain C++: geometry functions return a Geometry and are tested everywhere.
#pragma once

#include <cstdint>

#include "../native/include/simcse.h"

struct CUstream_st;

namespace simcse::cuda {

using Stream = ::CUstream_st *;  // a cudaStream_t

// 0, or the cudaError_t that a launch gave. The emulator gives 1 and keeps the reason in emulator::fault().
using Fault = int;

// Blocks are one-dimensional and made of whole warps. A grid without blocks runs nothing.
struct Geometry {
  unsigned x = 1, y = 1, z = 1;  // blocks
  unsigned threads = 32;         // in a block
  unsigned shared = 0;           // bytes of dynamic shared memory in a block
};

// Where an operation enqueues its kernels. `scratch` holds at least the bytes that the operation's scratch function
// asks for, aligned to 256, and may be overwritten by any later operation of the queue.
struct Queue {
  Stream stream = nullptr;
  void *scratch = nullptr;
};

constexpr int kWarp = 32;

constexpr int64_t ceil_divide(int64_t a, int64_t b) { return (a + b - 1) / b; }
constexpr int64_t round_up(int64_t a, int64_t b) { return ceil_divide(a, b) * b; }

// Whether a vector access of 16 bytes may start at each of these; null pointers do not count against it.
inline bool aligned16() { return true; }
template <typename... More>
bool aligned16(const void *first, More... more) {
  return reinterpret_cast<uintptr_t>(first) % 16 == 0 && aligned16(more...);
}

}  // namespace simcse::cuda
