// The emulator as a GPU: its memory is that of the process. What is asked for on a stream, kernels too, is done when
// somebody waits for it, or some time before, as a seeded generator draws it: of several streams, one may be far ahead
// of the others. So whoever forgets to wait for work, on the host or on another stream, finds the bytes before it, or
// finds them overwritten.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <random>
#include <vector>

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
  bool records = false;
  std::vector<std::function<void()>> recorded;

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

// A place in a line, which outlives a stream that is closed.
struct Mark {
  std::shared_ptr<Line> line;
  uint64_t position = 0;
  Clock::time_point time;

  void reach() const { line->run_to(position); }
};

// Its last mark, if any.
struct Recorded {
  std::shared_ptr<Mark> mark;

  void reach() const {
    if (mark != nullptr) mark->reach();
  }
};

class EmulatedGpu : public Gpu, private emulator::Streams {
 public:
  void enter() override {
    before_.push_back(emulator::streams());
    emulator::streams() = this;
  }
  void leave() override {
    emulator::streams() = before_.back();
    before_.pop_back();
  }

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
  // A library that multiplies at once comes after all that was asked for before.
  void launching(Stream stream) override {
    if (at_once(stream)) synchronize(stream);
  }

  // Of another library, which does its own work on it at once: this does too.
  void adopt(Stream stream) override {
    lent_ = stream;
    lines_.push_back(lent_line_);
  }
  Stream open_stream() override {
    auto *const line = new std::shared_ptr<Line>(new Line);
    lines_.push_back(*line);
    return reinterpret_cast<Stream>(line);
  }
  void close_stream(Stream stream) override {
    synchronize(stream);
    lines_.erase(std::find(lines_.begin(), lines_.end(), of(stream)));
    delete &of(stream);
  }
  void synchronize(Stream stream) override {
    refuse_recording(stream, "waiting for it");
    of(stream)->run_to(of(stream)->asked());
  }

  Event open_event() override { return reinterpret_cast<Event>(new Recorded); }
  void close_event(Event event) override { delete &of(event); }
  void record(Stream stream, Event event) override {
    refuse_recording(stream, "an event on it");
    const auto mark = std::make_shared<Mark>();
    // Known before the mark can be reached.
    mark->line = of(stream);
    mark->position = of(stream)->asked() + 1;
    of(event).mark = mark;
    ask(stream, [mark] { mark->time = Clock::now(); });
  }
  void wait(Stream stream, Event event) override {
    refuse_recording(stream, "an event for it");
    ask(stream, [recorded = of(event)] { recorded.reach(); });
  }
  void synchronize(Event event) override { of(event).reach(); }
  float milliseconds(Event from, Event to) override {
    of(from).reach();
    of(to).reach();
    return std::chrono::duration<float, std::milli>(of(to).mark->time - of(from).mark->time).count();
  }

  // Where work is done at once there is nothing to record.
  void begin_recording(Stream stream) override { of(stream)->records = !at_once(stream); }
  void launch_recording(Stream stream, Graph *) override {
    std::vector<std::function<void()>> graph = std::move(of(stream)->recorded);
    drop_recording(stream);
    for (std::function<void()> &work : graph) ask(stream, std::move(work));
  }
  void drop_recording(Stream stream) override {
    of(stream)->records = false;
    of(stream)->recorded.clear();
  }
  void close_graph(Graph) override {}

 private:
  std::shared_ptr<Line> &of(Stream stream) {
    return stream == lent_ ? lent_line_ : *reinterpret_cast<std::shared_ptr<Line> *>(stream);
  }
  static Recorded &of(Event event) { return *reinterpret_cast<Recorded *>(event); }
  bool at_once(Stream stream) const { return stream == lent_ || takes_cublaslt(); }
  static void refuse_recording(const std::shared_ptr<Line> &line, const char *what) {
    if (line->records) fail(SIMCSE_DEVICE_FAULT, "the stream is being recorded, and %s was asked for", what);
  }
  void refuse_recording(Stream stream, const char *what) { refuse_recording(of(stream), what); }

  bool keep(Stream stream, std::function<Fault()> launch) override {
    if (at_once(stream)) return false;
    ask(stream, [launch = std::move(launch)] {
      if (launch() != 0) throw Failure{SIMCSE_DEVICE_FAULT, emulator::fault()};
    });
    return true;
  }
  void ask(Stream stream, std::function<void()> work) {
    Line &line = *of(stream);
    if (line.records) {
      line.recorded.push_back(std::move(work));
      return;
    }
    line.waiting.push_back(std::move(work));
    if (stream == lent_) synchronize(stream);
    go_ahead();
  }
  // Some of the work of some stream is done.
  void go_ahead() {
    if (random_() % 4 != 0 || lines_.empty()) return;
    Line &some = *lines_[random_() % lines_.size()];
    some.run_to(some.done + random_() % (some.waiting.size() + 1));
  }
  void synchronize() {
    for (const auto &line : lines_) line->run_to(line->asked());
  }

  std::vector<std::shared_ptr<Line>> lines_;  // of open streams
  Stream lent_ = nullptr;
  std::shared_ptr<Line> lent_line_ = std::make_shared<Line>();
  std::vector<emulator::Streams *> before_;
  std::mt19937 random_;
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
