// The table that callers get: every function checks its arguments, finds the device behind the handle, lets that do
// the work, and turns whatever went wrong into a status and a text.
#include <cinttypes>
#include <exception>
#include <memory>

#include "../cpu/pages.hpp"
#include "../include/simcse.h"
#include "checks.hpp"
#include "devices.hpp"
#include "failure.hpp"
#include "operation_list.hpp"

#if defined(__clang__)
#define SIMCSE_COMPILER "clang " __clang_version__
#else
#define SIMCSE_COMPILER "gcc " __VERSION__
#endif

namespace simcse {

namespace {

thread_local char text[1024];

const char *build() { return "simcse " SIMCSE_VERSION " (" SIMCSE_COMPILER ")"; }

const char *last_error() { return text; }

simcse_status failed(simcse_status status, const char *format, const char *first, const char *second) {
  std::snprintf(text, sizeof text, format, first, second);
  return status;
}

// Runs a body that throws on failure; nothing leaves here but a status.
template <typename Body>
simcse_status guarded(const char *operation, const Body &body) noexcept {
  try {
    body();
    return SIMCSE_OK;
  } catch (const Failure &e) {
    return failed(e.status, "%s%s", e.text.c_str(), "");
  } catch (const cpu::OutOfMemory &e) {
    char bytes[24];
    std::snprintf(bytes, sizeof bytes, "%zu", e.bytes);
    return failed(SIMCSE_OUT_OF_MEMORY, "%s: out of memory: %s bytes were asked for", operation, bytes);
  } catch (const std::bad_alloc &) {
    return failed(SIMCSE_OUT_OF_MEMORY, "%s: out of memory%s", operation, "");
  } catch (const std::exception &e) {
    return failed(SIMCSE_DEVICE_FAULT, "%s: %s", operation, e.what());
  } catch (...) {
    return failed(SIMCSE_DEVICE_FAULT, "%s: an unknown exception%s", operation, "");
  }
}

// A call to an open device, and the checks of its arguments.
struct Call {
  const char *operation;
  Device &device;

  simcse_stream *stream(simcse_stream *handle) const { return stream_of(operation, device, handle); }

  // The same, of a stream on which no graph is being recorded.
  simcse_stream *idle(simcse_stream *handle) const {
    simcse_stream *const inner = stream(handle);
    if (device.recording.count(handle) == 0) return inner;
    fail(SIMCSE_INVALID_ARGUMENT, "%s: a graph is being recorded on this stream; call graph_end first", operation);
  }

  simcse_event *event(const char *argument, simcse_event *handle) const {
    return event_of(operation, argument, device, handle);
  }

  void not_null(const char *argument, const void *pointer) const {
    if (pointer == nullptr) fail(SIMCSE_INVALID_ARGUMENT, "%s: %s is null", operation, argument);
  }

  // False where there is nothing to copy or fill.
  bool some(int64_t bytes) const {
    if (bytes < 0) fail(SIMCSE_INVALID_ARGUMENT, "%s: bytes is %" PRId64 ", below 0", operation, bytes);
    return bytes > 0;
  }

