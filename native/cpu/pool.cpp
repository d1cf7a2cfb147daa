// A fixed set of threads that runs the tasks of one operation at a time.
//
// A job is published behind a door: one word with a bit for "open" and the number of workers inside. Workers come in
// while it is open, claim tasks from a shared counter, and leave. The caller works too; once no task is left it closes
// the door and waits for those inside alone. So a worker that the system has not woken yet, or has taken off its core,
// delays nobody.
#include "pool.hpp"

#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace simcse::cpu {

namespace {

// A thread looks for the next job, or for the end of this one, for some 20 us before it sleeps: the operations of a
// training step follow each other faster than that, and a sleeping thread takes about 50 us to come back. Near the end
// it offers its core to others.
constexpr int kPauses = 400;
constexpr int kYields = 16;

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

template <typename Condition>
bool spin_until(const Condition &condition) {
  for (int i = 0; i < kPauses; i++) {
    if (condition()) return true;
    pause();
  }
  for (int i = 0; i < kYields; i++) {
    if (condition()) return true;
    sched_yield();
  }
  return condition();
}

constexpr uint32_t kOpen = 1;
constexpr uint32_t kWorker = 2;

}  // namespace

struct Pool::State {
  // Each on a cache line of its own: tasks are claimed while the others are watched.
  alignas(64) std::atomic<int64_t> next{0};
  alignas(64) std::atomic<uint32_t> door{0};
  std::atomic<bool> caller_sleeps{false};
  alignas(64) std::atomic<uint32_t> job{0};
  std::atomic<int> sleepers{0};
  std::atomic<bool> stop{false};

  // Of the job; written while the door is closed and nobody is inside.
  alignas(64) int64_t tasks = 0;
  Body body = nullptr;
  void *argument = nullptr;

  std::mutex mutex;
  std::condition_variable wake;
  std::condition_variable idle;
  std::vector<std::thread> workers;

  void work(int thread);
  bool enter();
  void leave();
  void claim(int thread);
  uint32_t next_job(uint32_t seen);
  void start(int64_t count);
  void finish();
  void end();
};

void Pool::State::claim(int thread) {
  for (;;) {
    int64_t task = next.fetch_add(1, std::memory_order_relaxed);
    if (task >= tasks) return;
    body(argument, task, thread);
  }
}

bool Pool::State::enter() {
  uint32_t seen = door.load();
  while (seen & kOpen) {
    if (door.compare_exchange_weak(seen, seen + kWorker)) return true;
  }
  return false;
}

void Pool::State::leave() {
  if (door.fetch_sub(kWorker) - kWorker != 0 || !caller_sleeps.load()) return;
  std::lock_guard<std::mutex> lock(mutex);
  idle.notify_one();
}

uint32_t Pool::State::next_job(uint32_t seen) {
  auto changed = [&] { return job.load() != seen || stop.load(); };
  if (!spin_until(changed)) {
    std::unique_lock<std::mutex> lock(mutex);
    sleepers++;
    wake.wait(lock, changed);
    sleepers--;
  }
  return job.load();
}

void Pool::State::work(int thread) {
  uint32_t seen = 0;
  for (;;) {
    seen = next_job(seen);
    if (stop.load()) return;
    if (!enter()) continue;
    claim(thread);
    leave();
  }
}

void Pool::State::start(int64_t count) {
  next.store(0, std::memory_order_relaxed);
  door.store(kOpen);
  job.fetch_add(1);
  if (sleepers.load() == 0) return;
  { std::lock_guard<std::mutex> lock(mutex); }
  if (count > (int64_t)workers.size()) {
    wake.notify_all();
  } else {
    for (int64_t i = 1; i < count; i++) wake.notify_one();
  }
}

void Pool::State::finish() {
  door.fetch_sub(kOpen);
  auto empty = [&] { return door.load() == 0; };
  if (spin_until(empty)) return;
  std::unique_lock<std::mutex> lock(mutex);
  caller_sleeps.store(true);
  idle.wait(lock, empty);
  caller_sleeps.store(false);
}

void Pool::State::end() {
  {
    std::lock_guard<std::mutex> lock(mutex);
    stop.store(true);
  }
  wake.notify_all();
  for (std::thread &worker : workers) worker.join();
}

Pool::Pool(int threads) : state_(new State) {
  // Signals are for the threads of the program: a JVM, for one, uses some of its own.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    for (int thread = 1; thread < threads; thread++) {
      state_->workers.emplace_back(&State::work, state_.get(), thread);
      std::string name = "simcse-" + std::to_string(thread);
      pthread_setname_np(state_->workers.back().native_handle(), name.c_str());
    }
  } catch (...) {
    state_->end();
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    throw;
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Pool::~Pool() { state_->end(); }

int Pool::threads() const { return 1 + (int)state_->workers.size(); }

void Pool::run(int64_t tasks, Body body, void *argument) {
  if (tasks <= 1 || state_->workers.empty()) {
    for (int64_t task = 0; task < tasks; task++) body(argument, task, 0);
    return;
  }
  state_->tasks = tasks;
  state_->body = body;
  state_->argument = argument;
  state_->start(tasks);
  state_->claim(0);
  state_->finish();
}

}  // namespace simcse::cpu
