#include "driver.hpp"

#include <dlfcn.h>

#include <mutex>

#include "../../native/src/failure.hpp"

namespace simcse::cuda::plugin {

namespace {

// The first driver that runs what this toolkit makes: any of the same major version does.
constexpr int kMajor = CUDA_VERSION / 1000;
constexpr const char *kFirstDriver = kMajor >= 13 ? "580" : "525";

template <typename Function>
void find(void *library, Function &function, const char *name) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  if (function != nullptr) return;
  fail(SIMCSE_NO_DEVICE, "the CUDA driver is too old: it has no %s; install NVIDIA driver %s or newer", name,
       kFirstDriver);
}

Driver entries(void *library) {
  Driver d;
  find(library, d.init, "cuInit");
  find(library, d.version, "cuDriverGetVersion");
  find(library, d.error_name, "cuGetErrorName");
  find(library, d.error_string, "cuGetErrorString");
  find(library, d.device_count, "cuDeviceGetCount");
  find(library, d.device_get, "cuDeviceGet");
  find(library, d.device_name, "cuDeviceGetName");
  find(library, d.device_attribute, "cuDeviceGetAttribute");
  find(library, d.context_retain, "cuDevicePrimaryCtxRetain");
  find(library, d.context_release, "cuDevicePrimaryCtxRelease_v2");
  find(library, d.context_push, "cuCtxPushCurrent_v2");
  find(library, d.context_pop, "cuCtxPopCurrent_v2");
  find(library, d.context_device, "cuCtxGetDevice");
  find(library, d.memory_info, "cuMemGetInfo_v2");
  find(library, d.allocate, "cuMemAlloc_v2");
  find(library, d.free, "cuMemFree_v2");
  find(library, d.allocate_pinned, "cuMemHostAlloc");
  find(library, d.free_pinned, "cuMemFreeHost");
  find(library, d.set_bytes, "cuMemsetD8Async");
  find(library, d.copy_to_device, "cuMemcpyHtoDAsync_v2");
  find(library, d.copy_to_host, "cuMemcpyDtoHAsync_v2");
  find(library, d.stream_create, "cuStreamCreate");
  find(library, d.stream_destroy, "cuStreamDestroy_v2");
  find(library, d.stream_context, "cuStreamGetCtx");
  find(library, d.stream_synchronize, "cuStreamSynchronize");
  find(library, d.stream_wait, "cuStreamWaitEvent");
  find(library, d.event_create, "cuEventCreate");
  find(library, d.event_destroy, "cuEventDestroy_v2");
  find(library, d.event_record, "cuEventRecord");
  find(library, d.event_synchronize, "cuEventSynchronize");
  find(library, d.event_elapsed, "cuEventElapsedTime");
  find(library, d.capture_begin, "cuStreamBeginCapture_v2");
  find(library, d.capture_end, "cuStreamEndCapture");
  find(library, d.graph_destroy, "cuGraphDestroy");
  find(library, d.graph_instantiate, "cuGraphInstantiateWithFlags");
  find(library, d.graph_update, "cuGraphExecUpdate_v2");
  find(library, d.graph_launch, "cuGraphLaunch");
  find(library, d.graph_close, "cuGraphExecDestroy");
  return d;
}

std::string text_of(const Driver &d, CUresult result) {
  const char *name = nullptr, *text = nullptr;
  d.error_name(result, &name);
  d.error_string(result, &text);
  return std::string(name == nullptr ? "an unknown error" : name) + " (" + std::to_string(result) +
         (text == nullptr ? "" : std::string(", ") + text) + ")";
}

Driver open() {
  void *const library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    fail(SIMCSE_NO_DEVICE, "no CUDA driver: libcuda.so.1 is not there; install the NVIDIA driver");
  }
  const Driver d = entries(library);
  int version = 0;
  if (d.version(&version) == CUDA_SUCCESS && version / 1000 < kMajor) {
    fail(SIMCSE_NO_DEVICE,
         "the NVIDIA driver is too old: it knows CUDA %d.%d, and this libsimcse_cuda.so was built with CUDA %d; "
         "install driver %s or newer",
         version / 1000, version % 1000 / 10, kMajor, kFirstDriver);
  }
  const CUresult result = d.init(0);
  if (result == CUDA_ERROR_NO_DEVICE) {
    fail(SIMCSE_NO_DEVICE, "the NVIDIA driver finds no GPU; see nvidia-smi, and whether CUDA_VISIBLE_DEVICES hides it");
  }
  if (result != CUDA_SUCCESS) {
    fail(SIMCSE_NO_DEVICE, "the NVIDIA driver cannot be used: %s; see whether nvidia-smi works",
         text_of(d, result).c_str());
  }
  return d;
}

}  // namespace

const Driver &driver() {
  static std::mutex mutex;
  static const Driver *opened = nullptr;
  std::lock_guard<std::mutex> lock(mutex);
  if (opened == nullptr) opened = new Driver(open());
  return *opened;
}

void driver_checked(CUresult result) {
  if (result == CUDA_SUCCESS) return;
  throw Failure{SIMCSE_DEVICE_FAULT, "CUDA error " + text_of(driver(), result)};
}

}  // namespace simcse::cuda::plugin
