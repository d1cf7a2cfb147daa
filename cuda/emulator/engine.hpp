// The emulator's inside: lanes, where they meet, the memory of a block, and the scheduler.
#pragma once

#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "asynchronous.hpp"
#include "emulator.hpp"
#include "fiber.hpp"
#include "sanitizers.hpp"

namespace simcse::cuda::emulator {

constexpr int kRubbish = 0xff;  // as floats and bf16 not a number, as integers -1
constexpr std::size_t kGuard = 128;
constexpr std::size_t kStaticLimit = 48 * 1024;
constexpr int kBarriers = 16;
constexpr int kWarps = 32;

struct Random {
  uint64_t state;
  uint32_t next() {  // splitmix64 (Steele et al. 2014)
    uint64_t z = state += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return static_cast<uint32_t>((z ^ (z >> 31)) >> 32);
  }
  uint32_t below(uint32_t bound) { return static_cast<uint32_t>(static_cast<uint64_t>(next()) * bound >> 32); }
  void shuffle(std::vector<uint32_t> &order) {
    for (uint32_t i = static_cast<uint32_t>(order.size()); i > 1; i--) std::swap(order[i - 1], order[below(i)]);
  }
};

// Memory of a block: rubbish at first, between guards.
class Shared {
 public:
  Shared(const void *key, std::size_t bytes) : key_(key), bytes_(bytes) {
    void *memory = nullptr;
    if (posix_memalign(&memory, kGuard, bytes + 2 * kGuard) != 0) throw std::bad_alloc();
    memory_ = static_cast<unsigned char *>(memory);
    std::memset(memory_, kRubbish, bytes + 2 * kGuard);
    if (__asan_poison_memory_region) {
      __asan_poison_memory_region(memory_, kGuard);
      __asan_poison_memory_region(memory_ + kGuard + bytes, kGuard);
    }
  }
  Shared(Shared &&other) noexcept : key_(other.key_), bytes_(other.bytes_), memory_(other.memory_) {
    other.memory_ = nullptr;
  }
  ~Shared() {
    if (memory_ == nullptr) return;
    if (__asan_unpoison_memory_region) __asan_unpoison_memory_region(memory_, bytes_ + 2 * kGuard);
    std::free(memory_);
  }
  const void *key() const { return key_; }
  std::size_t bytes() const { return bytes_; }
  void *data() const { return memory_ + kGuard; }
  bool guards_hold() const {
    if (__asan_poison_memory_region) return true;  // a write there ended the process
    for (std::size_t i = 0; i < kGuard; i++) {
      if (memory_[i] != kRubbish || memory_[kGuard + bytes_ + i] != kRubbish) return false;
    }
    return true;
  }

 private:
  const void *key_;
  std::size_t bytes_;
  unsigned char *memory_;
};

struct Copy {
  void *to;
  unsigned group;
  unsigned char bytes[16];
};

enum class State { ready, meets, waits, blocks, ended };

struct Lane {
  Fiber fiber;
  int index = 0;
  State state = State::ended;
  const char *what = nullptr;  // where it meets others
  unsigned mask = 0;
  int barrier = 0;
  Site at = {nullptr, 0};
  void *operand = nullptr;
  std::vector<Copy> copies;
  unsigned group = 0;
  ProductsOfLane products;
};

// What ThreadSanitizer takes a barrier for. Two in turn: a lane that is already at the next round must not order what
// it did since this one.
struct Order {
  char rounds[2];
  unsigned round = 0;
  void *now() { return &rounds[round % 2]; }
};

struct Barrier {
  int count = 0;
  int arrived = 0;
  Order order;
};

class Engine {
 public:
  // Whether a kernel can be launched so.
  bool accept(const char *kernel, const Geometry &geometry);
  Fault run(const char *kernel, const Geometry &geometry, void (*body)(void *), void *closure);
  void meet(const char *what, unsigned mask, void *operand, Exchange exchange, bool orders, Site at);
  void wait(int id, int count, Site at);
  void *dynamic_shared(unsigned offset, Site at);
  void *static_shared(const void *key, std::size_t bytes);
  void stop(const std::string &text);
  void stop_at(Site at, const std::string &text);
  [[noreturn]] void abandon();
  Lane &lane() { return *lanes_[static_cast<std::size_t>(position.thread)]; }
  // Waits until a phase of a barrier in shared memory has ended, or a product of a warpgroup has been asked for by all.
  void block_until_wakened(Site at);
  void wake_blocked();
  // The dynamic shared memory of the block as instructions see it: somewhere, at a multiple of 128.
  unsigned shared_address(const void *shared, Site at);
  unsigned char *at_shared_address(unsigned address, std::size_t bytes, Site at);

  Asynchronous asynchronous;
  Settings settings;
  std::string fault;

 private:
  static void lane_body(void *lane);
  void start_lanes();
  void run_block(uint32_t block);
  bool pick(int *thread);
  void draw_order();
  void make_ready(Lane &lane);
  // The lane of the mask's lowest bit.
  Lane &lane_of(int warp, uint32_t mask) const {
    return *lanes_[static_cast<std::size_t>(warp * kWarp + __builtin_ctz(mask))];
  }
  bool all_agree(const Lane &self, void **operands) const;
  void give_way() {
    release(&end_order_);
    lane().fiber.pause();
  }
  std::string block_name() const;
  std::string who_waits_where() const;

  const char *kernel_ = "";
  Geometry geometry_;
  void (*body_)(void *) = nullptr;
  void *closure_ = nullptr;
  std::vector<std::unique_ptr<Lane>> lanes_;
  int started_ = 0;  // lanes whose fibers idle at the top of lane_body
  Random random_ = {0};
  unsigned shared_start_ = 0;
  uint32_t ready_[kWarps] = {};
  std::vector<uint32_t> order_;  // of warps, first goes first
  bool by_order_ = false;
  int unended_ = 0;
  Barrier barriers_[kBarriers];
  uint32_t meeting_[kWarps] = {};    // lanes that wait in meet
  Order warp_orders_[kWarps][kWarp];  // by the first lane of the mask
  char launch_order_ = 0, end_order_ = 0;
  std::vector<Shared> shared_;   // of this block; the first is the dynamic one
  std::vector<Shared> retired_;  // of earlier blocks: ThreadSanitizer must not see an address twice in a launch
};

Engine &engine();  // of this host thread

std::string print(const char *format, ...) __attribute__((format(printf, 1, 2)));
std::string name_of(Site at);

}  // namespace simcse::cuda::emulator
