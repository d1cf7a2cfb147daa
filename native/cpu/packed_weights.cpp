// Packed forms of held weights, ordered by address.
#include "packed_weights.hpp"

#include <cstdlib>
#include <new>

namespace simcse::cpu {

namespace {

uintptr_t address(const void *memory) { return reinterpret_cast<uintptr_t>(memory); }

}  // namespace

void PackedWeights::Free::operator()(char *memory) const { std::free(memory); }

PackedWeights::Name PackedWeights::name(const Key &key) {
  return {address(key.address), key.n, key.k, key.transpose, key.format};
}

void PackedWeights::hold(const void *memory, int64_t bytes) {
  release(memory);
  held_[address(memory)] = bytes;
}

bool PackedWeights::release(const void *memory) {
  auto range = held_.find(address(memory));
  if (range == held_.end()) return false;
  uintptr_t end = range->first + static_cast<uintptr_t>(range->second);
  auto form = forms_.lower_bound(Name{range->first, 0, 0, 0, 0});
  while (form != forms_.end() && std::get<0>(form->first) < end) form = forms_.erase(form);
  held_.erase(range);
  return true;
}

void PackedWeights::invalidate(const void *memory, int64_t bytes) {
  uintptr_t start = address(memory);
  uintptr_t end = start + static_cast<uintptr_t>(bytes);
  for (auto form = forms_.begin(); form != forms_.end() && std::get<0>(form->first) < end; ++form) {
    if (start < std::get<0>(form->first) + static_cast<uintptr_t>(form->second.bytes)) form->second.fresh = false;
  }
}

bool PackedWeights::holds(const void *memory, int64_t bytes) const {
  auto range = held_.upper_bound(address(memory));
  if (range == held_.begin()) return false;
  --range;
  return address(memory) + static_cast<uintptr_t>(bytes) <= range->first + static_cast<uintptr_t>(range->second);
}

const char *PackedWeights::find(const Key &key) const {
  auto form = forms_.find(name(key));
  return form != forms_.end() && form->second.fresh ? form->second.memory.get() : nullptr;
}

char *PackedWeights::insert(const Key &key, int64_t size) {
  if (!holds(key.address, key.bytes)) return nullptr;
  try {
    Form &form = forms_[name(key)];
    form.fresh = false;
    form.bytes = key.bytes;
    if (form.size < size) {
      form.size = 0;
      std::size_t rounded = (static_cast<std::size_t>(size) + 63) / 64 * 64;
      form.memory.reset(static_cast<char *>(std::aligned_alloc(64, rounded)));
      if (form.memory) form.size = size;
    }
    return form.memory.get();
  } catch (const std::bad_alloc &) {
    return nullptr;
  }
}

void PackedWeights::ready(const Key &key) {
  auto form = forms_.find(name(key));
  if (form != forms_.end() && form->second.memory) form->second.fresh = true;
}

}  // namespace simcse::cpu
