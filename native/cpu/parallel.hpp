// Loops over tasks on the threads of a Context.
#pragma once

#include "context.hpp"
#include "simd.hpp"

namespace simcse::cpu::SIMCSE_TIER {

// body(task, thread) for every task in 0 .. tasks - 1. Which thread runs a task must not change the result.
template <typename Body>
SIMCSE_INLINE void parallel(Context &context, int64_t tasks, const Body &body) {
  context.run(
      tasks, [](void *argument, int64_t task, int thread) { (*static_cast<const Body *>(argument))(task, thread); },
      const_cast<Body *>(&body));
}

}  // namespace simcse::cpu::SIMCSE_TIER
