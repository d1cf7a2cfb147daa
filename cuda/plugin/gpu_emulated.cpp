// The emulator as a GPU: its memory is that of the process, and all work is done when a call returns.
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>

#include "../../native/src/failure.hpp"
#include "../emulator/emulator.hpp"
#include "gpu.hpp"

namespace simcse::cuda::plugin {

namespace {

using Clock = std::chrono::steady_clock;

class EmulatedGpu : public Gpu {
 public:
  void enter() override {}
  void leave() override {}

  std::string tier() const override { return "emulated"; }
  std::string description() const override { return "no GPU but an emulation of one, for tests"; }
  // Whose cuBLASLt reads host memory: a test's.
  bool takes_cublaslt() const override { return std::getenv("SIMCSE_EMULATED_CUBLASLT") != nullptr; }
  Amount memory() override {
    const int64_t page = sysconf(_SC_PAGESIZE);
    return {sysconf(_SC_PHYS_PAGES) * page, sysconf(_SC_AVPHYS_PAGES) * page};
  }
  std::string text_of(Fault) override { return emulator::fault(); }

  void *allocate(int64_t bytes) override {
    void *const memory =
        mmap(nullptr, static_cast<size_t>(bytes), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? nullptr : memory;
  }
  void free(void *memory, int64_t bytes) override { munmap(memory, static_cast<size_t>(bytes)); }
  void *allocate_pinned(int64_t bytes) override { return std::malloc(static_cast<size_t>(bytes)); }
  void free_pinned(void *memory) override { std::free(memory); }

  void zero(Stream, void *memory, int64_t bytes) override { std::memset(memory, 0, static_cast<size_t>(bytes)); }
  void copy_to_device(Stream, void *to, const void *host, int64_t bytes) override {
    std::memmove(to, host, static_cast<size_t>(bytes));
  }
  void copy_to_host(Stream, void *host, const void *from, int64_t bytes) override {
    std::memmove(host, from, static_cast<size_t>(bytes));
  }

  void adopt(Stream) override {}
  Stream open_stream() override { return reinterpret_cast<Stream>(new char); }
  void close_stream(Stream stream) override { delete reinterpret_cast<char *>(stream); }
  void synchronize(Stream) override {}

  Event open_event() override { return reinterpret_cast<Event>(new Clock::time_point()); }
  void close_event(Event event) override { delete time_of(event); }
  void record(Stream, Event event) override { *time_of(event) = Clock::now(); }
  void wait(Stream, Event) override {}
  void synchronize(Event) override {}
  float milliseconds(Event from, Event to) override {
    return std::chrono::duration<float, std::milli>(*time_of(to) - *time_of(from)).count();
  }

 private:
  static Clock::time_point *time_of(Event event) { return reinterpret_cast<Clock::time_point *>(event); }
};

}  // namespace

// It has no contexts: one of a caller is as good as another.
std::unique_ptr<Gpu> open_gpu(int number, void *) {
  if (number != 0) {
    fail(SIMCSE_NO_DEVICE, "there is no cuda:%d: this libsimcse_cuda.so emulates one GPU; open \"cuda:0\"", number);
  }
  return std::make_unique<EmulatedGpu>();
}

}  // namespace simcse::cuda::plugin
