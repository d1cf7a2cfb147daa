// Barriers in shared memory and the bulk copies that arrive at them.
#include "asynchronous.hpp"

#include "engine.hpp"

namespace simcse::cuda::emulator {

void Engine::block_until_wakened(Site at) {
  Lane &self = lane();
  self.state = State::blocks;
  self.at = at;
  give_way();
}

// All of them look again whether they may go on.
void Engine::wake_blocked() {
  for (int i = 0; i < position.threads; i++) {
    Lane &each = *lanes_[static_cast<std::size_t>(i)];
    if (each.state == State::blocks) make_ready(each);
  }
}

unsigned Engine::shared_address(const void *shared, Site at) {
  const std::ptrdiff_t offset =
      static_cast<const unsigned char *>(shared) - static_cast<const unsigned char *>(shared_.front().data());
  if (offset < 0 || offset > static_cast<std::ptrdiff_t>(geometry_.shared)) {
    stop_at(at, "an address outside the dynamic shared memory");
    abandon();
  }
  return shared_start_ + static_cast<unsigned>(offset);
}

unsigned char *Engine::at_shared_address(unsigned address, std::size_t bytes, Site at) {
  if (address < shared_start_ || address + bytes > shared_start_ + geometry_.shared) {
    stop_at(at, print("%zu bytes at %u, outside the %u bytes of dynamic shared memory from %u on", bytes, address,
                      geometry_.shared, shared_start_));
    abandon();
  }
  return static_cast<unsigned char *>(shared_.front().data()) + (address - shared_start_);
}

void Asynchronous::start_block() {
  LookAway look_away;
  barriers_.clear();
  copies_.clear();
  for (Warpgroup &each : warpgroups_) {
    each.products.clear();
    each.asked = 0;
  }
}

// --- barriers ---

Asynchronous::Barrier &Asynchronous::barrier_at(void *barrier, Site at) {
  for (Barrier &each : barriers_) {
    if (each.at != barrier) continue;
    if (!each.published) fail(at, "a barrier that has not been published");
    return each;
  }
  fail(at, "no barrier there");
}

void Asynchronous::init(void *barrier, int arrivals, Site at) {
  check_aligned(barrier, sizeof(Mbarrier), at);
  if (arrivals < 1) fail(at, "a barrier of %d arrivals", arrivals);
  for (const Barrier &each : barriers_) {
    if (each.at == barrier) fail(at, "a barrier is there already");
  }
  tell_write(barrier, sizeof(Mbarrier));
  LookAway look_away;
  barriers_.push_back({barrier, position.thread, arrivals, arrivals, 0, 0, false, 0, {}});
}

void Asynchronous::publish() {
  for (Barrier &each : barriers_) each.published |= each.owner == position.thread;
}

void Asynchronous::end_phase_if_complete(Barrier &barrier) {
  if (barrier.missing > 0 || barrier.bytes != 0) return;
  barrier.phase++;
  barrier.missing = barrier.count;
  engine().wake_blocked();
}

void Asynchronous::arrive_at(void *address, int bytes, Site at) {
  tell_read(address, sizeof(Mbarrier));
  Barrier &barrier = barrier_at(address, at);
  if (barrier.missing == 0) fail(at, "more arrive at a barrier than the %d it counts", barrier.count);
  release(&barrier.orders[barrier.phase % 2]);
  barrier.bytes += bytes;
  barrier.missing--;
  end_phase_if_complete(barrier);
}

void Asynchronous::wait(void *address, unsigned parity, Site at) {
  tell_read(address, sizeof(Mbarrier));
  // Barriers are all there before the first is waited for, so that none moves.
  Barrier &barrier = barrier_at(address, at);
  barrier.waiting++;
  while (barrier.phase % 2 == parity) engine().block_until_wakened(at);
  barrier.waiting--;
  acquire(&barrier.orders[parity]);
}

// --- copies ---

void Asynchronous::copy(void *shared, const void *global, int bytes, void *barrier, Site at) {
  check_aligned(shared, 16, at);
  check_aligned(global, 16, at);
  if (bytes <= 0 || bytes % 16 != 0) fail(at, "a bulk copy of %d bytes", bytes);
  const std::size_t count = static_cast<std::size_t>(bytes);
  unsigned char *const to = engine().at_shared_address(engine().shared_address(shared, at), count, at);
  const unsigned char *const from = static_cast<const unsigned char *>(global);
  Barrier &there = barrier_at(barrier, at);
  {
    LookAway look_away;
    copies_.push_back({to, std::vector<unsigned char>(from, from + count), barrier});
    std::memset(to, kRubbish, count);
  }
  tell_read(from, count);
  tell_write(to, count);
  release(&there.orders[there.phase % 2]);
}

bool Asynchronous::arrive(uint32_t random) {
  LookAway look_away;
  const std::size_t count = copies_.size();
  for (std::size_t i = 0; i < count; i++) {
    const std::size_t at = (random + i) % count;
    BulkCopy &copy = copies_[at];
    for (Barrier &barrier : barriers_) {
      if (barrier.at != copy.barrier || barrier.waiting == 0) continue;
      std::memcpy(copy.to, copy.bytes.data(), copy.bytes.size());
      barrier.bytes -= static_cast<int64_t>(copy.bytes.size());
      std::swap(copy, copies_.back());
      copies_.pop_back();
      end_phase_if_complete(barrier);
      return true;
    }
  }
  return false;
}

// --- what the primitives call ---

int multiprocessors() { return 1 + static_cast<int>(engine().settings.seed % 3); }

unsigned shared_address(const void *shared, Site at) { return engine().shared_address(shared, at); }

void mbarrier_init(void *barrier, int arrivals, Site at) { engine().asynchronous.init(barrier, arrivals, at); }
void mbarrier_publish() { engine().asynchronous.publish(); }
void mbarrier_arrive(void *barrier, int bytes, Site at) { engine().asynchronous.arrive_at(barrier, bytes, at); }
void mbarrier_wait(void *barrier, unsigned parity, Site at) { engine().asynchronous.wait(barrier, parity, at); }
void copy_bulk(void *shared, const void *global, int bytes, void *barrier, Site at) {
  engine().asynchronous.copy(shared, global, bytes, barrier, at);
}

}  // namespace simcse::cuda::emulator
