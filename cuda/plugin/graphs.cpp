#include "graphs.hpp"

#include "../../native/src/failure.hpp"

namespace simcse::cuda::plugin {

namespace {

// A graph of some hundred kernels takes up about a megabyte of the host's memory and as much of the GPU's.
constexpr size_t kMostGraphs = 64;

}  // namespace

void Graphs::begin(Stream stream, int64_t key) {
  const Key whole = {stream, key};
  const bool plain = graphs_.count(whole) == 0;
  if (plain) {
    if (graphs_.size() >= kMostGraphs) close_kept();
    graphs_.emplace(whole, nullptr);
  } else {
    gpu_.begin_recording(stream);
  }
  recordings_.emplace(stream, Recording{whole, plain});
}

void Graphs::end(Stream stream) {
  const Recording recording = recordings_.at(stream);
  recordings_.erase(stream);
  if (recording.plain) return;
  gpu_.launch_recording(stream, &graphs_[recording.key]);
}

void Graphs::forget(Stream stream) {
  for (auto at = graphs_.begin(); at != graphs_.end();) {
    if (at->first.first == stream) {
      if (at->second != nullptr) gpu_.close_graph(at->second);
      at = graphs_.erase(at);
    } else {
      ++at;
    }
  }
}

void Graphs::close_kept() {
  while (!graphs_.empty()) forget(graphs_.begin()->first.first);
}

void Graphs::close() noexcept {
  try {
    for (const auto &recording : recordings_) {
      if (!recording.second.plain) gpu_.drop_recording(recording.first);
    }
    recordings_.clear();
    close_kept();
  } catch (const Failure &) {  // of a GPU that failed before: nothing is left to give back
  }
}

}  // namespace simcse::cuda::plugin
