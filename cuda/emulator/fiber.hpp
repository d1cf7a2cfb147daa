// A stack of its own that computes until it gives way, for one lane of the emulator.
#pragma once

#include <cstddef>

namespace simcse::cuda::emulator {

class Fiber {
 public:
  Fiber() = default;
  ~Fiber();
  Fiber(const Fiber &) = delete;
  Fiber &operator=(const Fiber &) = delete;

  // From the next resume on this fiber runs body(argument), which must not return. What ran here before is given up
  // where it stands: its stack is not unwound.
  void start(void (*body)(void *), void *argument);
  // Runs the fiber until it pauses. Not from within a fiber.
  void resume();
  // Of the fiber that runs now: back to who resumed it.
  void pause();

  struct Context;

 private:
  Context *context_ = nullptr;
};

}  // namespace simcse::cuda::emulator
