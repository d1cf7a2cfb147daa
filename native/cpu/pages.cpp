#include "pages.hpp"

#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace simcse::cpu {

namespace {

constexpr std::size_t kHugePage = std::size_t(2) << 20;
constexpr std::size_t kCacheLine = 64;

std::size_t round_up(std::size_t bytes, std::size_t unit) { return (bytes + unit - 1) / unit * unit; }

// Huge pages save address translations. What is left at the end of the block is less than one of them, and is on small
// pages, which take no more memory than is asked for.
char *map(std::size_t bytes) {
  std::size_t mapped = round_up(bytes, kHugePage) + kHugePage;
  void *start = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (start == MAP_FAILED) return nullptr;
  char *memory = (char *)round_up((uintptr_t)start, kHugePage);
  std::size_t before = (std::size_t)(memory - (char *)start);
  if (before > 0) munmap(start, before);
  munmap(memory + round_up(bytes, kHugePage), kHugePage - before);
  madvise(memory, bytes / kHugePage * kHugePage, MADV_HUGEPAGE);
  return memory;
}

}  // namespace

Pages::Pages(std::size_t bytes) : bytes_(bytes) {
  if (bytes > SIZE_MAX / 4) throw OutOfMemory(bytes);
  if (bytes >= kHugePage) {
    memory_ = map(bytes);
  } else {
    std::size_t rounded = round_up(bytes > 0 ? bytes : 1, kCacheLine);
    memory_ = (char *)std::aligned_alloc(kCacheLine, rounded);
    if (memory_ != nullptr) std::memset(memory_, 0, rounded);
  }
  if (memory_ == nullptr) throw OutOfMemory(bytes);
}

Pages &Pages::operator=(Pages &&other) noexcept {
  std::swap(memory_, other.memory_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

Pages::~Pages() {
  if (memory_ == nullptr) return;
  if (bytes_ >= kHugePage) {
    munmap(memory_, round_up(bytes_, kHugePage));
  } else {
    std::free(memory_);
  }
}

}  // namespace simcse::cpu
