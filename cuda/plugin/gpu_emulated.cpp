// The emulator as a GPU: its memory is that of the process. Kernels are done when their launch returns; copies and fills
// wait in their stream until somebody waits for them, so that whoever forgets to does find the old bytes.
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <set>

#include "../../native/src/failure.hpp"
#include "../emulator/emulator.hpp"
#include "gpu.hpp"

namespace simcse::cuda::plugin {

namespace {

using Clock = std::chrono::steady_clock;

// Work in the order in which it was asked for.
struct Line {
  std::deque<std::function<void()>> waiting;
  uint64_t done = 0;

  uint64_t asked() const { return done + waiting.size(); }
  void run_to(uint64_t position) {
    while (done < position) {
      const std::function<void()> work = std::move(waiting.front());
      waiting.pop_front();
      done++;
      work();
    }
  }
};

// Its line outlives a stream that is closed.
struct Recorded {
  std::shared_ptr<Line> line;
  uint64_t position = 0;
  Clock::time_point time;

  void reach() const {
    if (line != nullptr) line->run_to(position);
  }
};

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
  void free(void *memory, int64_t bytes) override {
    synchronize();
    munmap(memory, static_cast<size_t>(bytes));
  }
  void *allocate_pinned(int64_t bytes) override { return std::malloc(static_cast<size_t>(bytes)); }
  void free_pinned(void *memory) override {
    synchronize();
    std::free(memory);
  }

  void zero(Stream stream, void *memory, int64_t bytes) override {
    ask(stream, [=] { std::memset(memory, 0, static_cast<size_t>(bytes)); });
  }
  void copy_to_device(Stream stream, void *to, const void *host, int64_t bytes) override {
    ask(stream, [=] { std::memmove(to, host, static_cast<size_t>(bytes)); });
  }
  void copy_to_host(Stream stream, void *host, const void *from, int64_t bytes) override {
    copy_to_device(stream, host, from, bytes);
  }
  void launching(Stream stream) override { synchronize(stream); }

  // Of another library, which does its own work on it at once: this does too.
  void adopt(Stream stream) override {
    lent_ = stream;
    lines_.insert(lent_line_);
  }
  Stream open_stream() override {
    auto *const line = new std::shared_ptr<Line>(new Line);
    lines_.insert(*line);
    return reinterpret_cast<Stream>(line);
  }
  void close_stream(Stream stream) override {
    synchronize(stream);
    lines_.erase(of(stream));
    delete &of(stream);
  }
  void synchronize(Stream stream) override { of(stream)->run_to(of(stream)->asked()); }

  Event open_event() override { return reinterpret_cast<Event>(new Recorded); }
  void close_event(Event event) override { delete &of(event); }
  void record(Stream stream, Event event) override { of(event) = {of(stream), of(stream)->asked(), Clock::now()}; }
  void wait(Stream stream, Event event) override {
    ask(stream, [recorded = of(event)] { recorded.reach(); });
  }
  void synchronize(Event event) override { of(event).reach(); }
  float milliseconds(Event from, Event to) override {
    of(from).reach();
    of(to).reach();
    return std::chrono::duration<float, std::milli>(of(to).time - of(from).time).count();
  }

  // Work is done when it is enqueued.
  void begin_recording(Stream) override {}
  void launch_recording(Stream, Graph *) override {}
  void drop_recording(Stream) override {}
  void close_graph(Graph) override {}

 private:
  std::shared_ptr<Line> &of(Stream stream) {
    return stream == lent_ ? lent_line_ : *reinterpret_cast<std::shared_ptr<Line> *>(stream);
  }
  static Recorded &of(Event event) { return *reinterpret_cast<Recorded *>(event); }
  void ask(Stream stream, std::function<void()> work) {
    of(stream)->waiting.push_back(std::move(work));
    if (stream == lent_) synchronize(stream);
  }
  void synchronize() {
    for (const auto &line : lines_) line->run_to(line->asked());
  }

  std::set<std::shared_ptr<Line>> lines_;
  Stream lent_ = nullptr;
  std::shared_ptr<Line> lent_line_ = std::make_shared<Line>();
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
