// A block of memory in pages: aligned to a cache line at least, zeroed, given back when it goes.
#pragma once

#include <cstddef>
#include <new>

namespace simcse::cpu {

// Says how much was asked for.
struct OutOfMemory : std::bad_alloc {
  explicit OutOfMemory(std::size_t asked) : bytes(asked) {}
  std::size_t bytes;
};

class Pages {
 public:
  Pages() = default;
  explicit Pages(std::size_t bytes);
  Pages(Pages &&other) noexcept : memory_(other.memory_), bytes_(other.bytes_) { other.memory_ = nullptr; }
  Pages &operator=(Pages &&other) noexcept;
  ~Pages();

  char *memory() const { return memory_; }
  std::size_t bytes() const { return bytes_; }

 private:
  char *memory_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace simcse::cpu
