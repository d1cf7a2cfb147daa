// The shared memory of a block, and copies on their way to it.
#include "engine.hpp"

namespace simcse::cuda::emulator {

void *Engine::dynamic_shared(unsigned offset, Site at) {
  if (offset > geometry_.shared) {
    stop_at(at, print("byte %u of %u of shared memory", offset, geometry_.shared));
    abandon();
  }
  return static_cast<char *>(shared_.front().data()) + offset;
}

void *Engine::static_shared(const void *key, std::size_t bytes) {
  std::size_t total = bytes;
  for (const Shared &shared : shared_) {
    if (shared.key() == key) return shared.data();
    if (shared.key() != nullptr) total += shared.bytes();
  }
  // A launch asks for more than a block has unasked where its dynamic memory alone is above that.
  const std::size_t limit = geometry_.shared > kStaticLimit ? settings.shared_limit : kStaticLimit;
  if (total > kStaticLimit || total + geometry_.shared > limit) {
    stop(print("%zu bytes of static shared memory beside %u dynamic", total, geometry_.shared));
    abandon();
  }
  LookAway look_away;
  shared_.emplace_back(key, bytes);
  return shared_.back().data();
}

void *dynamic_shared(unsigned offset, Site at) { return engine().dynamic_shared(offset, at); }

void *static_shared(const void *key, std::size_t bytes) { return engine().static_shared(key, bytes); }

void check_aligned(const void *address, std::size_t bytes, Site at) {
  if (reinterpret_cast<uintptr_t>(address) % bytes != 0) fail(at, "%zu bytes at %p, not aligned", bytes, address);
}

void copy_async(void *shared, const void *global, int bytes, Site at) {
  if (bytes < 0 || bytes > 16) fail(at, "an asynchronous copy of %d bytes", bytes);
  check_aligned(shared, 16, at);
  check_aligned(global, 16, at);
  Lane &lane = engine().lane();
  Copy copy = {shared, lane.group, {}};
  std::memcpy(copy.bytes, global, static_cast<std::size_t>(bytes));
  tell_read(global, static_cast<std::size_t>(bytes));
  std::memset(shared, kRubbish, 16);
  tell_write(shared, 16);
  lane.copies.push_back(copy);
}

void copy_async_commit() { engine().lane().group++; }

void copy_async_wait(unsigned groups) {
  Lane &lane = engine().lane();
  std::size_t kept = 0;
  for (const Copy &copy : lane.copies) {
    if (copy.group + groups < lane.group) {
      std::memcpy(copy.to, copy.bytes, sizeof copy.bytes);
      tell_write(copy.to, sizeof copy.bytes);
    } else {
      lane.copies[kept++] = copy;
    }
  }
  lane.copies.resize(kept);
}

int atomic_add(int *to, int x) { return __atomic_fetch_add(to, x, __ATOMIC_ACQ_REL); }

int atomic_min(int *to, int x) {
  int old = __atomic_load_n(to, __ATOMIC_ACQUIRE);
  while (x < old && !__atomic_compare_exchange_n(to, &old, x, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
  }
  return old;
}

}  // namespace simcse::cuda::emulator
