// Primitives that sm_90a alone has, for nvcc and for the emulator: products of warpgroups, and copies by an engine of
// their own. Kernels over them have an empty body elsewhere (SIMT_SM90A), and the host launches them there alone.
//
//   barriers   Mbarrier in shared memory: mbarrier_init (one lane), mbarrier_publish (that lane), then a sync_block;
//              a phase ends when so many have arrived and all bytes that were expected are there: mbarrier_arrive,
//              mbarrier_expect(bytes) which arrives too, mbarrier_wait(parity of the phase; of the one before the first
//              it is 1)
//   copies     copy_bulk(shared, global, bytes, barrier): one lane for all bytes; 16 each of them and of the addresses
//   products   of four warps, the first of them a multiple of 4, d (64 x kColumns) += a (64 x 16) b (16 x kColumns):
//              wgmma_fence(d), wgmma_f16 any number of times, wgmma_commit, wgmma_wait<groups still in flight>(d); d is
//              touched by nobody from the fence to the wait for the last group
//   registers  give_registers<n> leaves n to each thread of a warpgroup, take_registers<n> waits for as many: multiples
//              of 8, at most 65,536 in all, first thing in a branch that is a whole warpgroup's
//   loops      SIMT_ROLLED before one whose body needs few registers
//   operands   swizzled_operand(shared, leading, stride) says where one lies. Rows of 128 bytes, eight of them 1,024
//              bytes, starting at a multiple of that; the 16 bytes `c` of row `r` stand at c ^ r % 8.
//              along the sum    a row is 64 elements of the sum of one row of the operand; 8 rows are `stride` apart;
//                               16 elements further along the sum are 32 bytes further
//              across the sum   a row is 64 rows of the operand at one element of the sum; 64 rows further are
//                               `leading`, 8 elements of the sum `stride` further
//
// Sources: PTX ISA 9.0, 9.7.15 (wgmma: fragments, canonical layouts, matrix descriptor) and 9.7.13.15 (mbarrier).
//
// Rules that the emulator checks, beside those of simt.hpp: a barrier is used after it was published; no more arrive
// than it counts; a block's copies have arrived before it ends; the lanes of a warpgroup agree in every product;
// operands stay as they are until the product has been waited for; between that wait and the next product lies a fence.
#pragma once

#include "simt.hpp"

namespace simcse::cuda {

struct alignas(8) Mbarrier {
  uint64_t state;
};

constexpr int kWarpgroup = 128;
constexpr int kSwizzledRows = 1024;  // bytes of 8 rows; what operands are aligned to



}  // namespace simcse::cuda

#if defined(__CUDACC__)
#include "simt_sm90_cuda.hpp"
#else
#include "emulator/sm90.hpp"
#endif

namespace simcse::cuda {

SIMT_DEVICE uint64_t swizzled_operand(const void *shared, int leading, int stride) {
  constexpr uint64_t kSwizzle128 = 1;
  return (uint64_t)(shared_address(shared) >> 4 & 0x3fff) | (uint64_t)(leading >> 4) << 16 |
         (uint64_t)(stride >> 4) << 32 | kSwizzle128 << 62;
}

// Row and column of d[i] in the 64 x kColumns of a warpgroup: as of mma_f16, a warp 16 rows.
SIMT_DEVICE int wgmma_row(int i) { return thread() % kWarpgroup / kWarp * 16 + i / 2 % 2 * 8 + lane() / 4; }
SIMT_DEVICE int wgmma_column(int i) { return i / 4 * 8 + lane() % 4 * 2 + i % 2; }

}  // namespace simcse::cuda
