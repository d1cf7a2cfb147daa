// Memory of the tests on a GPU: every array of a test has a twin there. A launch sends all arrays to their twins, gives
// the kernel the twins' addresses in place of the arrays', waits, and brings all back; so tests are written as if there
// were one memory. With SIMCSE_TWINS, launch() of simt_cuda.hpp and of emulator/primitives.hpp goes this way.
#pragma once

#include <cstddef>

#include "../launch.hpp"

namespace simcse::cuda::twins {

// An array with as many bytes of guard at either end, which have twins too, unless SIMCSE_EXACT_TWINS is in the
// environment: then compute-sanitizer sees accesses beside the array, and reads of what nobody wrote.
void add(void *memory, std::size_t bytes, std::size_t guard);
void remove(void *memory);

// Both 0, or the fault of the launch or of the copies.
Fault send();
Fault fetch(Fault launched);
// What went wrong in the last of these, or the text of a launch's fault.
const char *text_of(Fault fault);

// Replaces every address of an array in these bytes of an argument.
void replace(void *argument, std::size_t bytes);

template <typename T>
T on_gpu(T argument) {
  replace(&argument, sizeof argument);
  return argument;
}

}  // namespace simcse::cuda::twins
