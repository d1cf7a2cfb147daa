// What the plug-in needs of a GPU: memory, copies, streams and events. gpu_driver.cpp has it from NVIDIA's driver,
// gpu_emulated.cpp from the memory of this process; one of them is linked. Functions throw Failure, whose text does
// not name the operation yet.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "../launch.hpp"

struct CUevent_st;
struct CUgraphExec_st;

namespace simcse::cuda::plugin {

using Event = ::CUevent_st *;
using Graph = ::CUgraphExec_st *;

struct Amount {
  int64_t total, free;  // bytes
};

class Gpu {
 public:
  virtual ~Gpu() = default;

  // Makes this GPU the calling thread's until leave(), which brings back what was the thread's before.
  virtual void enter() = 0;
  virtual void leave() = 0;

  virtual std::string tier() const = 0;         // sm_90 ...
  virtual std::string description() const = 0;  // name and driver
  virtual bool takes_cublaslt() const = 0;
  virtual Amount memory() = 0;
  // Why a launch gave this fault.
  virtual std::string text_of(Fault fault) = 0;

  // Null where there is not enough.
  virtual void *allocate(int64_t bytes) = 0;
  virtual void free(void *memory, int64_t bytes) = 0;
  // Memory of the host that copies go to and from without another copy in between.
  virtual void *allocate_pinned(int64_t bytes) = 0;
  virtual void free_pinned(void *memory) = 0;

  virtual void zero(Stream stream, void *memory, int64_t bytes) = 0;
  virtual void copy_to_device(Stream stream, void *to, const void *host, int64_t bytes) = 0;
  virtual void copy_to_host(Stream stream, void *host, const void *from, int64_t bytes) = 0;

  // Kernels are about to be launched on the stream.
  virtual void launching(Stream stream) = 0;

  // Throws a Failure where a stream of the caller's is not of this GPU and context.
  virtual void adopt(Stream stream) = 0;
  virtual Stream open_stream() = 0;
  virtual void close_stream(Stream stream) = 0;
  virtual void synchronize(Stream stream) = 0;

  virtual Event open_event() = 0;
  virtual void close_event(Event event) = 0;
  virtual void record(Stream stream, Event event) = 0;
  virtual void wait(Stream stream, Event event) = 0;
  virtual void synchronize(Event event) = 0;
  virtual float milliseconds(Event from, Event to) = 0;

  // What is enqueued on a stream in between is recorded in place of run.
  virtual void begin_recording(Stream stream) = 0;
  // Launches it by way of `graph`, which is brought up to date, or made anew where it is null or does not fit.
  virtual void launch_recording(Stream stream, Graph *graph) = 0;
  virtual void drop_recording(Stream stream) = 0;
  virtual void close_graph(Graph graph) = 0;
};

// Throws a Failure of SIMCSE_NO_DEVICE with the reason and the remedy where there is no such GPU. The context, a
// CUcontext of that GPU, stays the caller's; null is its primary one.
std::unique_ptr<Gpu> open_gpu(int number, void *context);

// For as long as it lives, a GPU is the calling thread's.
class Use {
 public:
  explicit Use(Gpu &gpu) : gpu_(gpu) { gpu_.enter(); }
  ~Use() { gpu_.leave(); }
  Use(const Use &) = delete;
  Use &operator=(const Use &) = delete;

 private:
  Gpu &gpu_;
};

}  // namespace simcse::cuda::plugin
