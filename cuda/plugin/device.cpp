#include "device.hpp"

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "../../native/src/failure.hpp"
#include "../similarity_softmax.hpp"

namespace simcse::cuda::plugin {

namespace {

// Of allocations; also what cuBLASLt's fastest kernels ask for.
constexpr int kAlignment = 256;

bool within(const void *inner, const void *outer, int64_t bytes) {
  return reinterpret_cast<uintptr_t>(inner) - reinterpret_cast<uintptr_t>(outer) < static_cast<uintptr_t>(bytes);
}

}  // namespace

Device::Device(int number, const simcse_device_options &options)
    : number_(number),
      gpu_(open_gpu(number, options.context)),
      lent_(options.stream != nullptr),
      graphs_(*gpu_) {
  if (similarity_choice() == SimilarityChoice::unknown) {
    fail(SIMCSE_INVALID_ARGUMENT, "SIMCSE_CUDA_SIMILARITY is \"%s\"; it takes mma or wgmma, or unset it",
         std::getenv("SIMCSE_CUDA_SIMILARITY"));
  }
  Use use(*gpu_);
  if (similarity_choice() == SimilarityChoice::wgmma) {
    loss_ = similarity_has_wgmma() ? ", large losses by wgmma" : ", no wgmma: it takes compute capability 9.0";
  }
  try {
    if (lent_) gpu_->adopt(static_cast<Stream>(options.stream));
    own_ = lent_ ? static_cast<Stream>(options.stream) : gpu_->open_stream();
    staging_ = std::make_unique<Staging>(*gpu_);
    if (gpu_->takes_cublaslt()) cublaslt_ = CublasLt::open(&without_cublaslt_);
  } catch (...) {
    close();
    throw;
  }
}

Device::~Device() {
  try {
    Use use(*gpu_);
    close();
  } catch (const Failure &) {  // of a GPU that failed before
  }
}

// Goes on to the end where a GPU that failed gives nothing back any more.
void Device::close() noexcept {
  const auto attempt = [](const auto &body) {
    try {
      body();
    } catch (const Failure &) {
    }
  };
  if (own_ != nullptr) attempt([&] { gpu_->synchronize(own_); });
  for (simcse_stream *stream : streams_) attempt([&] { gpu_->synchronize(stream_of(stream)); });
  graphs_.close();
  cublaslt_.reset();
  staging_.reset();
  for (const auto &event : events_) attempt([&] { gpu_->close_event(of(event.first)); });
  for (const auto &block : scratch_) attempt([&] { gpu_->free(block.second.memory, block.second.bytes); });
  for (const Block &block : outgrown_) attempt([&] { gpu_->free(block.memory, block.bytes); });
  for (const auto &block : memory_) attempt([&] { gpu_->free(block.first, block.second); });
  for (const auto &block : host_) attempt([&] { gpu_->free_pinned(block.first); });
  for (simcse_stream *stream : streams_) attempt([&] { gpu_->close_stream(stream_of(stream)); });
  if (own_ != nullptr && !lent_) attempt([&] { gpu_->close_stream(own_); });
}

void Device::properties(simcse_device_properties *properties) {
  const Amount memory = gpu_->memory();
  simcse_device_properties p = {};
  p.struct_size = sizeof p;
  std::snprintf(p.name, sizeof p.name, "cuda:%d", number_);
  std::snprintf(p.tier, sizeof p.tier, "%s", gpu_->tier().c_str());
  std::string products;
  if (cublaslt_ != nullptr) products = ", cuBLASLt " + cublaslt_->version();
  if (!without_cublaslt_.empty()) products = ", matrix products by slower kernels: " + without_cublaslt_;
  std::snprintf(p.description, sizeof p.description, "%s, %s%s%s", p.tier, gpu_->description().c_str(),
                products.c_str(), loss_);
  p.threads = 1;
  p.alignment = kAlignment;
  p.memory_total = memory.total;
  p.memory_free = memory.free;
  *properties = p;
}

// --- memory ---

void Device::out_of_memory(const char *what, int64_t bytes) {
  const Amount memory = gpu_->memory();
  fail(SIMCSE_OUT_OF_MEMORY,
       "out of device memory: %" PRId64 " bytes were asked for%s, %" PRId64 " of %" PRId64
       " are free on cuda:%d; take a smaller batch",
       bytes, what, memory.free, memory.total, number_);
}

void *Device::allocate(int64_t bytes) {
  const int64_t whole = bytes == 0 ? kAlignment : bytes;
  void *const memory = gpu_->allocate(whole);
  if (memory == nullptr) out_of_memory("", whole);
  memory_.emplace(memory, whole);
  // Any stream may use it at once.
  gpu_->zero(own_, memory, whole);
  gpu_->synchronize(own_);
  return memory;
}

void Device::free(void *memory) {
  const auto found = memory_.find(memory);
  if (found == memory_.end()) {
    fail(SIMCSE_INVALID_ARGUMENT, "memory is not from memory_allocate of this device, or was freed");
  }
  for (const auto &weights : held_) {
    if (!within(weights.first, memory, found->second)) continue;
    fail(SIMCSE_INVALID_ARGUMENT, "memory holds weights; call weights_release first");
  }
  const int64_t bytes = found->second;
  memory_.erase(found);
  gpu_->free(memory, bytes);
}

void *Device::allocate_host(int64_t bytes) {
  const int64_t whole = bytes == 0 ? kAlignment : bytes;
  void *const memory = gpu_->allocate_pinned(whole);
  if (memory == nullptr) {
    fail(SIMCSE_OUT_OF_MEMORY, "out of pinned host memory: %" PRId64 " bytes were asked for; see ulimit -l", whole);
  }
  std::memset(memory, 0, static_cast<size_t>(whole));
  host_.emplace(memory, whole);
  return memory;
}

void Device::free_host(void *memory) {
  if (host_.erase(memory) == 0) {
    fail(SIMCSE_INVALID_ARGUMENT, "memory is not from host_allocate of this device, or was freed");
  }
  gpu_->free_pinned(memory);
}

bool Device::pinned(const void *host, int64_t bytes) const {
  auto block = host_.upper_bound(const_cast<void *>(host));
  if (block == host_.begin()) return false;
  --block;
  return within(host, block->first, block->second) &&
         bytes <= block->second - (static_cast<const char *>(host) - static_cast<const char *>(block->first));
}

// Nothing is packed here: the tensor cores read weights as they lie.
void Device::hold(const void *memory, int64_t bytes) {
  for (const auto &weights : held_) {
    if (within(memory, weights.first, weights.second) || within(weights.first, memory, bytes)) {
      fail(SIMCSE_INVALID_ARGUMENT, "memory overlaps weights that are held already");
    }
  }
  held_.emplace(memory, bytes);
}

void Device::release(const void *memory) {
  if (held_.erase(memory) == 0) fail(SIMCSE_INVALID_ARGUMENT, "memory holds no weights");
}

void Device::copy_to_device(Stream stream, void *to, const void *host, int64_t bytes) {
  if (pinned(host, bytes)) {
    gpu_->copy_to_device(stream, to, host, bytes);
  } else if (graphs_.recording(stream)) {
    fail(SIMCSE_INVALID_ARGUMENT, "a graph is being recorded on this stream, which takes memory of host_allocate alone");
  } else {
    staging_->copy_to_device(stream, to, host, bytes);
  }
}

Queue Device::queue(Stream stream, int64_t scratch) {
  gpu_->launching(stream);
  if (scratch <= 0) return {stream, nullptr};
  const auto found = scratch_.find(stream);
  if (found != scratch_.end() && found->second.bytes >= scratch) return {stream, found->second.memory};
  // A stream that records cannot be waited for.
  if (found != scratch_.end() && graphs_.recording(stream)) {
    outgrown_.push_back(found->second);
    scratch_.erase(found);
  }
  free_scratch(stream);
  const int64_t whole = round_up(scratch, 1 << 20);
  void *const memory = gpu_->allocate(whole);
  if (memory == nullptr) out_of_memory(" to compute in", whole);
  scratch_[stream] = {memory, whole};
  return {stream, memory};
}

void Device::free_scratch(Stream stream) {
  const auto found = scratch_.find(stream);
  if (found == scratch_.end()) return;
  // Kernels on their way may still use it.
  gpu_->synchronize(stream);
  const Block block = found->second;
  scratch_.erase(found);
  gpu_->free(block.memory, block.bytes);
}

// --- streams and events ---

void Device::end_graph(Stream stream) {
  graphs_.end(stream);
  if (outgrown_.empty()) return;
  gpu_->synchronize(stream);
  for (const Block &block : outgrown_) gpu_->free(block.memory, block.bytes);
  outgrown_.clear();
}

simcse_stream *Device::open_stream() {
  const auto handle = reinterpret_cast<simcse_stream *>(gpu_->open_stream());
  streams_.insert(handle);
  return handle;
}

void Device::close_stream(simcse_stream *handle) {
  const Stream stream = stream_of(handle);
  gpu_->synchronize(stream);
  graphs_.forget(stream);
  free_scratch(stream);
  streams_.erase(handle);
  gpu_->close_stream(stream);
}

simcse_event *Device::open_event() {
  const auto handle = reinterpret_cast<simcse_event *>(gpu_->open_event());
  events_.emplace(handle, false);
  return handle;
}

void Device::close_event(simcse_event *handle) {
  events_.erase(handle);
  gpu_->close_event(of(handle));
}

void Device::record(Stream stream, simcse_event *handle) {
  gpu_->record(stream, of(handle));
  const auto found = events_.find(handle);
  if (found != events_.end()) found->second = true;
}

bool Device::recorded(simcse_event *handle) const {
  const auto found = events_.find(handle);
  return found == events_.end() || found->second;
}

float Device::elapsed(simcse_event *from, simcse_event *to) {
  if (!recorded(from)) fail(SIMCSE_INVALID_ARGUMENT, "from was never recorded");
  if (!recorded(to)) fail(SIMCSE_INVALID_ARGUMENT, "to was never recorded");
  return gpu_->milliseconds(of(from), of(to));
}

}  // namespace simcse::cuda::plugin
