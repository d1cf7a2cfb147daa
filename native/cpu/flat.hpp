// Operations on arrays without rows: which part of the elements a task has.
#pragma once

#include "rows.hpp"

namespace simcse::cpu::SIMCSE_TIER {

// Elements of a task: enough to be worth handing out, few enough to share the last ones fairly.
constexpr int64_t kPart = 16384;

SIMCSE_INLINE int64_t parts(int64_t count) { return (count + kPart - 1) / kPart; }

// body(begin, elements) for every part of `count` elements.
template <typename Body>
SIMCSE_INLINE void each_part(Context &context, int64_t count, const Body &body) {
  parallel(context, parts(count), [&](int64_t task, int) {
    int64_t begin = task * kPart;
    body(begin, (int)(count - begin < kPart ? count - begin : kPart));
  });
}

}  // namespace simcse::cpu::SIMCSE_TIER
