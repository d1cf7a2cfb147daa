#include "devices.hpp"

#include <atomic>
#include <cstring>
#include <mutex>

#include "../cpu/device.hpp"
#include "failure.hpp"
#include "plugin.hpp"

namespace simcse {

namespace {

static_assert(sizeof(void *) == 8, "handles are numbers above every address of 64 bits");

// Never destroyed: threads may still call while the process ends.
std::mutex &mutex() {
  static std::mutex &shared = *new std::mutex;
  return shared;
}

std::map<simcse_device *, std::shared_ptr<Device>> &devices() {
  static auto &shared = *new std::map<simcse_device *, std::shared_ptr<Device>>;
  return shared;
}

template <typename Handle>
Handle *new_handle() {
  static std::atomic<uint64_t> next{uint64_t(1) << 63 | 16};
  return reinterpret_cast<Handle *>(next.fetch_add(16));
}

bool is_cuda(const char *name) {
  if (std::strncmp(name, "cuda:", 5) != 0) return false;
  size_t digits = std::strspn(name + 5, "0123456789");
  return digits >= 1 && digits <= 4 && name[5 + digits] == '\0';
}

template <typename Handle>
Handle *inner_of(const char *operation, const char *argument, const std::map<Handle *, Handle *> &open,
                 Handle *handle) {
  if (handle == nullptr) fail(SIMCSE_INVALID_HANDLE, "%s: %s is null", operation, argument);
  auto found = open.find(handle);
  if (found == open.end()) {
    fail(SIMCSE_INVALID_HANDLE, "%s: %s is closed, or was not opened from this device", operation, argument);
  }
  return found->second;
}

}  // namespace

void passed_on(const char *operation, const simcse_api &backend, simcse_status status) {
  if (status == SIMCSE_OK) return;
  const char *text = backend.last_error == nullptr ? nullptr : backend.last_error();
  if (text == nullptr || *text == '\0') fail(status, "%s: failed with status %d", operation, status);
  throw Failure{status, text};
}

std::shared_ptr<Device> open_device(const char *name, const simcse_device_options *options) {
  bool cpu = std::strcmp(name, "cpu") == 0;
  if (!cpu && !is_cuda(name)) {
    fail(SIMCSE_NO_DEVICE, "device_open: there is no device \"%.64s\"; there are cpu, and cuda:0, cuda:1, ... for GPUs",
         name);
  }
  if (cpu && options != nullptr && (options->context != nullptr || options->stream != nullptr)) {
    fail(SIMCSE_INVALID_ARGUMENT, "device_open: options.%s must be null for \"cpu\"",
         options->context != nullptr ? "context" : "stream");
  }
  const simcse_api &backend = cpu ? cpu::backend() : cuda_plugin();
  auto device = std::make_shared<Device>(Device{&backend, nullptr, cpu, {}, {}, {}});
  passed_on("device_open", backend, backend.device_open(name, options, &device->inner));
  return device;
}

simcse_device *add(std::shared_ptr<Device> device) {
  auto *handle = new_handle<simcse_device>();
  std::lock_guard<std::mutex> lock(mutex());
  devices().emplace(handle, std::move(device));
  return handle;
}

void remove(simcse_device *handle) {
  std::lock_guard<std::mutex> lock(mutex());
  devices().erase(handle);
}

std::shared_ptr<Device> device_of(const char *operation, simcse_device *handle) {
  if (handle == nullptr) fail(SIMCSE_INVALID_HANDLE, "%s: device is null", operation);
  std::lock_guard<std::mutex> lock(mutex());
  auto found = devices().find(handle);
  if (found == devices().end()) fail(SIMCSE_INVALID_HANDLE, "%s: device is closed, or was never opened", operation);
  return found->second;
}

simcse_stream *add(Device &device, simcse_stream *inner) {
  return device.streams.emplace(new_handle<simcse_stream>(), inner).first->first;
}

simcse_event *add(Device &device, simcse_event *inner) {
  return device.events.emplace(new_handle<simcse_event>(), inner).first->first;
}

simcse_stream *stream_of(const char *operation, const Device &device, simcse_stream *handle) {
  return handle == nullptr ? nullptr : inner_of(operation, "stream", device.streams, handle);
}

simcse_event *event_of(const char *operation, const char *argument, const Device &device, simcse_event *handle) {
  return inner_of(operation, argument, device.events, handle);
}

}  // namespace simcse
