// Which instructions this machine has, and the operations compiled for them.
#pragma once

#include <string>

#include "operations.hpp"

namespace simcse::cpu {

struct Tier {
  const Operations *operations;
  std::string passed_over;  // why a better tier is not used; "" where this is the best
};

// The best tier that this machine and its operating system have, or the one that the environment variable SIMCSE_TIER
// names. Where that one is unknown or missing here, operations is null and passed_over says so.
Tier choose_tier();

}  // namespace simcse::cpu