  template <typename... Parameters, typename... Arguments>
  void pass(simcse_status (*simcse_api::*function)(Parameters...), Arguments... arguments) const {
    if (device.backend->*function == nullptr) fail(SIMCSE_UNSUPPORTED, "%s: this device does not have it", operation);
    passed_on(operation, *device.backend, (device.backend->*function)(device.inner, arguments...));
  }
};

template <typename Body>
simcse_status on(const char *operation, simcse_device *handle, const Body &body) noexcept {
  return guarded(operation, [&] {
    std::shared_ptr<Device> device = device_of(operation, handle);
    body(Call{operation, *device});
  });
}

void sized(const char *argument, uint64_t given, uint64_t known) {
  if (given == known) return;
  fail(SIMCSE_INVALID_ARGUMENT, "%s.struct_size is %" PRIu64 ", this library knows %" PRIu64, argument, given, known);
}

// --- devices ---

void check_options(const simcse_device_options &options) {
  sized("device_open: options", options.struct_size, sizeof options);
  if (options.threads < 0) {
    fail(SIMCSE_INVALID_ARGUMENT, "device_open: options.threads is %d, below 0", options.threads);
  }
  if (options.reserved != 0) {
    fail(SIMCSE_INVALID_ARGUMENT, "device_open: options.reserved is %d, not 0", options.reserved);
  }
}

simcse_status device_open(const char *name, const simcse_device_options *options, simcse_device **device) {
  return guarded("device_open", [&] {
    if (name == nullptr) fail(SIMCSE_INVALID_ARGUMENT, "device_open: name is null");
    if (device == nullptr) fail(SIMCSE_INVALID_ARGUMENT, "device_open: device is null");
    if (options != nullptr) check_options(*options);
    *device = add(open_device(name, options));
  });
}

simcse_status device_close(simcse_device *device) {
  return on("device_close", device, [&](const Call &call) {
    remove(device);
    call.pass(&simcse_api::device_close);
  });
}

simcse_status device_properties(simcse_device *device, simcse_device_properties *properties) {
  return on("device_properties", device, [&](const Call &call) {
    call.not_null("properties", properties);
    sized("device_properties: properties", properties->struct_size, sizeof *properties);
    call.pass(&simcse_api::device_properties, properties);
  });
}

// --- memory and weights ---

simcse_status memory_allocate(simcse_device *device, int64_t bytes, void **memory) {
  return on("memory_allocate", device, [&](const Call &call) {
    call.some(bytes);
    call.not_null("memory", memory);
    call.pass(&simcse_api::memory_allocate, bytes, memory);
  });
}

simcse_status memory_free(simcse_device *device, void *memory) {
  return on("memory_free", device, [&](const Call &call) {
    call.not_null("memory", memory);
    call.pass(&simcse_api::memory_free, memory);
  });
}

simcse_status memory_zero(simcse_device *device, simcse_stream *stream, void *memory, int64_t bytes) {
  return on("memory_zero", device, [&](const Call &call) {
    simcse_stream *inner = call.stream(stream);
    if (!call.some(bytes)) return;
    call.not_null("memory", memory);
    call.pass(&simcse_api::memory_zero, inner, memory, bytes);
  });
}

simcse_status host_allocate(simcse_device *device, int64_t bytes, void **memory) {
  return on("host_allocate", device, [&](const Call &call) {
    call.some(bytes);
    call.not_null("memory", memory);
    call.pass(&simcse_api::host_allocate, bytes, memory);
  });
}

simcse_status host_free(simcse_device *device, void *memory) {
  return on("host_free", device, [&](const Call &call) {
    call.not_null("memory", memory);
    call.pass(&simcse_api::host_free, memory);
  });
}

simcse_status copy_to_device(simcse_device *device, simcse_stream *stream, void *to, const void *host, int64_t bytes) {
  return on("copy_to_device", device, [&](const Call &call) {
    simcse_stream *inner = call.stream(stream);
    if (!call.some(bytes)) return;
    call.not_null("to", to);
    call.not_null("host", host);
    call.pass(&simcse_api::copy_to_device, inner, to, host, bytes);
  });
}

simcse_status copy_to_host(simcse_device *device, simcse_stream *stream, void *host, const void *from, int64_t bytes) {
  return on("copy_to_host", device, [&](const Call &call) {
    simcse_stream *inner = call.idle(stream);
    if (!call.some(bytes)) return;
    call.not_null("host", host);
    call.not_null("from", from);
    call.pass(&simcse_api::copy_to_host, inner, host, from, bytes);
  });
}

simcse_status weights_hold(simcse_device *device, const void *memory, int64_t bytes) {
  return on("weights_hold", device, [&](const Call &call) {
    call.not_null("memory", memory);
    if (!call.some(bytes)) fail(SIMCSE_INVALID_ARGUMENT, "weights_hold: bytes is 0");
    call.pass(&simcse_api::weights_hold, memory, bytes);
  });
}

simcse_status weights_release(simcse_device *device, const void *memory) {
  return on("weights_release", device, [&](const Call &call) {
    call.not_null("memory", memory);
    call.pass(&simcse_api::weights_release, memory);
  });
}

// --- streams and events ---

simcse_status stream_open(simcse_device *device, simcse_stream **stream) {
  return on("stream_open", device, [&](const Call &call) {
    call.not_null("stream", stream);
    simcse_stream *inner = nullptr;
    call.pass(&simcse_api::stream_open, &inner);
    *stream = add(call.device, inner);
  });
}

simcse_status stream_close(simcse_device *device, simcse_stream *stream) {
  return on("stream_close", device, [&](const Call &call) {
    if (stream == nullptr) fail(SIMCSE_INVALID_HANDLE, "stream_close: stream is null");
    simcse_stream *inner = call.idle(stream);
    call.device.streams.erase(stream);
    call.pass(&simcse_api::stream_close, inner);
  });
}

simcse_status stream_synchronize(simcse_device *device, simcse_stream *stream) {
  return on("stream_synchronize", device, [&](const Call &call) {
    call.pass(&simcse_api::stream_synchronize, call.idle(stream));
  });
}

simcse_status event_open(simcse_device *device, simcse_event **event) {
  return on("event_open", device, [&](const Call &call) {
    call.not_null("event", event);
    simcse_event *inner = nullptr;
    call.pass(&simcse_api::event_open, &inner);
    *event = add(call.device, inner);
  });
}

simcse_status event_close(simcse_device *device, simcse_event *event) {
  return on("event_close", device, [&](const Call &call) {
    simcse_event *inner = call.event("event", event);
    call.device.events.erase(event);
    call.pass(&simcse_api::event_close, inner);
  });
}

simcse_status event_record(simcse_device *device, simcse_stream *stream, simcse_event *event) {
  return on("event_record", device, [&](const Call &call) {
    simcse_stream *inner = call.idle(stream);
    call.pass(&simcse_api::event_record, inner, call.event("event", event));
  });
}

simcse_status event_wait(simcse_device *device, simcse_stream *stream, simcse_event *event) {
  return on("event_wait", device, [&](const Call &call) {
    simcse_stream *inner = call.idle(stream);
    call.pass(&simcse_api::event_wait, inner, call.event("event", event));
  });
}

simcse_status event_synchronize(simcse_device *device, simcse_event *event) {
  return on("event_synchronize", device, [&](const Call &call) {
    call.pass(&simcse_api::event_synchronize, call.event("event", event));
  });
}

simcse_status event_elapsed(simcse_device *device, simcse_event *from, simcse_event *to, float *milliseconds) {
  return on("event_elapsed", device, [&](const Call &call) {
    simcse_event *first = call.event("from", from);
    simcse_event *second = call.event("to", to);
    call.not_null("milliseconds", milliseconds);
    call.pass(&simcse_api::event_elapsed, first, second, milliseconds);
  });
}

// --- graphs ---

simcse_status graph_begin(simcse_device *device, simcse_stream *stream, int64_t key) {
  return on("graph_begin", device, [&](const Call &call) {
    call.pass(&simcse_api::graph_begin, call.idle(stream), key);
    call.device.recording.insert(stream);
  });
}

simcse_status graph_end(simcse_device *device, simcse_stream *stream) {
  return on("graph_end", device, [&](const Call &call) {
    simcse_stream *inner = call.stream(stream);
    if (call.device.recording.erase(stream) == 0) {
      fail(SIMCSE_INVALID_ARGUMENT, "graph_end: no graph is being recorded on this stream; call graph_begin first");
    }
    call.pass(&simcse_api::graph_end, inner);
  });
}

// --- operations ---

#define SIMCSE_OPERATION(name)                                                                               \
  simcse_status name(simcse_device *device, simcse_stream *stream, const simcse_##name *arguments) {         \
    return on(#name, device, [&](const Call &call) {                                                         \
      simcse_stream *inner = call.stream(stream);                                                            \
      if (check(arguments, call.device.host_memory)) call.pass(&simcse_api::name, inner, arguments);         \
    });                                                                                                      \
  }
#define SIMCSE_LIST(name) name,

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

}  // namespace simcse

extern "C" const simcse_api *simcse_get_api(uint32_t version) {
  return version == SIMCSE_API_VERSION ? &simcse::kApi : nullptr;
}
