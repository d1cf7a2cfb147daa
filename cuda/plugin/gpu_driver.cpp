// A GPU under NVIDIA's driver, in the caller's context or in its primary one, which is that of the CUDA runtime too:
// memory and streams of that context can be handed over as they are. The runtime, which launches the kernels, works in
// the context that is current.
#include <cuda_runtime_api.h>

#include "../../native/src/failure.hpp"
#include "driver.hpp"
#include "gpu.hpp"

namespace simcse::cuda::plugin {

namespace {

CUdeviceptr address(const void *memory) { return reinterpret_cast<CUdeviceptr>(memory); }

class DriverGpu : public Gpu {
 public:
  DriverGpu(const Driver &driver, CUdevice device, CUcontext context)
      : d(driver), device_(device), context_(context), lent_(context != nullptr) {
    char name[128] = {};
    check(d.device_name(name, sizeof name, device));
    name_ = name;
    major_ = attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
    minor_ = attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
    if (major_ < 8) {
      fail(SIMCSE_NO_DEVICE, "%s has compute capability %d.%d; it takes 8.0 (Ampere) or newer, or open \"cpu\"", name,
           major_, minor_);
    }
    if (lent_) {
      require_of_device();
    } else {
      check(d.context_retain(&context_, device));
    }
  }
  ~DriverGpu() override {
    if (!lent_) d.context_release(device_);
  }

  void enter() override { check(d.context_push(context_)); }
  void leave() override {
    CUcontext popped;
    d.context_pop(&popped);
  }

  std::string tier() const override { return "sm_" + std::to_string(major_ * 10 + minor_); }
  std::string description() const override {
    int version = 0;
    d.version(&version);
    return name_ + ", " + std::to_string(attribute(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)) +
           " multiprocessors, driver for CUDA " + std::to_string(version / 1000) + "." +
           std::to_string(version % 1000 / 10);
  }
  bool takes_cublaslt() const override { return true; }
  Amount memory() override {
    size_t free = 0, total = 0;
    check(d.memory_info(&free, &total));
    return {static_cast<int64_t>(total), static_cast<int64_t>(free)};
  }
  std::string text_of(Fault fault) override {
    const cudaError_t error = static_cast<cudaError_t>(fault);
    return std::string("CUDA error ") + cudaGetErrorName(error) + " (" + std::to_string(fault) + ", " +
           cudaGetErrorString(error) + ")";
  }

  void *allocate(int64_t bytes) override {
    CUdeviceptr memory = 0;
    const CUresult result = d.allocate(&memory, static_cast<size_t>(bytes));
    if (result == CUDA_ERROR_OUT_OF_MEMORY) return nullptr;
    check(result);
    return reinterpret_cast<void *>(memory);
  }
  void free(void *memory, int64_t) override { check(d.free(address(memory))); }
  void *allocate_pinned(int64_t bytes) override {
    void *memory = nullptr;
    const CUresult result = d.allocate_pinned(&memory, static_cast<size_t>(bytes), CU_MEMHOSTALLOC_PORTABLE);
    if (result == CUDA_ERROR_OUT_OF_MEMORY) return nullptr;
    check(result);
    return memory;
  }
  void free_pinned(void *memory) override { check(d.free_pinned(memory)); }

  void zero(Stream stream, void *memory, int64_t bytes) override {
    check(d.set_bytes(address(memory), 0, static_cast<size_t>(bytes), stream));
  }
  void copy_to_device(Stream stream, void *to, const void *host, int64_t bytes) override {
    check(d.copy_to_device(address(to), host, static_cast<size_t>(bytes), stream));
  }
  void copy_to_host(Stream stream, void *host, const void *from, int64_t bytes) override {
    check(d.copy_to_host(host, address(from), static_cast<size_t>(bytes), stream));
  }

  void launching(Stream) override {}

