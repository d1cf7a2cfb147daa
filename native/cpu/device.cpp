#include "device.hpp"

#include <sched.h>
#include <unistd.h>

#include <chrono>
#include <cinttypes>
#include <cstring>
#include <map>
#include <memory>
#include <system_error>

#include "../src/failure.hpp"
#include "../src/operation_list.hpp"
#include "operations.hpp"
#include "packed_weights.hpp"
#include "pages.hpp"
#include "tiers.hpp"

namespace simcse::cpu {

namespace {

using Clock = std::chrono::steady_clock;

constexpr int kMostThreads = 1024;

struct Event {
  bool recorded = false;
  Clock::time_point time;
};

struct Device {
  Device(Tier chosen, int threads) : tier(chosen), context(threads) {}

  Tier tier;
  Context context;
  std::map<void *, Pages> memory;
  std::map<void *, Pages> host;
  std::map<const void *, int64_t> held;
  std::map<simcse_event *, std::unique_ptr<Event>> events;
};

Device &of(simcse_device *device) { return *reinterpret_cast<Device *>(device); }
Event &of(simcse_event *event) { return *reinterpret_cast<Event *>(event); }

int cores() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
  long online = sysconf(_SC_NPROCESSORS_ONLN);
  return online > 0 ? (int)online : 1;
}

simcse_status device_open(const char *, const simcse_device_options *options, simcse_device **device) {
  int threads = options == nullptr ? 0 : options->threads;
  if (threads > kMostThreads) {
    fail(SIMCSE_INVALID_ARGUMENT, "device_open: options.threads is %d, above %d", threads, kMostThreads);
  }
  if (threads == 0) threads = cores() < kMostThreads ? cores() : kMostThreads;
  Tier tier = choose_tier();
  if (tier.operations == nullptr) fail(SIMCSE_NO_DEVICE, "device_open: %s", tier.passed_over.c_str());
  try {
    *device = reinterpret_cast<simcse_device *>(new Device(tier, threads));
  } catch (const std::system_error &e) {
    fail(SIMCSE_NO_DEVICE, "device_open: %d threads cannot be started: %s", threads, e.what());
  }
  return SIMCSE_OK;
}

simcse_status device_close(simcse_device *device) {
  delete &of(device);
  return SIMCSE_OK;
}

// Free memory counts what the system would give up of its file caches.
int64_t available_memory() {
  long long kilobytes = -1;
  if (FILE *file = std::fopen("/proc/meminfo", "r")) {
    char line[128];
    while (kilobytes < 0 && std::fgets(line, sizeof line, file)) std::sscanf(line, "MemAvailable: %lld", &kilobytes);
    std::fclose(file);
  }
  return kilobytes >= 0 ? kilobytes * 1024 : 0;
}

simcse_status device_properties(simcse_device *device, simcse_device_properties *properties) {
  const Device &d = of(device);
  simcse_device_properties p = {};
  p.struct_size = sizeof p;
  std::snprintf(p.name, sizeof p.name, "cpu");
  std::snprintf(p.tier, sizeof p.tier, "%s", d.tier.operations->tier);
  const std::string &passed_over = d.tier.passed_over;
  std::snprintf(p.description, sizeof p.description, "%s, %d thread%s%s%s%s", p.tier, d.context.threads(),
                d.context.threads() == 1 ? "" : "s", passed_over.empty() ? "" : " (", passed_over.c_str(),
                passed_over.empty() ? "" : ")");
  p.threads = d.context.threads();
  p.alignment = 64;
  p.memory_total = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
  p.memory_free = available_memory();
  *properties = p;
  return SIMCSE_OK;
}

// --- memory and weights ---

bool within(const void *inner, const void *outer, size_t bytes) {
  return (uintptr_t)inner >= (uintptr_t)outer && (uintptr_t)inner - (uintptr_t)outer < bytes;
}

void *allocated(std::map<void *, Pages> &blocks, int64_t bytes) {
  Pages pages((size_t)bytes);
  void *address = pages.memory();
  blocks.emplace(address, std::move(pages));
  return address;
}

simcse_status memory_allocate(simcse_device *device, int64_t bytes, void **memory) {
  *memory = allocated(of(device).memory, bytes);
  return SIMCSE_OK;
}

simcse_status memory_free(simcse_device *device, void *memory) {
  Device &d = of(device);
  auto found = d.memory.find(memory);
  if (found == d.memory.end()) {
    fail(SIMCSE_INVALID_ARGUMENT, "memory_free: memory is not from memory_allocate of this device, or was freed");
  }
  for (const auto &weights : d.held) {
    if (!within(weights.first, memory, found->second.bytes())) continue;
    fail(SIMCSE_INVALID_ARGUMENT, "memory_free: memory holds weights; call weights_release first");
  }
  d.memory.erase(found);
  return SIMCSE_OK;
}

simcse_status memory_zero(simcse_device *device, simcse_stream *, void *memory, int64_t bytes) {
  of(device).context.packed_weights().invalidate(memory, bytes);
  std::memset(memory, 0, (size_t)bytes);
  return SIMCSE_OK;
}

simcse_status host_allocate(simcse_device *device, int64_t bytes, void **memory) {
  *memory = allocated(of(device).host, bytes);
  return SIMCSE_OK;
}

simcse_status host_free(simcse_device *device, void *memory) {
  if (of(device).host.erase(memory) == 0) {
    fail(SIMCSE_INVALID_ARGUMENT, "host_free: memory is not from host_allocate of this device, or was freed");
  }
  return SIMCSE_OK;
}

simcse_status copy_to_device(simcse_device *device, simcse_stream *, void *to, const void *host, int64_t bytes) {
  of(device).context.packed_weights().invalidate(to, bytes);
  std::memmove(to, host, (size_t)bytes);
  return SIMCSE_OK;
}

simcse_status copy_to_host(simcse_device *, simcse_stream *, void *host, const void *from, int64_t bytes) {
  std::memmove(host, from, (size_t)bytes);
  return SIMCSE_OK;
}

simcse_status weights_hold(simcse_device *device, const void *memory, int64_t bytes) {
  Device &d = of(device);
  for (const auto &weights : d.held) {
    if (within(memory, weights.first, (size_t)weights.second) || within(weights.first, memory, (size_t)bytes)) {
      fail(SIMCSE_INVALID_ARGUMENT, "weights_hold: memory overlaps weights that are held already");
    }
  }
  d.held.emplace(memory, bytes);
  try {
    d.context.packed_weights().hold(memory, bytes);
  } catch (...) {
    d.held.erase(memory);
    throw;
  }
  return SIMCSE_OK;
}

simcse_status weights_release(simcse_device *device, const void *memory) {
  Device &d = of(device);
  if (d.held.erase(memory) == 0) fail(SIMCSE_INVALID_ARGUMENT, "weights_release: memory holds no weights");
  d.context.packed_weights().release(memory);
  return SIMCSE_OK;
}

// --- streams and events: all work is done when a call returns ---

simcse_status stream_open(simcse_device *device, simcse_stream **stream) {
  *stream = reinterpret_cast<simcse_stream *>(device);
  return SIMCSE_OK;
}

simcse_status stream_close(simcse_device *, simcse_stream *) { return SIMCSE_OK; }

simcse_status stream_synchronize(simcse_device *, simcse_stream *) { return SIMCSE_OK; }

simcse_status event_open(simcse_device *device, simcse_event **event) {
  auto opened = std::make_unique<Event>();
  simcse_event *handle = reinterpret_cast<simcse_event *>(opened.get());
  of(device).events.emplace(handle, std::move(opened));
  *event = handle;
  return SIMCSE_OK;
}

simcse_status event_close(simcse_device *device, simcse_event *event) {
  of(device).events.erase(event);
  return SIMCSE_OK;
}

simcse_status event_record(simcse_device *, simcse_stream *, simcse_event *event) {
  of(event).recorded = true;
  of(event).time = Clock::now();
  return SIMCSE_OK;
}

simcse_status event_wait(simcse_device *, simcse_stream *, simcse_event *) { return SIMCSE_OK; }

simcse_status event_synchronize(simcse_device *, simcse_event *) { return SIMCSE_OK; }

simcse_status event_elapsed(simcse_device *, simcse_event *from, simcse_event *to, float *milliseconds) {
  if (!of(from).recorded) fail(SIMCSE_INVALID_ARGUMENT, "event_elapsed: from was never recorded");
  if (!of(to).recorded) fail(SIMCSE_INVALID_ARGUMENT, "event_elapsed: to was never recorded");
  *milliseconds = std::chrono::duration<float, std::milli>(of(to).time - of(from).time).count();
  return SIMCSE_OK;
}

// --- graphs: operations run as they are called ---

simcse_status graph_begin(simcse_device *, simcse_stream *, int64_t) { return SIMCSE_OK; }

simcse_status graph_end(simcse_device *, simcse_stream *) { return SIMCSE_OK; }

// --- operations ---

// Weights that an operation is about to write: what was packed of them goes stale.
template <typename Arguments>
void stale(PackedWeights &, const Arguments &) {}

void stale(PackedWeights &packed, const simcse_adamw &adamw) {
  packed.invalidate(adamw.parameters, adamw.count * 4);
  if (adamw.bf16_copy != nullptr) packed.invalidate(adamw.bf16_copy, adamw.count * 2);
}

void stale(PackedWeights &packed, const simcse_convert &convert) {
  packed.invalidate(convert.to, convert.count * (convert.to_dtype == SIMCSE_F32 ? 4 : 2));
}

#define SIMCSE_RUN(name)                                                                       \
  simcse_status name(simcse_device *device, simcse_stream *, const simcse_##name *arguments) { \
    stale(of(device).context.packed_weights(), *arguments);                                    \
    of(device).tier.operations->name(of(device).context, *arguments);                          \
    return SIMCSE_OK;                                                                          \
  }
#define SIMCSE_LIST(name) name,

SIMCSE_OPERATIONS(SIMCSE_RUN)

constexpr simcse_api kBackend = {
    sizeof(simcse_api),
    SIMCSE_API_VERSION,
    0,
    nullptr,
    nullptr,
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

const simcse_api &backend() { return kBackend; }

}  // namespace simcse::cpu
