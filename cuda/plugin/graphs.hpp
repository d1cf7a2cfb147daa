// The work of a step as one CUDA graph, so that the host launches once where it would launch some hundred kernels. What is
// enqueued between begin() and end() is recorded with the arguments of this step, the executable graph of its key is
// brought up to date with it, and launched: nothing of an earlier step is repeated, and no argument has to stay the same.
#pragma once

#include <cstdint>
#include <map>
#include <utility>

#include "gpu.hpp"

namespace simcse::cuda::plugin {

class Graphs {
 public:
  explicit Graphs(Gpu &gpu) : gpu_(gpu) {}
  Graphs(const Graphs &) = delete;
  Graphs &operator=(const Graphs &) = delete;

  // The first time, the work of a key runs as it is enqueued: scratch memory grows and products are chosen then.
  void begin(Stream stream, int64_t key);
  void end(Stream stream);
  bool recording(Stream stream) const { return recordings_.count(stream) != 0; }

  // Closes the graphs of a stream, or all.
  void forget(Stream stream);
  void close() noexcept;

 private:
  using Key = std::pair<Stream, int64_t>;
  struct Recording {
    Key key;
    bool plain;
  };
  void close_kept();

  Gpu &gpu_;
  std::map<Key, Graph> graphs_;
  std::map<Stream, Recording> recordings_;
};

}  // namespace simcse::cuda::plugin
