// What an operation of the CPU device computes with: its threads and its scratch memory.
#pragma once

#include <cstddef>
#include <cstdint>

#include "pages.hpp"
#include "pool.hpp"

namespace simcse::cpu {

class PackedWeights;

// Belongs to one device and is used by one operation at a time. Its functions are defined outside the tiers, so that
// nothing here is compiled for instructions that the machine may lack.
class Context {
 public:
  explicit Context(int threads);
  ~Context();
  Context(const Context &) = delete;
  Context &operator=(const Context &) = delete;

  int threads() const;

  // Calls body(argument, task, thread) for every task in 0 .. tasks - 1 and returns when all are done. Threads claim
  // tasks as they get free; which thread runs a task must not change the result.
  void run(int64_t tasks, Pool::Body body, void *argument);

  // Scratch memory of unspecified content, aligned to a cache line, valid until the operation ends. Taken on the
  // calling thread before any task runs; throws std::bad_alloc. `shared` is one block, used by all tasks;
  // `per_thread` one block per thread, `bytes` each, at base + thread * stride (see stride()). Each can be asked for
  // once in an operation: asking again gives the same memory.
  char *shared(std::size_t bytes);
  char *per_thread(std::size_t bytes);
  __attribute__((always_inline)) static std::size_t stride(std::size_t bytes) {
    return (bytes + 4095) / 4096 * 4096 + 64;
  }

  PackedWeights &packed_weights();

  // Throws the Failure of an operation that was given NaN or infinity in row `row` of an array. For the calling thread,
  // before anything was written.
  [[noreturn]] static void refuse_row(const char *operation, const char *array, int64_t row);

 private:
  Pool pool_;
  Pages shared_;
  Pages threads_;
  PackedWeights *packed_;
};

}  // namespace simcse::cpu
