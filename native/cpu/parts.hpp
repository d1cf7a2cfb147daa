// Cuts a block of scratch memory into arrays that start on cache lines.
#pragma once

#include "simd.hpp"

namespace simcse::cpu::SIMCSE_TIER {

// With a base of NULL it only counts.
struct Parts {
  char *base;
  int64_t used = 0;

  char *bytes(int64_t count) {
    char *part = base ? base + used : nullptr;
    used += (count + 63) / 64 * 64;
    return part;
  }
  float *floats(int64_t count) { return (float *)bytes(count * 4); }
};

}  // namespace simcse::cpu::SIMCSE_TIER
