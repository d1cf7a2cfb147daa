// A fixed set of threads that runs the tasks of one operation at a time.
#pragma once

#include <cstdint>
#include <memory>

namespace simcse::cpu {

class Pool {
 public:
  using Body = void (*)(void *argument, int64_t task, int thread);

  // `threads` compute, the caller of run among them. Throws std::system_error where they cannot be started.
  explicit Pool(int threads);
  ~Pool();
  Pool(const Pool &) = delete;
  Pool &operator=(const Pool &) = delete;

  int threads() const;
  void run(int64_t tasks, Body body, void *argument);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace simcse::cpu
