// An open device of the plug-in: a GPU, its own stream, scratch memory, and what was opened and allocated from it.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "cublaslt.hpp"
#include "gpu.hpp"
#include "graphs.hpp"
#include "shapes.hpp"
#include "staging.hpp"

namespace simcse::cuda::plugin {

class Device {
 public:
  // Throws Failure where there is no such GPU, or the context or stream of the options is not of it.
  Device(int number, const simcse_device_options &options);
  ~Device();
  Device(const Device &) = delete;
  Device &operator=(const Device &) = delete;

  Gpu &gpu() { return *gpu_; }
  CublasLt *cublaslt() { return cublaslt_.get(); }
  void properties(simcse_device_properties *properties);

  // Null is the device's own.
  Stream stream_of(simcse_stream *handle) const { return handle == nullptr ? own_ : reinterpret_cast<Stream>(handle); }
  simcse_stream *open_stream();
  void close_stream(simcse_stream *handle);
  simcse_event *open_event();
  void close_event(simcse_event *handle);
  void record(Stream stream, simcse_event *handle);
  float elapsed(simcse_event *from, simcse_event *to);
  static Event of(simcse_event *handle) { return reinterpret_cast<Event>(handle); }

  Graphs &graphs() { return graphs_; }
  void end_graph(Stream stream);

  void *allocate(int64_t bytes);
  void free(void *memory);
  void *allocate_host(int64_t bytes);
  void free_host(void *memory);
  void hold(const void *memory, int64_t bytes);
  void release(const void *memory);
  void copy_to_device(Stream stream, void *to, const void *host, int64_t bytes);

  // Where an operation runs. Its scratch memory is the stream's: operations of one stream follow each other.
  Queue queue(Stream stream, int64_t scratch);

  // What was enqueued last, for the text of a fault that shows later.
  Shapes last;

 private:
  struct Block {
    void *memory;
    int64_t bytes;
  };
  void free_scratch(Stream stream);
  [[noreturn]] void out_of_memory(const char *what, int64_t bytes);
  void close() noexcept;
  bool recorded(simcse_event *handle) const;
  bool pinned(const void *host, int64_t bytes) const;

  int number_;
  std::unique_ptr<Gpu> gpu_;
  Stream own_ = nullptr;
  bool lent_ = false;  // own_ is the caller's
  std::unique_ptr<CublasLt> cublaslt_;
  std::string without_cublaslt_;
  const char *loss_ = "";  // of the description
  std::unique_ptr<Staging> staging_;
  Graphs graphs_;
  std::map<Stream, Block> scratch_;
  std::vector<Block> outgrown_;  // scratch memory that recorded work may still use
  std::map<void *, int64_t> memory_;
  std::map<void *, int64_t> host_;  // pinned
  std::map<const void *, int64_t> held_;
  std::set<simcse_stream *> streams_;
  std::map<simcse_event *, bool> events_;  // that were opened here; whether it was recorded
};

}  // namespace simcse::cuda::plugin
