// A small emulator of one GPU: every lane of a block is a fiber, blocks run one after another in a random order, and
// the lanes of a block in a random order between the places where they meet. All randomness comes from the seed.
// Device memory is any memory of the process. A kernel that breaks a rule of simt.hpp ends its launch with a Fault and
// a text that names the kernel, the block, the lanes and the line.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "../launch.hpp"

namespace simcse::cuda::emulator {

struct Settings {
  uint64_t seed = 1;
  unsigned shared_limit = 99 * 1024;  // bytes a block may have, static and dynamic; 99 KB is the least, on sm_86
};
Settings &settings();  // of this host thread

// Why the last launch of this host thread failed; "" where it did not.
const char *fault();

// Streams that run launches later, as a GPU does.
class Streams {
 public:
  // Keeps the launch, and returns true, or leaves it to be run at once.
  virtual bool keep(Stream stream, std::function<Fault()> launch) = 0;

 protected:
  ~Streams() = default;
};
Streams *&streams();  // of this host thread; null where all launches run at once

}  // namespace simcse::cuda::emulator

// --- what the primitives are made of ---

namespace simcse::cuda {

// Where a primitive was called.
struct Site {
  const char *file;
  int line;
  static constexpr Site here(const char *file = __builtin_FILE(), int line = __builtin_LINE()) { return {file, line}; }
};

namespace emulator {

struct Position {
  int thread, threads;
  int block[3];
  int grid[3];
};
extern __thread Position position;  // of the lane that runs now

// Whether a kernel can be launched so; a fault where not.
Fault check(const char *kernel, const Geometry &geometry);

// Runs body(closure) in every lane of every block.
Fault run(const char *kernel, const Geometry &geometry, void (*body)(void *), void *closure);

// Ends the launch with a fault; the text is made as by printf.
[[noreturn]] void fail(Site at, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Waits until all lanes of the mask called this with the same arguments; then `exchange`, if any, is called once with
// the operands of the lanes of the mask, by lane, and all go on. `orders`: as a barrier orders memory.
using Exchange = void (*)(void *const *operands, unsigned mask);
void meet(const char *what, unsigned mask, void *operand, Exchange exchange, bool orders, Site at);

// Waits until `count` lanes of the block wait at barrier `id`. Number 0 is the whole block's.
void barrier(int id, int count, Site at);

void *dynamic_shared(unsigned offset, Site at);
// The block's memory for one SIMT_SHARED, told apart by the address of `key`.
void *static_shared(const void *key, std::size_t bytes);

void check_aligned(const void *address, std::size_t bytes, Site at);

// Copies are taken from global memory at once, leave rubbish in shared memory, and arrive there at the wait.
void copy_async(void *shared, const void *global, int bytes, Site at);
void copy_async_commit();
void copy_async_wait(unsigned groups);

int atomic_add(int *to, int x);
int atomic_min(int *to, int x);

}  // namespace emulator
}  // namespace simcse::cuda
