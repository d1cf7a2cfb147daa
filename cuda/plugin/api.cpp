// The plug-in's table. libsimcse calls it with arguments that it has checked and handles that it knows to be open; a
// program that uses CUDA itself may call it too, and hand over memory of the primary context and a CUstream of its own
// as a simcse_stream. build is for such programs; libsimcse has its own.
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>

#include "../../native/src/failure.hpp"
#include "operations.hpp"

namespace simcse::cuda::plugin {

namespace {

thread_local char text[1024];

const char *build() { return "simcse_cuda " SIMCSE_VERSION; }

const char *last_error() { return text; }

simcse_status failed(simcse_status status, const char *operation, const char *reason) {
  std::snprintf(text, sizeof text, "%s: %s", operation, reason);
  return status;
}

template <typename Body>
simcse_status guarded(const char *operation, const Body &body) noexcept {
  try {
    body();
    return SIMCSE_OK;
  } catch (const Failure &e) {
    return failed(e.status, operation, e.text.c_str());
  } catch (const std::bad_alloc &) {
    return failed(SIMCSE_OUT_OF_MEMORY, operation, "out of memory");
  } catch (const std::exception &e) {
    return failed(SIMCSE_DEVICE_FAULT, operation, e.what());
  }
}

Device &of(simcse_device *device) { return *reinterpret_cast<Device *>(device); }

// Work that was enqueued before may be what failed.
[[noreturn]] void rethrow(const Device &device, const Failure &e) {
  if (e.status != SIMCSE_DEVICE_FAULT || device.last.operation == nullptr) throw e;
  throw Failure{e.status, e.text + "; the last operation was " + device.last.operation + " (" + device.last.text() +
                              "), and CUDA_LAUNCH_BLOCKING=1 shows which one failed"};
}

template <typename Body>
simcse_status on(const char *operation, simcse_device *handle, const Body &body) noexcept {
  return guarded(operation, [&] {
    Device &device = of(handle);
    Use use(device.gpu());
    try {
      body(device);
    } catch (const Failure &e) {
      rethrow(device, e);
    }
  });
}

// --- devices ---

simcse_status device_open(const char *name, const simcse_device_options *options, simcse_device **device) {
  return guarded("device_open", [&] {
    const simcse_device_options given = options == nullptr ? simcse_device_options{} : *options;
    *device = reinterpret_cast<simcse_device *>(new Device(std::atoi(name + 5), given));  // behind "cuda:"
  });
}

simcse_status device_close(simcse_device *device) {
  return guarded("device_close", [&] { delete &of(device); });
}

simcse_status device_properties(simcse_device *device, simcse_device_properties *properties) {
  return on("device_properties", device, [&](Device &d) { d.properties(properties); });
}

// --- memory and weights ---

simcse_status memory_allocate(simcse_device *device, int64_t bytes, void **memory) {
  return on("memory_allocate", device, [&](Device &d) { *memory = d.allocate(bytes); });
}

simcse_status memory_free(simcse_device *device, void *memory) {
  return on("memory_free", device, [&](Device &d) { d.free(memory); });
}

simcse_status memory_zero(simcse_device *device, simcse_stream *stream, void *memory, int64_t bytes) {
  return on("memory_zero", device, [&](Device &d) { d.gpu().zero(d.stream_of(stream), memory, bytes); });
}

simcse_status host_allocate(simcse_device *device, int64_t bytes, void **memory) {
  return on("host_allocate", device, [&](Device &d) { *memory = d.allocate_host(bytes); });
}

simcse_status host_free(simcse_device *device, void *memory) {
  return on("host_free", device, [&](Device &d) { d.free_host(memory); });
}

simcse_status copy_to_device(simcse_device *device, simcse_stream *stream, void *to, const void *host, int64_t bytes) {
  return on("copy_to_device", device, [&](Device &d) { d.copy_to_device(d.stream_of(stream), to, host, bytes); });
}

simcse_status copy_to_host(simcse_device *device, simcse_stream *stream, void *host, const void *from, int64_t bytes) {
  return on("copy_to_host", device, [&](Device &d) { d.gpu().copy_to_host(d.stream_of(stream), host, from, bytes); });
}

simcse_status weights_hold(simcse_device *device, const void *memory, int64_t bytes) {
  return on("weights_hold", device, [&](Device &d) { d.hold(memory, bytes); });
}

simcse_status weights_release(simcse_device *device, const void *memory) {
  return on("weights_release", device, [&](Device &d) { d.release(memory); });
}

// --- streams and events ---

simcse_status stream_open(simcse_device *device, simcse_stream **stream) {
  return on("stream_open", device, [&](Device &d) { *stream = d.open_stream(); });
}

simcse_status stream_close(simcse_device *device, simcse_stream *stream) {
  return on("stream_close", device, [&](Device &d) { d.close_stream(stream); });
}

simcse_status stream_synchronize(simcse_device *device, simcse_stream *stream) {
  return on("stream_synchronize", device, [&](Device &d) { d.gpu().synchronize(d.stream_of(stream)); });
}

simcse_status event_open(simcse_device *device, simcse_event **event) {
  return on("event_open", device, [&](Device &d) { *event = d.open_event(); });
}

simcse_status event_close(simcse_device *device, simcse_event *event) {
  return on("event_close", device, [&](Device &d) { d.close_event(event); });
}

simcse_status event_record(simcse_device *device, simcse_stream *stream, simcse_event *event) {
  return on("event_record", device, [&](Device &d) { d.record(d.stream_of(stream), event); });
}

simcse_status event_wait(simcse_device *device, simcse_stream *stream, simcse_event *event) {
  return on("event_wait", device, [&](Device &d) { d.gpu().wait(d.stream_of(stream), Device::of(event)); });
}

simcse_status event_synchronize(simcse_device *device, simcse_event *event) {
  return on("event_synchronize", device, [&](Device &d) { d.gpu().synchronize(Device::of(event)); });
}

simcse_status event_elapsed(simcse_device *device, simcse_event *from, simcse_event *to, float *milliseconds) {
  return on("event_elapsed", device, [&](Device &d) { *milliseconds = d.elapsed(from, to); });
}

// --- graphs ---

simcse_status graph_begin(simcse_device *device, simcse_stream *stream, int64_t key) {
  return on("graph_begin", device, [&](Device &d) { d.graphs().begin(d.stream_of(stream), key); });
}

simcse_status graph_end(simcse_device *device, simcse_stream *stream) {
  return on("graph_end", device, [&](Device &d) { d.end_graph(d.stream_of(stream)); });
}

// --- operations ---

#define SIMCSE_OPERATION(name)                                                                               \
  simcse_status name##_call(simcse_device *device, simcse_stream *stream, const simcse_##name *arguments) {  \
    return guarded(#name, [&] {                                                                              \
      Device &d = of(device);                                                                                \
      Use use(d.gpu());                                                                                      \
      name(d, d.stream_of(stream), *arguments);                                                              \
    });                                                                                                      \
  }
#define SIMCSE_LIST(name) name##_call,

SIMCSE_OPERATIONS(SIMCSE_OPERATION)

constexpr simcse_api kApi = {
    sizeof(simcse_api),
    SIMCSE_API_VERSION,
    0,
    build,
    last_error,
    device_open,
    device_close,
    device_properties,
    memory_allocate,
    memory_free,
    memory_zero,
    host_allocate,
    host_free,
    copy_to_device,
    copy_to_host,
    stream_open,
    stream_close,
    stream_synchronize,
    event_open,
    event_close,
    event_record,
    event_wait,
    event_synchronize,
    event_elapsed,
    weights_hold,
    weights_release,
    graph_begin,
    graph_end,
    SIMCSE_OPERATIONS(SIMCSE_LIST)};

}  // namespace

}  // namespace simcse::cuda::plugin

extern "C" const simcse_api *simcse_get_api(uint32_t version) {
  return version == SIMCSE_API_VERSION ? &simcse::cuda::plugin::kApi : nullptr;
}
