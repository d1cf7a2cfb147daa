// The primitives of simt.hpp as instructions, for sm_80 and newer. Included by simt.hpp under nvcc.
#pragma once

#include <cuda_runtime.h>

#if defined(SIMCSE_TWINS)
#include "tests/twins.hpp"
#endif

#define SIMT_DEVICE __device__ __forceinline__
#define SIMT_KERNEL(...) __global__ void __launch_bounds__(__VA_ARGS__)
#define SIMT_UNROLL _Pragma("unroll")
#define SIMT_SHARED(type, name, count) __shared__ __align__(16) type name[count]

namespace simcse::cuda {

// Where a primitive was called; the emulator's reports need it.
struct Site {
  __host__ __device__ static constexpr Site here() { return {}; }
};

template <typename... Parameters, typename... Arguments>
Fault launch(const char *, void (*kernel)(Parameters...), const Geometry &geometry, Stream stream,
             const Arguments &...arguments) {
  if (geometry.x == 0 || geometry.y == 0 || geometry.z == 0) return 0;
  if (geometry.shared > 48 * 1024) {
    const cudaError_t error =
        cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)geometry.shared);
    if (error != cudaSuccess) return error;
  }
  const dim3 blocks(geometry.x, geometry.y, geometry.z);
#if defined(SIMCSE_TWINS)
  if (const Fault fault = twins::send(); fault != 0) return fault;
  kernel<<<blocks, geometry.threads, geometry.shared, stream>>>(twins::on_gpu(arguments)...);
  return twins::fetch(cudaGetLastError());
#else
  kernel<<<blocks, geometry.threads, geometry.shared, stream>>>(arguments...);
  return cudaGetLastError();
#endif
}

// --- indices ---

SIMT_DEVICE int thread() { return (int)threadIdx.x; }
SIMT_DEVICE int threads() { return (int)blockDim.x; }
SIMT_DEVICE int block_x() { return (int)blockIdx.x; }
SIMT_DEVICE int block_y() { return (int)blockIdx.y; }
SIMT_DEVICE int block_z() { return (int)blockIdx.z; }
SIMT_DEVICE int grid_x() { return (int)gridDim.x; }
SIMT_DEVICE int grid_y() { return (int)gridDim.y; }
SIMT_DEVICE int grid_z() { return (int)gridDim.z; }

// --- warp ---

template <typename T>
SIMT_DEVICE T shuffle_xor(T x, int lanes, unsigned mask = kFullWarp, Site = {}) {
  return __shfl_xor_sync(mask, x, lanes);
}
template <typename T>
SIMT_DEVICE T shuffle_down(T x, int lanes, unsigned mask = kFullWarp, Site = {}) {
  return __shfl_down_sync(mask, x, lanes);
}
template <typename T>
SIMT_DEVICE T shuffle(T x, int lane, unsigned mask = kFullWarp, Site = {}) {
  return __shfl_sync(mask, x, lane);
}
SIMT_DEVICE unsigned ballot(bool x, unsigned mask = kFullWarp, Site = {}) { return __ballot_sync(mask, x); }
SIMT_DEVICE bool any(bool x, unsigned mask = kFullWarp, Site = {}) { return __any_sync(mask, x); }
SIMT_DEVICE bool all(bool x, unsigned mask = kFullWarp, Site = {}) { return __all_sync(mask, x); }
SIMT_DEVICE void sync_warp(unsigned mask = kFullWarp, Site = {}) { __syncwarp(mask); }

// --- block ---

SIMT_DEVICE void sync_block(Site = {}) { __syncthreads(); }
SIMT_DEVICE void sync_named(int id, int threads, Site = {}) {
  asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
}
SIMT_DEVICE void fence() { __threadfence(); }
SIMT_DEVICE int atomic_add(int *to, int x) { return atomicAdd(to, x); }
SIMT_DEVICE int atomic_min(int *to, int x) { return atomicMin(to, x); }

// --- memory ---

template <typename T>
SIMT_DEVICE T *dynamic_shared(unsigned offset = 0) {
  extern __shared__ __align__(128) unsigned char simt_dynamic_shared[];
  return reinterpret_cast<T *>(simt_dynamic_shared + offset);
}

SIMT_DEVICE unsigned shared_address(const void *shared) { return (unsigned)__cvta_generic_to_shared(shared); }

template <int N>
SIMT_DEVICE Words<N> load_words(const void *from, Site = {}) {
  Words<N> x;
  if constexpr (N == 4) {
    const uint4 v = *static_cast<const uint4 *>(from);
    x.word[0] = v.x, x.word[1] = v.y, x.word[2] = v.z, x.word[3] = v.w;
  } else if constexpr (N == 2) {
    const uint2 v = *static_cast<const uint2 *>(from);
    x.word[0] = v.x, x.word[1] = v.y;
  } else {
    static_assert(N == 1, "4, 8 or 16 bytes");
    x.word[0] = *static_cast<const uint32_t *>(from);
  }
  return x;
}

// As load_words, from global memory that nobody reads again soon.
template <int N>
SIMT_DEVICE Words<N> load_words_once(const void *from, Site = {}) {
  Words<N> x;
  if constexpr (N == 4) {
    const uint4 v = __ldcs(static_cast<const uint4 *>(from));
    x.word[0] = v.x, x.word[1] = v.y, x.word[2] = v.z, x.word[3] = v.w;
  } else if constexpr (N == 2) {
    const uint2 v = __ldcs(static_cast<const uint2 *>(from));
    x.word[0] = v.x, x.word[1] = v.y;
  } else {
    static_assert(N == 1, "4, 8 or 16 bytes");
    x.word[0] = __ldcs(static_cast<const uint32_t *>(from));
  }
  return x;
}

