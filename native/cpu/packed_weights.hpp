// Packed forms of weights that the caller announced with weights_hold, so that a matrix product need not pack a B that
// did not change since the last one. Compiled outside the tiers; one per Context, used by one thread at a time.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <tuple>

namespace simcse::cpu {

class PackedWeights {
 public:
  // A matrix of `bytes` bytes at `address`, packed as op(B) of n columns and k rows in the tier's `format`.
  struct Key {
    const void *address;
    int64_t bytes;
    int64_t n;
    int64_t k;
    int32_t transpose;
    int32_t format;
  };

  // A second hold of an address replaces the first. Throws std::bad_alloc.
  void hold(const void *memory, int64_t bytes);
  // Forgets the range that was held at this address and gives back its packed forms. False where none was.
  bool release(const void *memory);
  // The bytes were written: what was packed of them is stale.
  void invalidate(const void *memory, int64_t bytes);

  bool holds(const void *memory, int64_t bytes) const;
  // The packed form, or null where there is none or it is stale.
  const char *find(const Key &key) const;
  // Memory for a packed form of `size` bytes, aligned to a cache line, which the caller fills and then announces with
  // ready(). Null where the range is not held or there is no memory.
  char *insert(const Key &key, int64_t size);
  void ready(const Key &key);

 private:
  struct Free {
    void operator()(char *memory) const;
  };
  struct Form {
    int64_t bytes = 0;
    int64_t size = 0;
    bool fresh = false;
    std::unique_ptr<char, Free> memory;
  };
  using Name = std::tuple<uintptr_t, int64_t, int64_t, int32_t, int32_t>;
  static Name name(const Key &key);

  std::map<uintptr_t, int64_t> held_;
  std::map<Name, Form> forms_;
};

}  // namespace simcse::cpu
