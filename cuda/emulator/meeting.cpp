// The places where lanes meet: exchanges within a warp, and barriers of the block.
#include "engine.hpp"

namespace simcse::cuda::emulator {

void Engine::meet(const char *what, unsigned mask, void *operand, Exchange exchange, bool orders, Site at) {
  Lane &self = lane();
  const int warp = self.index / kWarp;
  if ((mask >> self.index % kWarp & 1) == 0) {
    stop_at(at, print("%s of lanes %08x, not its own", what, mask));
    abandon();
  }
  self.state = State::meets;
  self.what = what;
  self.mask = mask;
  self.at = at;
  self.operand = operand;
  Order &order = warp_orders_[warp][__builtin_ctz(mask)];
  void *const round = order.now();
  if (orders) release(round);
  meeting_[warp] |= 1u << self.index % kWarp;
  void *operands[kWarp];
  if ((meeting_[warp] & mask) == mask && all_agree(self, operands)) {
    if (exchange != nullptr) {
      LookAway look_away;
      exchange(operands, mask);
    }
    for (uint32_t left = mask; left != 0; left &= left - 1) make_ready(lane_of(warp, left));
    meeting_[warp] &= ~mask;
    order.round++;
  }
  give_way();
  if (orders) acquire(round);
}

// Whether all lanes of the mask wait for the same as this one; their operands.
bool Engine::all_agree(const Lane &self, void **operands) const {
  for (uint32_t left = self.mask; left != 0; left &= left - 1) {
    const Lane &other = lane_of(self.index / kWarp, left);
    if (other.mask != self.mask || other.at.line != self.at.line || other.at.file != self.at.file ||
        (other.what != self.what && std::strcmp(other.what, self.what) != 0)) {
      return false;
    }
    operands[other.index % kWarp] = other.operand;
  }
  return true;
}

void Engine::wait(int id, int count, Site at) {
  Lane &self = lane();
  if (id < 0 || id >= kBarriers || count <= 0 || count % kWarp != 0 || count > position.threads) {
    stop_at(at, print("barrier %d of %d lanes in a block of %d", id, count, position.threads));
    abandon();
  }
  Barrier &barrier = barriers_[id];
  if (barrier.arrived > 0 && barrier.count != count) {
    stop_at(at, print("barrier %d of %d lanes, where others wait for %d", id, count, barrier.count));
    abandon();
  }
  barrier.count = count;
  self.state = State::waits;
  self.barrier = id;
  self.at = at;
  void *const round = barrier.order.now();
  release(round);
  if (++barrier.arrived == count) {
    for (int i = 0; id == 0 && i < position.threads; i++) {
      const Site &other = lanes_[static_cast<std::size_t>(i)]->at;
      if (other.line == at.line && other.file == at.file) continue;
      stop_at(at, "the block is at two barriers: " + who_waits_where());
      abandon();
    }
    for (int i = 0; i < position.threads; i++) {
      Lane &other = *lanes_[static_cast<std::size_t>(i)];
      if (other.state == State::waits && other.barrier == id) make_ready(other);
    }
    barrier.arrived = 0;
    barrier.order.round++;
    draw_order();
  }
  give_way();
  acquire(round);
}

void meet(const char *what, unsigned mask, void *operand, Exchange exchange, bool orders, Site at) {
  engine().meet(what, mask, operand, exchange, orders, at);
}

void barrier(int id, int count, Site at) { engine().wait(id, count, at); }

}  // namespace simcse::cuda::emulator
