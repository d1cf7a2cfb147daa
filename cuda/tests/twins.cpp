#include "twins.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "../../native/src/failure.hpp"
#include "../plugin/gpu.hpp"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace simcse::cuda::twins {

namespace {

constexpr Fault kCopyFailed = -1;

struct Twin {
  char *memory;             // of the array, with its guards
  std::size_t bytes;        // with its guards
  std::size_t skipped;      // bytes at either end that have no twin
  char *twin;               // of memory + skipped
  std::vector<char> known;  // what both hold, once they do
  char *start() const { return memory + skipped; }
  std::size_t size() const { return bytes - 2 * skipped; }
};

std::map<const char *, Twin> &all() {
  static std::map<const char *, Twin> arrays;
  return arrays;
}

std::string reason;

plugin::Gpu &gpu() {
  static const std::unique_ptr<plugin::Gpu> opened = [] {
    try {
      return plugin::open_gpu(0, nullptr);
    } catch (const Failure &failure) {
      std::printf("FAILED: %s\n", failure.text.c_str());
      std::exit(1);
    }
  }();
  return *opened;
}

int64_t bytes_of(const Twin &array) { return static_cast<int64_t>(array.size()); }

bool exact() { return std::getenv("SIMCSE_EXACT_TWINS") != nullptr; }

// Whether the twin is to be told. An array that is all rubbish is one that nobody has written to.
bool changed(const Twin &array) {
  if (!array.known.empty()) return std::memcmp(array.known.data(), array.start(), array.size()) != 0;
  bool written = !exact();
  for (std::size_t i = 0; i < array.size() && !written; i++) written = array.start()[i] != '\xff';
  return written;
}

// An emulated kernel that is handed an array and not its twin dies of it under AddressSanitizer.
void lock([[maybe_unused]] const Twin &array) {
#if defined(__SANITIZE_ADDRESS__)
  __asan_poison_memory_region(array.memory, array.bytes);
#endif
}
void unlock([[maybe_unused]] const Twin &array) {
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(array.memory, array.bytes);
#endif
}

template <typename Body>
Fault guarded(const Body &body) {
  try {
    const plugin::Use use(gpu());
    body();
    return 0;
  } catch (const Failure &failure) {
    reason = failure.text;
    return kCopyFailed;
  }
}

}  // namespace

void add(void *memory, std::size_t bytes, std::size_t guard) {
  Twin array = {static_cast<char *>(memory), bytes, exact() ? guard : 0, nullptr, {}};
  if (array.size() > 0) {
    const Fault fault = guarded([&] { array.twin = static_cast<char *>(gpu().allocate(bytes_of(array))); });
    if (fault != 0 || array.twin == nullptr) {
      std::printf("FAILED: no %zu bytes on the GPU: %s\n", array.size(), reason.c_str());
      std::exit(1);
    }
  }
  all()[array.memory] = std::move(array);
}

void remove(void *memory) {
  const auto found = all().find(static_cast<char *>(memory));
  const Twin &array = found->second;
  if (array.size() > 0) guarded([&] { gpu().free(array.twin, bytes_of(array)); });
  all().erase(found);
}

Fault send() {
  return guarded([] {
    for (auto &[start, array] : all()) {
      unlock(array);
      if (array.size() > 0 && changed(array)) {
        gpu().copy_to_device(nullptr, array.twin, array.start(), bytes_of(array));
      }
      lock(array);
    }
    gpu().synchronize(Stream(nullptr));
  });
}

Fault fetch(Fault launched) {
  const Fault copied = guarded([launched] {
    for (auto &[start, array] : all()) unlock(array);
    if (launched != 0) return;
    gpu().synchronize(Stream(nullptr));
    for (auto &[start, array] : all()) {
      if (array.size() > 0) gpu().copy_to_host(nullptr, array.start(), array.twin, bytes_of(array));
    }
    gpu().synchronize(Stream(nullptr));
    for (auto &[start, array] : all()) array.known.assign(array.start(), array.start() + array.size());
  });
  return launched != 0 ? launched : copied;
}

const char *text_of(Fault fault) {
  if (fault != kCopyFailed) guarded([fault] { reason = gpu().text_of(fault); });
  return reason.c_str();
}

void replace(void *argument, std::size_t bytes) {
  for (std::size_t at = 0; at + sizeof(char *) <= bytes; at += sizeof(char *)) {
    char *address;
    std::memcpy(&address, static_cast<char *>(argument) + at, sizeof address);
    const auto after = all().upper_bound(address);
    if (after == all().begin()) continue;
    const Twin &array = std::prev(after)->second;
    if (address >= array.memory + array.bytes) continue;
    address = array.twin + (address - array.start());
    std::memcpy(static_cast<char *>(argument) + at, &address, sizeof address);
  }
}

}  // namespace simcse::cuda::twins
