// A tier may be used where the processor has its instructions (cpuid) and the operating system keeps the registers
// they need across a switch of threads (xgetbv). Linux hands out the AMX tiles, 8 KiB a thread, on request alone.
#include "tiers.hpp"

#include <cstdlib>
#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace simcse::cpu {

namespace {

struct Candidate {
  const Operations *operations;
  std::string missing;  // "" where it can be used
};

#if defined(__x86_64__)

struct Registers {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
};

Registers cpuid(unsigned leaf, unsigned subleaf) {
  Registers r;
  __get_cpuid_count(leaf, subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx);
  return r;
}

bool bit(unsigned word, int index) { return word >> index & 1; }

// The registers that the operating system keeps, one bit a kind; none where it has no say.
unsigned long long kept_registers() {
  if (!bit(cpuid(1, 0).ecx, 27)) return 0;
  unsigned low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (unsigned long long)high << 32 | low;
}

constexpr unsigned long long kAvx = 0x6;
constexpr unsigned long long kAvx512 = 0xe6;
constexpr unsigned long long kTiles = 0x60000;

std::string missing_avx2() {
  if (!bit(cpuid(7, 0).ebx, 5) || !bit(cpuid(1, 0).ecx, 12) || !bit(cpuid(1, 0).ecx, 28)) {
    return "the processor has no AVX2 with FMA";
  }
  return (kept_registers() & kAvx) == kAvx ? "" : "the operating system does not keep the AVX registers";
}

std::string missing_avx512() {
  std::string missing = missing_avx2();
  if (!missing.empty()) return missing;
  unsigned features = cpuid(7, 0).ebx;
  for (int index : {16, 17, 30, 31}) {  // F, DQ, BW, VL
    if (!bit(features, index)) return "the processor has no AVX-512 with F, BW, DQ and VL";
  }
  return (kept_registers() & kAvx512) == kAvx512 ? "" : "the operating system does not keep the AVX-512 registers";
}

std::string missing_avx512_bf16() {
  std::string missing = missing_avx512();
  if (!missing.empty()) return missing;
  return bit(cpuid(7, 1).eax, 5) ? "" : "the processor has no AVX512_BF16";
}

#if defined(SIMCSE_EMULATE_AMX)

std::string missing_amx() { return ""; }

#else

bool tiles_granted() {
  constexpr long kRequest = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr long kTileData = 18;     // XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kRequest, kTileData) == 0;
}

std::string missing_amx() {
  std::string missing = missing_avx512_bf16();
  if (!missing.empty()) return missing;
  unsigned features = cpuid(7, 0).edx;
  if (!bit(features, 22) || !bit(features, 24)) return "the processor has no AMX-BF16";
  if ((kept_registers() & kTiles) != kTiles) return "the operating system does not keep the AMX tiles";
  return tiles_granted() ? "" : "the operating system refused this process the AMX tiles (arch_prctl)";
}

#endif

#endif

}  // namespace

Tier choose_tier() {
  // The best first.
  const Candidate candidates[] = {
#if defined(__x86_64__)
      {&amx::operations, missing_amx()},
      {&avx512_bf16::operations, missing_avx512_bf16()},
      {&avx512::operations, missing_avx512()},
      {&avx2::operations, missing_avx2()},
#endif
      {&portable::operations, ""},
  };
  const char *wanted = std::getenv("SIMCSE_TIER");
  std::string here;
  for (const Candidate &candidate : candidates) {
    if (candidate.missing.empty()) here += (here.empty() ? "" : ", ") + std::string(candidate.operations->tier);
  }
  if (wanted == nullptr || *wanted == '\0') {
    std::string passed_over;
    for (const Candidate &candidate : candidates) {
      if (candidate.missing.empty()) return {candidate.operations, passed_over};
      if (passed_over.empty()) passed_over = std::string("no ") + candidate.operations->tier + ": " + candidate.missing;
    }
  }
  for (const Candidate &candidate : candidates) {
    if (std::strcmp(candidate.operations->tier, wanted) != 0) continue;
    if (candidate.missing.empty()) return {candidate.operations, "forced by SIMCSE_TIER"};
    return {nullptr, std::string("SIMCSE_TIER is ") + wanted + ", but " + candidate.missing + "; here are " + here};
  }
  return {nullptr, "SIMCSE_TIER is \"" + std::string(wanted) + "\", which is not a tier; here are " + here};
}

}  // namespace simcse::cpu
