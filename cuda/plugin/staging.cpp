#include "staging.hpp"

#include <cstring>

#include "../../native/src/failure.hpp"

namespace simcse::cuda::plugin {

namespace {

constexpr int64_t kPiece = 1 << 20;
constexpr int kPieces = 16;  // a batch is some ten small arrays

}  // namespace

void Staging::open() {
  memory_ = static_cast<char *>(gpu_.allocate_pinned(kPiece * kPieces));
  if (memory_ == nullptr) {
    fail(SIMCSE_OUT_OF_MEMORY, "out of pinned host memory: %lld bytes were asked for to copy through; see ulimit -l",
         static_cast<long long>(kPiece * kPieces));
  }
  for (int i = 0; i < kPieces; i++) pieces_.push_back({memory_ + i * kPiece, gpu_.open_event()});
}

Staging::~Staging() {
  try {
    for (const Piece &piece : pieces_) gpu_.close_event(piece.done);
    if (memory_ != nullptr) gpu_.free_pinned(memory_);
  } catch (const Failure &) {  // of a GPU that failed before: nothing is left to give back
  }
}

void Staging::copy_to_device(Stream stream, void *to, const void *host, int64_t bytes) {
  if (memory_ == nullptr) open();
  for (int64_t at = 0; at < bytes; at += kPiece) {
    const Piece &piece = pieces_[next_];
    next_ = (next_ + 1) % pieces_.size();
    const int64_t part = bytes - at < kPiece ? bytes - at : kPiece;
    gpu_.synchronize(piece.done);
    std::memcpy(piece.memory, static_cast<const char *>(host) + at, static_cast<size_t>(part));
    gpu_.copy_to_device(stream, static_cast<char *>(to) + at, piece.memory, part);
    gpu_.record(stream, piece.done);
  }
}

}  // namespace simcse::cuda::plugin