  void adopt(Stream stream) override {
    CUcontext context = nullptr;
    if (d.stream_context(stream, &context) != CUDA_SUCCESS || context != context_) {
      fail(SIMCSE_INVALID_ARGUMENT, "options.stream is no stream of %s",
           lent_ ? "options.context" : "the primary context, and options.context is null");
    }
  }
  Stream open_stream() override {
    Stream stream;
    check(d.stream_create(&stream, CU_STREAM_NON_BLOCKING));
    return stream;
  }
  void close_stream(Stream stream) override { check(d.stream_destroy(stream)); }
  void synchronize(Stream stream) override { check(d.stream_synchronize(stream)); }

  Event open_event() override {
    Event event;
    check(d.event_create(&event, CU_EVENT_DEFAULT));
    return event;
  }
  void close_event(Event event) override { check(d.event_destroy(event)); }
  void record(Stream stream, Event event) override { check(d.event_record(event, stream)); }
  void wait(Stream stream, Event event) override { check(d.stream_wait(stream, event, 0)); }
  void synchronize(Event event) override { check(d.event_synchronize(event)); }
  float milliseconds(Event from, Event to) override {
    float time = 0;
    check(d.event_synchronize(from));
    check(d.event_synchronize(to));
    check(d.event_elapsed(&time, from, to));
    return time;
  }

  // Relaxed: what is first used while recording, such as a kernel's code, may be loaded meanwhile.
  void begin_recording(Stream stream) override { check(d.capture_begin(stream, CU_STREAM_CAPTURE_MODE_RELAXED)); }
  void launch_recording(Stream stream, Graph *graph) override {
    CUgraph recorded = nullptr;
    check(d.capture_end(stream, &recorded));
    const CUresult result = launch(stream, recorded, graph);
    d.graph_destroy(recorded);
    check(result);
  }
  void drop_recording(Stream stream) override {
    CUgraph recorded = nullptr;
    // An error that made the recording invalid was reported where it came up.
    if (d.capture_end(stream, &recorded) == CUDA_SUCCESS) d.graph_destroy(recorded);
  }
  void close_graph(Graph graph) override { check(d.graph_close(graph)); }

 private:
  CUresult launch(Stream stream, CUgraph recorded, Graph *graph) {
    CUgraphExecUpdateResultInfo info = {};
    if (*graph != nullptr && d.graph_update(*graph, recorded, &info) != CUDA_SUCCESS) {
      // Other kernels than before, or in another order. The old graph may still be running; the driver waits for that.
      d.graph_close(*graph);
      *graph = nullptr;
    }
    if (*graph == nullptr) {
      const CUresult result = d.graph_instantiate(graph, recorded, 0);
      if (result != CUDA_SUCCESS) {
        *graph = nullptr;
        return result;
      }
    }
    return d.graph_launch(*graph, stream);
  }

  static void check(CUresult result) { driver_checked(result); }
  void require_of_device() {
    if (d.context_push(context_) != CUDA_SUCCESS) fail(SIMCSE_INVALID_ARGUMENT, "options.context is no open context");
    CUdevice found = device_;
    const CUresult result = d.context_device(&found);
    leave();
    check(result);
    if (found != device_) {
      fail(SIMCSE_INVALID_ARGUMENT, "options.context is one of cuda:%d, not of cuda:%d", found, device_);
    }
  }
  int attribute(CUdevice_attribute which) const {
    int value = 0;
    check(d.device_attribute(&value, which, device_));
    return value;
  }

  const Driver &d;
  CUdevice device_;
  CUcontext context_;
  bool lent_;  // context_ is the caller's
  std::string name_;
  int major_ = 0, minor_ = 0;
};

}  // namespace

std::unique_ptr<Gpu> open_gpu(int number, void *context) {
  const Driver &d = driver();
  int count = 0;
  driver_checked(d.device_count(&count));
  if (number >= count) {
    fail(SIMCSE_NO_DEVICE,
         "there is no cuda:%d: the driver finds %d GPU%s, from cuda:0 on; see nvidia-smi, and whether "
         "CUDA_VISIBLE_DEVICES hides it",
         number, count, count == 1 ? "" : "s");
  }
  CUdevice device;
  driver_checked(d.device_get(&device, number));
  return std::make_unique<DriverGpu>(d, device, static_cast<CUcontext>(context));
}

}  // namespace simcse::cuda::plugin
