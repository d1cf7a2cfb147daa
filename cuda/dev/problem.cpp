// The arrays of a problem, and what its versions are held to.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "../../native/src/failure.hpp"
#include "ladder.hpp"

namespace simcse::cuda::dev {

namespace {

constexpr int64_t kGuard = 256;  // bytes behind each array, which nobody may write
constexpr int64_t kPiece = 16 << 20;

int64_t guarded(int64_t bytes) { return round_up(bytes, 256) + kGuard; }

// Elements that no version wrote, where what is not written shows.
int64_t unwritten(const Host &values) {
  int64_t count = 0;
  if (values.type() != Type::f32 && values.type() != Type::bf16) return 0;
  for (int64_t i = 0; i < values.count(); i++) count += values[i] != values[i];
  return count;
}

Doubles pieces_of(const Host &values, const Expected &expected) {
  if (expected.first.empty()) return doubles_of(values);
  Doubles all;
  for (const int64_t first : expected.first) {
    for (int64_t i = first; i < first + expected.each; i++) all.push_back(values[i]);
  }
  return all;
}

}  // namespace

Problem::~Problem() {
  for (const Scratch &each : scratch_) ladder_.free(each.device, guarded(each.bytes));
  ladder_.free(queue_scratch_, queue_scratch_bytes_);
}

// Memory and its guard, all 0xff.
void *Problem::allocate(int64_t bytes) {
  if (bytes == 0) return nullptr;
  char *const memory = static_cast<char *>(ladder_.allocate(guarded(bytes)));
  scratch_.push_back({bytes, memory});
  const std::vector<unsigned char> rubbish(static_cast<size_t>(std::min(guarded(bytes), kPiece)), 0xff);
  for (int64_t at = 0; at < guarded(bytes); at += kPiece) {
    ladder_.gpu_->copy_to_device(ladder_.stream_, memory + at, rubbish.data(), std::min(guarded(bytes) - at, kPiece));
  }
  ladder_.gpu_->synchronize(ladder_.stream_);
  return memory;
}

void *Problem::array(const char *name, const Host &values, bool checked) {
  void *const memory = allocate(values.bytes());
  arrays_.push_back({name, values, {}, checked, memory});
  return memory;
}

void Problem::queue_scratch(int64_t bytes) {
  if (bytes <= queue_scratch_bytes_) return;
  ladder_.free(queue_scratch_, queue_scratch_bytes_);
  queue_scratch_ = nullptr;
  queue_scratch_ = ladder_.allocate(bytes);
  queue_scratch_bytes_ = bytes;
}

Queue Problem::queue() const { return {ladder_.stream_, queue_scratch_}; }

// Every array as at first: outputs, and all guards, are 0xff.
void Problem::restore() {
  const std::vector<unsigned char> guard(static_cast<size_t>(2 * kGuard), 0xff);
  for (const Scratch &each : scratch_) {
    ladder_.gpu_->copy_to_device(ladder_.stream_, static_cast<char *>(each.device) + each.bytes, guard.data(),
                                 guarded(each.bytes) - each.bytes);
  }
  for (const Array &each : arrays_) {
    if (each.device == nullptr) continue;
    ladder_.gpu_->copy_to_device(ladder_.stream_, each.device, each.start.data(), each.start.bytes());
  }
  ladder_.gpu_->synchronize(ladder_.stream_);
}

bool Problem::complain(const Rung &rung, const std::string &what) {
  std::printf("WRONG %s, %s, %s: %s\n", name_.c_str(), rung.name.c_str(), shape_.text().c_str(), what.c_str());
  return false;
}

bool Problem::guard_holds(const void *device, int64_t bytes) {
  std::vector<unsigned char> guard(static_cast<size_t>(guarded(bytes) - bytes));
  ladder_.gpu_->copy_to_host(ladder_.stream_, guard.data(), static_cast<const char *>(device) + bytes,
                             static_cast<int64_t>(guard.size()));
  ladder_.gpu_->synchronize(ladder_.stream_);
  return std::all_of(guard.begin(), guard.end(), [](unsigned char each) { return each == 0xff; });
}

bool Problem::check(const Rung &rung, const Array &array) {
  Host values(array.start.type(), array.start.count());
  ladder_.gpu_->copy_to_host(ladder_.stream_, values.data(), array.device, values.bytes());
  ladder_.gpu_->synchronize(ladder_.stream_);
  if (const int64_t count = unwritten(values); count > 0) {
    const std::string elements = std::to_string(count) + " elements";
    return complain(rung, array.name + " has " + elements + " that are not numbers or were not written");
  }
  bool right = true;
  for (const Expected &expected : array.expected) {
    if (expected.reference.empty()) continue;
    const double error = error_of(pieces_of(values, expected), expected.reference);
    const double limit =
        expected.naive.empty() ? 1e-5 : std::fmax(1e-5, 2 * error_of(expected.naive, expected.reference));
    if (error <= limit) continue;
    char text[80];
    std::snprintf(text, sizeof text, " has an error of %.3g, above %.3g", error, limit);
    right = complain(rung, array.name + text);
  }
  return right;
}

bool Problem::check(const Rung &rung) {
  restore();
  if (prepare_) ladder_.checked(prepare_(queue()));
  ladder_.checked(rung.run(queue()));
  ladder_.gpu_->synchronize(ladder_.stream_);
  bool right = true;
  for (const Scratch &each : scratch_) {
    if (!guard_holds(each.device, each.bytes)) right = complain(rung, "a write past the end of an array");
  }
  for (const Array &each : arrays_) {
    if (each.checked && each.device != nullptr) right = check(rung, each) && right;
  }
  return right;
}

void Problem::climb(const Rung &rung) {
  const bool right = check(rung);
  const bool timed = right && ladder_.times_;
  if (right && !timed) std::printf("ok    %s, %s, %s\n", name_.c_str(), rung.name.c_str(), shape_.text().c_str());
  const double microseconds = timed ? ladder_.time(queue(), rung.run) : 0;
  ladder_.report(name_, rung.name, shape_, microseconds, bytes_, flops_, right);
}

void Problem::climb() {
  for (const Rung &rung : rungs_) ladder_.explain(name_, rung.name, rung.why);
  for (const Rung &rung : rungs_) {
    try {
      climb(rung);
    } catch (const Failure &failure) {
      throw Failure{failure.status, name_ + ", " + rung.name + ", " + shape_.text() + ": " + failure.text};
    }
  }
}

}  // namespace simcse::cuda::dev
