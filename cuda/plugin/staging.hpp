// Copies from memory of the host to the GPU by way of pinned memory, so that the caller may reuse its memory at once
// and need not wait for the GPU. Pieces of 1 MB take turns; one is written again when its last copy has been done.
#pragma once

#include <vector>

#include "gpu.hpp"

namespace simcse::cuda::plugin {

class Staging {
 public:
  explicit Staging(Gpu &gpu) : gpu_(gpu) {}
  ~Staging();
  Staging(const Staging &) = delete;
  Staging &operator=(const Staging &) = delete;

  void copy_to_device(Stream stream, void *to, const void *host, int64_t bytes);

 private:
  struct Piece {
    char *memory;
    Event done;
  };
  void open();

  Gpu &gpu_;
  char *memory_ = nullptr;
  std::vector<Piece> pieces_;
  size_t next_ = 0;
};

}  // namespace simcse::cuda::plugin
