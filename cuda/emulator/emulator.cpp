// Launches: the order of blocks and lanes, and the faults that end them.
#include "emulator.hpp"

#include <cstdarg>
#include <cstdio>

#include "engine.hpp"

namespace simcse::cuda::emulator {

__thread Position position;

Engine &engine() {
  static thread_local Engine it;
  return it;
}

static std::string print_list(const char *format, va_list arguments) {
  char text[512];
  std::vsnprintf(text, sizeof text, format, arguments);
  return text;
}

std::string print(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  std::string text = print_list(format, arguments);
  va_end(arguments);
  return text;
}

std::string name_of(Site at) {
  const char *slash = std::strrchr(at.file, '/');
  return print("%s:%d", slash == nullptr ? at.file : slash + 1, at.line);
}

// --- launch and scheduling ---

void Engine::lane_body(void *argument) {
  Lane &lane = *static_cast<Lane *>(argument);
  Engine &it = engine();
  for (;;) {
    acquire(&it.launch_order_);
    it.body_(it.closure_);
    if (!lane.copies.empty()) it.stop(print("lane %d ends before its asynchronous copies have arrived", lane.index));
    if (lane.products.in_flight()) it.stop(print("lane %d ends before its products are there", lane.index));
    lane.state = State::ended;
    it.unended_--;
    it.give_way();
  }
}

bool Engine::accept(const char *kernel, const Geometry &geometry) {
  kernel_ = kernel;
  fault.clear();
  if (geometry.threads == 0 || geometry.threads > 1024 || geometry.threads % kWarp != 0) {
    fault = print("%s: %u threads a block; it takes 32 to 1024, in whole warps", kernel_, geometry.threads);
  } else if (geometry.x == 0 || geometry.x > 0x7fffffffu || geometry.y == 0 || geometry.y > 65535 || geometry.z == 0 ||
             geometry.z > 65535) {
    fault = print("%s: a grid of %u x %u x %u blocks", kernel_, geometry.x, geometry.y, geometry.z);
  } else if (geometry.shared > settings.shared_limit) {
    fault = print("%s: %u bytes of shared memory, above the limit of %u", kernel_, geometry.shared,
                  settings.shared_limit);
  }
  return fault.empty();
}

Fault Engine::run(const char *kernel, const Geometry &geometry, void (*body)(void *), void *closure) {
  if (!accept(kernel, geometry)) return 1;
  geometry_ = geometry;
  body_ = body;
  closure_ = closure;
  random_.state = settings.seed * 0x9E3779B97F4A7C15u;
  shared_start_ = 1024 + 128 * static_cast<unsigned>(settings.seed % 8);
  start_lanes();
  release(&launch_order_);
  std::vector<uint32_t> blocks(static_cast<std::size_t>(geometry.x) * geometry.y * geometry.z);
  for (std::size_t i = 0; i < blocks.size(); i++) blocks[i] = static_cast<uint32_t>(i);
  random_.shuffle(blocks);
  for (std::size_t i = 0; i < blocks.size() && fault.empty(); i++) run_block(blocks[i]);
  acquire(&end_order_);
  retired_.clear();
  if (!fault.empty()) started_ = 0;
  return fault.empty() ? 0 : 1;
}

void Engine::start_lanes() {
  const int threads = static_cast<int>(geometry_.threads);
  while (static_cast<int>(lanes_.size()) < threads) {
    lanes_.push_back(std::make_unique<Lane>());
    lanes_.back()->index = static_cast<int>(lanes_.size()) - 1;
  }
  for (; started_ < threads; started_++) {
    Lane &lane = *lanes_[static_cast<std::size_t>(started_)];
    lane.copies.clear();
    lane.fiber.start(lane_body, &lane);
  }
}

void Engine::run_block(uint32_t block) {
  position.threads = static_cast<int>(geometry_.threads);
  position.grid[0] = static_cast<int>(geometry_.x);
  position.grid[1] = static_cast<int>(geometry_.y);
  position.grid[2] = static_cast<int>(geometry_.z);
  position.block[0] = static_cast<int>(block % geometry_.x);
  position.block[1] = static_cast<int>(block / geometry_.x % geometry_.y);
  position.block[2] = static_cast<int>(block / geometry_.x / geometry_.y);
  shared_.emplace_back(nullptr, geometry_.shared);
  for (Barrier &barrier : barriers_) barrier.arrived = 0;
  std::memset(ready_, 0, sizeof ready_);
  std::memset(meeting_, 0, sizeof meeting_);
  unended_ = position.threads;
  order_.clear();
  for (int warp = 0; warp < position.threads / kWarp; warp++) order_.push_back(static_cast<uint32_t>(warp));
  asynchronous.start_block();
  for (int i = 0; i < position.threads; i++) {
    lanes_[static_cast<std::size_t>(i)]->group = 0;
    lanes_[static_cast<std::size_t>(i)]->products.start_block();
    make_ready(*lanes_[static_cast<std::size_t>(i)]);
  }
  draw_order();
  release(&launch_order_);
  while (unended_ > 0 && fault.empty()) {
    int thread;
    if (asynchronous.copies_in_flight() && random_.below(4) == 0 && asynchronous.arrive(random_.next())) continue;
    if (!pick(&thread)) {
      if (asynchronous.arrive(random_.next())) continue;
      stop("lanes wait for each other: " + who_waits_where());
      break;
    }
    position.thread = thread;
    ready_[thread / kWarp] &= ~(1u << thread % kWarp);
    lanes_[static_cast<std::size_t>(thread)]->fiber.resume();
  }
  if (asynchronous.copies_in_flight()) stop("the block ends before its bulk copies have arrived");
  for (const Shared &shared : shared_) {
    if (fault.empty() && !shared.guards_hold()) {
      stop(print("a lane wrote outside the %zu bytes of its %s shared memory", shared.bytes(),
                 shared.key() == nullptr ? "dynamic" : "static"));
    }
  }
  if (__tsan_acquire) {
    for (Shared &shared : shared_) retired_.push_back(std::move(shared));
  }
  shared_.clear();
}

// Half of the time the first warp of the order goes as far as it can, which shows barriers missing between warps; else
// warps take turns at random, which shows those missing within.
bool Engine::pick(int *thread) {
  const uint32_t count = static_cast<uint32_t>(order_.size());
  const uint32_t first = by_order_ ? 0 : random_.below(count);
  for (uint32_t i = 0; i < count; i++) {
    const uint32_t warp = order_[(first + i) % count];
    if (ready_[warp] == 0) continue;
    const uint32_t turn = random_.next() & 31;
    const uint32_t turned = ready_[warp] >> turn | ready_[warp] << ((32 - turn) & 31);
    *thread = static_cast<int>(warp * kWarp + ((static_cast<uint32_t>(__builtin_ctz(turned)) + turn) & 31));
    return true;
  }
  return false;
}

void Engine::draw_order() {
  random_.shuffle(order_);
  by_order_ = random_.below(2) == 0;
}

void Engine::make_ready(Lane &lane) {
  lane.state = State::ready;
  ready_[lane.index / kWarp] |= 1u << lane.index % kWarp;
}

// --- faults ---

std::string Engine::block_name() const {
  return print("%s, block (%d, %d, %d)", kernel_, position.block[0], position.block[1], position.block[2]);
}

void Engine::stop(const std::string &text) {
  if (fault.empty()) fault = block_name() + ": " + text;
}

void Engine::stop_at(Site at, const std::string &text) {
  stop(print("lane %d at %s: ", position.thread, name_of(at).c_str()) + text);
}

// Back to the scheduler for good. The stack is not unwound, so nothing on it may own memory.
void Engine::abandon() {
  give_way();
  __builtin_trap();
}

std::string Engine::who_waits_where() const {
  std::string text;
  std::string previous;
  int from = 0;
  for (int i = 0; i <= position.threads; i++) {
    std::string now;
    if (i < position.threads) {
      const Lane &lane = *lanes_[static_cast<std::size_t>(i)];
      now = lane.state == State::ended   ? "ended"
            : lane.state == State::ready ? "can go on"
            : lane.state == State::blocks ? print("wait for what others do, %s", name_of(lane.at).c_str())
            : lane.state == State::waits
                ? print("wait at barrier %d, %s", lane.barrier, name_of(lane.at).c_str())
                : print("wait at %s of lanes %08x, %s", lane.what, lane.mask, name_of(lane.at).c_str());
    }
    if (i > 0 && now != previous) {
      text += text.empty() ? "" : "; ";
      text += print(from == i - 1 ? "lane %d " : "lanes %d to %d ", from, i - 1) + previous;
      from = i;
    }
    previous = now;
  }
  return text;
}

Settings &settings() { return engine().settings; }

const char *fault() { return engine().fault.c_str(); }

Streams *&streams() {
  static thread_local Streams *it = nullptr;
  return it;
}

Fault check(const char *kernel, const Geometry &geometry) { return engine().accept(kernel, geometry) ? 0 : 1; }

Fault run(const char *kernel, const Geometry &geometry, void (*body)(void *), void *closure) {
  return engine().run(kernel, geometry, body, closure);
}

void fail(Site at, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  engine().stop_at(at, print_list(format, arguments));
  va_end(arguments);
  engine().abandon();
}

}  // namespace simcse::cuda::emulator