template <int N>
SIMT_DEVICE void store_words(void *to, const Words<N> &x, Site = {}) {
  if constexpr (N == 4) {
    *static_cast<uint4 *>(to) = make_uint4(x.word[0], x.word[1], x.word[2], x.word[3]);
  } else if constexpr (N == 2) {
    *static_cast<uint2 *>(to) = make_uint2(x.word[0], x.word[1]);
  } else {
    static_assert(N == 1, "4, 8 or 16 bytes");
    *static_cast<uint32_t *>(to) = x.word[0];
  }
}

// --- asynchronous copies, global to shared, past the registers ---

// 16 bytes, of which the first `bytes` are read and the rest become 0. Both addresses are aligned to 16.
SIMT_DEVICE void cp_async16(void *shared, const void *global, int bytes = 16, Site = {}) {
  asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16, %2;" ::"r"(shared_address(shared)), "l"(global),
               "r"(bytes)
               : "memory");
}
SIMT_DEVICE void cp_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
// Waits for this lane's copies, but for the latest `kGroups` groups; other lanes see them after a barrier.
template <int kGroups>
SIMT_DEVICE void cp_async_wait(Site = {}) {
  asm volatile("cp.async.wait_group %0;" ::"n"(kGroups) : "memory");
}

// --- tensor cores ---

// Lane l passes the address of row l % 8 of matrix l / 8 (8 rows of 8 numbers of 16 bits, 16 bytes a row, aligned to
// 16); x[m] of lane l becomes the pair in row l / 4, columns 2 (l % 4) and 2 (l % 4) + 1 of matrix m. With N < 4 the
// addresses of lanes from 8 N on are not used.
template <int N>
SIMT_DEVICE void ldmatrix(uint32_t (&x)[N], const void *row, Site = {}) {
  const unsigned address = shared_address(row);
  if constexpr (N == 4) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(x[0]), "=r"(x[1]), "=r"(x[2]), "=r"(x[3])
                 : "r"(address)
                 : "memory");
  } else if constexpr (N == 2) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
                 : "=r"(x[0]), "=r"(x[1])
                 : "r"(address)
                 : "memory");
  } else {
    static_assert(N == 1, "1, 2 or 4 matrices");
    asm volatile("ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%0}, [%1];" : "=r"(x[0]) : "r"(address) : "memory");
  }
}

// As ldmatrix, each matrix transposed on its way.
template <int N>
SIMT_DEVICE void ldmatrix_trans(uint32_t (&x)[N], const void *row, Site = {}) {
  const unsigned address = shared_address(row);
  if constexpr (N == 4) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(x[0]), "=r"(x[1]), "=r"(x[2]), "=r"(x[3])
                 : "r"(address)
                 : "memory");
  } else if constexpr (N == 2) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
                 : "=r"(x[0]), "=r"(x[1])
                 : "r"(address)
                 : "memory");
  } else {
    static_assert(N == 1, "1, 2 or 4 matrices");
    asm volatile("ldmatrix.sync.aligned.m8n8.x1.trans.shared.b16 {%0}, [%1];"
                 : "=r"(x[0])
                 : "r"(address)
                 : "memory");
  }
}

// An 8 x 8 matrix held as ldmatrix leaves it, transposed between the registers of the warp.
SIMT_DEVICE uint32_t movmatrix_trans(uint32_t x, Site = {}) {
  uint32_t y;
  asm volatile("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(y) : "r"(x));
  return y;
}

// d (16 x 8) += a (16 x 16) b (16 x 8). With g = lane / 4 and t = 2 (lane % 4), pairs being neighbours along k in a and
// b and along the columns in d:
//   a[0]: row g,     k t, t + 1      b[0]: k t, t + 1, column g          d[0], d[1]: row g,     columns t, t + 1
//   a[1]: row g + 8, k t, t + 1      b[1]: k t + 8, t + 9, column g      d[2], d[3]: row g + 8, columns t, t + 1
//   a[2]: row g,     k t + 8, t + 9
//   a[3]: row g + 8, k t + 8, t + 9
SIMT_DEVICE void mma_bf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], Site = {}) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// As mma_bf16, of IEEE half precision.
SIMT_DEVICE void mma_f16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], Site = {}) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// --- numbers ---

SIMT_DEVICE float float_of_bits(uint32_t bits) { return __uint_as_float(bits); }
SIMT_DEVICE uint32_t bits_of_float(float x) { return __float_as_uint(x); }
SIMT_DEVICE int popcount(unsigned x) { return __popc(x); }

// To the nearest, ties to even.
SIMT_DEVICE bf16 round_bf16(float x) {
  bf16 y;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
  return y;
}
SIMT_DEVICE uint32_t pack_bf16(float low, float high) {
  uint32_t pair;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  return pair;
}
// IEEE half precision, to the nearest, ties to even.
SIMT_DEVICE uint32_t pack_f16(float low, float high) {
  uint32_t pair;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  return pair;
}

// Of the special function unit: relative error about 1e-7 to 1e-6, tanh 5e-4.
SIMT_DEVICE float exp2_fast(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
SIMT_DEVICE float log2_fast(float x) {
  float y;
  asm("lg2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
SIMT_DEVICE float reciprocal_fast(float x) {
  float y;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
SIMT_DEVICE float rsqrt_fast(float x) { return rsqrtf(x); }
SIMT_DEVICE float tanh_fast(float x) {
  float y;
  asm("tanh.approx.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

}  // namespace simcse::cuda
