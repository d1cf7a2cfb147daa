// The rate of multiply-adds that never leave the registers, per core, for every unit that this machine has: what a
// matrix product could reach at most. Prints a line for each: type, tier, GFLOP/s of one thread.
//
//     c++ -O2 -o peak bench/native/peak.cpp && ./peak
#include <immintrin.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

namespace {

constexpr int kAccumulators = 24;  // enough for the latency of every unit, and no more than the registers hold
constexpr int kFewAccumulators = 12;
constexpr int64_t kRounds = 100000;
constexpr int kRepeats = 40;

volatile float sink;

double seconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

// The best of several, because others may use the core.
double best(double operations, void (*loop)()) {
  double most = 0;
  for (int i = 0; i < kRepeats; i++) {
    double start = seconds();
    loop();
    double rate = operations / (seconds() - start);
    if (rate > most) most = rate;
  }
  return most * 1e-9;
}

__attribute__((target("avx2,fma"))) void fma_avx2() {
  __m256 sum[kFewAccumulators], x = _mm256_set1_ps(0.5f), y = _mm256_set1_ps(0.25f);
  for (__m256 &s : sum) s = _mm256_setzero_ps();
  for (int64_t round = 0; round < kRounds; round++) {
#pragma GCC unroll 12
    for (int i = 0; i < kFewAccumulators; i++) sum[i] = _mm256_fmadd_ps(x, y, sum[i]);
  }
  for (int i = 1; i < kFewAccumulators; i++) sum[0] = _mm256_add_ps(sum[0], sum[i]);
  sink = _mm256_cvtss_f32(sum[0]);
}

__attribute__((target("avx512f"))) void fma_avx512() {
  __m512 sum[kAccumulators], x = _mm512_set1_ps(0.5f), y = _mm512_set1_ps(0.25f);
  for (__m512 &s : sum) s = _mm512_setzero_ps();
  for (int64_t round = 0; round < kRounds; round++) {
#pragma GCC unroll 24
    for (int i = 0; i < kAccumulators; i++) sum[i] = _mm512_fmadd_ps(x, y, sum[i]);
  }
  for (int i = 1; i < kAccumulators; i++) sum[0] = _mm512_add_ps(sum[0], sum[i]);
  sink = _mm512_cvtss_f32(sum[0]);
}

__attribute__((target("avx512f,avx512bf16"))) void dot_avx512() {
  __m512 sum[kAccumulators];
  __m512bh x = (__m512bh)_mm512_set1_epi16(0x3f00), y = (__m512bh)_mm512_set1_epi16(0x3e80);
  for (__m512 &s : sum) s = _mm512_setzero_ps();
  for (int64_t round = 0; round < kRounds; round++) {
#pragma GCC unroll 24
    for (int i = 0; i < kAccumulators; i++) sum[i] = _mm512_dpbf16_ps(sum[i], x, y);
  }
  for (int i = 1; i < kAccumulators; i++) sum[0] = _mm512_add_ps(sum[0], sum[i]);
  sink = _mm512_cvtss_f32(sum[0]);
}

__attribute__((target("amx-tile,amx-bf16"))) void dot_amx() {
  struct {
    uint8_t palette, start_row, reserved[14];
    uint16_t bytes[16];
    uint8_t rows[16];
  } configuration = {};
  configuration.palette = 1;
  for (int t = 0; t < 8; t++) {
    configuration.bytes[t] = 64;
    configuration.rows[t] = 16;
  }
  __asm__ volatile("ldtilecfg %0" : : "m"(configuration));
  __asm__ volatile("tilezero %tmm6\n\ttilezero %tmm7");
  for (int64_t round = 0; round < kRounds / 10; round++) {
    __asm__ volatile(
        "tdpbf16ps %tmm7, %tmm6, %tmm0\n\ttdpbf16ps %tmm7, %tmm6, %tmm1\n\t"
        "tdpbf16ps %tmm7, %tmm6, %tmm2\n\ttdpbf16ps %tmm7, %tmm6, %tmm3");
  }
  __asm__ volatile("tilerelease");
}

// Linux saves tile registers only for processes that asked for them.
bool tiles_granted() {
  if (!__builtin_cpu_supports("amx-bf16")) return false;
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

}  // namespace

int main() {
  if (__builtin_cpu_supports("avx2")) printf("f32 avx2 %.1f\n", best(16.0 * kFewAccumulators * kRounds, fma_avx2));
  if (__builtin_cpu_supports("avx512f")) printf("f32 avx512 %.1f\n", best(32.0 * kAccumulators * kRounds, fma_avx512));
  if (__builtin_cpu_supports("avx512bf16")) {
    printf("bf16 avx512_bf16 %.1f\n", best(64.0 * kAccumulators * kRounds, dot_avx512));
  }
  if (tiles_granted()) printf("bf16 amx %.1f\n", best(16384.0 * 4 * (kRounds / 10), dot_amx));
  return 0;
}
