// The primitives of simt_sm90.hpp as calls to the emulator. Included by it under every compiler but nvcc.
#pragma once

#define SIMT_SM90A 1
#define SIMT_ROLLED

namespace simcse::cuda {

namespace emulator {

int multiprocessors();
unsigned shared_address(const void *shared, Site at);
void mbarrier_init(void *barrier, int arrivals, Site at);
void mbarrier_publish();
void mbarrier_arrive(void *barrier, int bytes, Site at);
void mbarrier_wait(void *barrier, unsigned parity, Site at);
void copy_bulk(void *shared, const void *global, int bytes, void *barrier, Site at);

struct Wgmma {
  uint64_t a, b;
  int columns;
  bool across_a, across_b, add;
};
void wgmma_fence();
void wgmma(float *d, const Wgmma &product, Site at);
void wgmma_commit();
void wgmma_wait(float *d, int groups, Site at);

}  // namespace emulator

// A GPU whose blocks may have so much shared memory.
inline bool has_sm90a() { return emulator::settings().shared_limit >= 227 * 1024; }
inline int multiprocessors() { return emulator::multiprocessors(); }
SIMT_DEVICE unsigned shared_address(const void *shared, Site at = Site::here()) {
  return emulator::shared_address(shared, at);
}

SIMT_DEVICE void mbarrier_init(Mbarrier *barrier, int arrivals, Site at = Site::here()) {
  emulator::mbarrier_init(barrier, arrivals, at);
}
SIMT_DEVICE void mbarrier_publish() { emulator::mbarrier_publish(); }
SIMT_DEVICE void mbarrier_arrive(Mbarrier *barrier, Site at = Site::here()) {
  emulator::mbarrier_arrive(barrier, 0, at);
}
SIMT_DEVICE void mbarrier_expect(Mbarrier *barrier, int bytes, Site at = Site::here()) {
  emulator::mbarrier_arrive(barrier, bytes, at);
}
SIMT_DEVICE void mbarrier_wait(Mbarrier *barrier, unsigned parity, Site at = Site::here()) {
  emulator::mbarrier_wait(barrier, parity, at);
}
SIMT_DEVICE void copy_bulk(void *shared, const void *global, int bytes, Mbarrier *barrier, Site at = Site::here()) {
  emulator::copy_bulk(shared, global, bytes, barrier, at);
}

template <int kRegisters>
void give_registers(Site at = Site::here()) {
  static_assert(kRegisters >= 24 && kRegisters <= 256 && kRegisters % 8 == 0, "registers of a thread");
  emulator::meet("give_registers", kFullWarp, nullptr, nullptr, false, at);
}
template <int kRegisters>
void take_registers(Site at = Site::here()) {
  static_assert(kRegisters >= 24 && kRegisters <= 256 && kRegisters % 8 == 0, "registers of a thread");
  emulator::meet("take_registers", kFullWarp, nullptr, nullptr, false, at);
}

template <int N>
void wgmma_fence(float (&)[N], Site at = Site::here()) {
  emulator::meet("wgmma_fence", kFullWarp, nullptr, nullptr, false, at);
  emulator::wgmma_fence();
}
SIMT_DEVICE void wgmma_commit() { emulator::wgmma_commit(); }
template <int kGroups, int N>
void wgmma_wait(float (&d)[N], Site at = Site::here()) {
  emulator::meet("wgmma_wait", kFullWarp, nullptr, nullptr, false, at);
  emulator::wgmma_wait(d, kGroups, at);
}
template <bool kAcrossA, bool kAcrossB, int N>
void wgmma_f16(float (&d)[N], uint64_t a, uint64_t b, bool add, Site at = Site::here()) {
  static_assert(N == 64 || N == 128, "128 or 256 columns");
  emulator::meet("wgmma_f16", kFullWarp, nullptr, nullptr, false, at);
  emulator::wgmma(d, {a, b, 2 * N, kAcrossA, kAcrossB, add}, at);
}

}  // namespace simcse::cuda
