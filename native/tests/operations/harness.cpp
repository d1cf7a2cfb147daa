// Cases: calls with every placement and thread count, and the comparison of what came out.
#include "harness.hpp"

#include <cmath>
#include <cstdio>
#include <cstring>

#include "batch.hpp"

namespace simcse_test {
namespace {

constexpr double kF32Tolerance = 1e-5;
// Scores of some hundreds, of which a float keeps 3e-5, go through an exponential.
constexpr double kOutlierTolerance = 1e-4;
constexpr double kBf16Unit = 0x1p-8;  // the largest relative error of one rounding to bf16
constexpr int kFailuresPrinted = 25;

// max|out - want| / max|want| and ||out - want|| / ||want||
struct Error {
  double largest = 0;
  double norm = 0;
};

Error error_of(const Numbers &out, const Numbers &want, double scale) {
  double difference = 0, size = scale, squares = 0, difference_squares = 0;
  for (std::size_t i = 0; i < want.size(); i++) {
    if (std::isinf(want[i]) && out[i] == want[i]) continue;
    double apart = std::fabs(out[i] - want[i]);
    if (!std::isfinite(apart)) return {INFINITY, INFINITY};
    difference = std::fmax(difference, apart);
    difference_squares += apart * apart;
    size = std::fmax(size, std::fabs(want[i]));
    squares += want[i] * want[i];
  }
  double norm = std::fmax(std::sqrt(squares), scale * std::sqrt(static_cast<double>(want.size())));
  return {difference == 0 ? 0 : difference / size, difference == 0 ? 0 : std::sqrt(difference_squares) / norm};
}

// Where the two are furthest apart; NaN and infinity before all.
std::size_t worst_of(const Numbers &out, const Numbers &want) {
  std::size_t worst = 0;
  double most = -1;
  for (std::size_t i = 0; i < want.size(); i++) {
    if (std::isinf(want[i]) && out[i] == want[i]) continue;
    double apart = std::fabs(out[i] - want[i]);
    if (!std::isfinite(apart)) return i;
    if (apart > most) {
      most = apart;
      worst = i;
    }
  }
  return worst;
}

// What a result of this type may be off, given how far the plain float loop is.
Error allowed(Type type, Numbers plain, const Numbers &want, double scale, bool outliers) {
  if (type != Type::kBf16) {
    if (!outliers) return {kF32Tolerance, kF32Tolerance};
    Error error = error_of(plain, want, scale);
    return {kOutlierTolerance, std::fmax(kF32Tolerance, 2 * error.norm)};
  }
  Error error = error_of(rounded(type, std::move(plain)), want, scale);
  // A handful of numbers may all happen to lie close to bf16 ones: they are allowed one rounding.
  double floor = want.size() < 16 ? kBf16Unit : kF32Tolerance;
  return {std::fmax(kBf16Unit, 2 * error.largest), std::fmax(floor, 2 * error.norm)};
}

// The arrays of one run in memory of the device: as far past a multiple of 256 bytes as on the host, and with no byte
// behind them, so that a checker of its accesses sees one beside them.
class OnDevice {
 public:
  OnDevice(const simcse_api &api, simcse_device *device) : api_(api), device_(device) {}
  ~OnDevice() {
    for (const Array &array : arrays_) api_.memory_free(device_, array.memory);
  }
  OnDevice(const OnDevice &) = delete;
  OnDevice &operator=(const OnDevice &) = delete;

  bool send(Operand &operand) {
    const std::size_t offset = reinterpret_cast<uintptr_t>(operand.at) % 256, bytes = operand.before.size();
    Array array = {nullptr, operand.at};
    if (api_.memory_allocate(device_, static_cast<int64_t>(offset + bytes), &array.memory) != SIMCSE_OK) return false;
    arrays_.push_back(array);
    operand.at = static_cast<char *>(array.memory) + offset;
    return api_.copy_to_device(device_, nullptr, operand.at, array.host, static_cast<int64_t>(bytes)) == SIMCSE_OK;
  }
  // Of all that were sent, in the same order.
  bool fetch(std::deque<Operand> &operands) {
    bool fetched = true;
    for (std::size_t i = 0; i < arrays_.size(); i++) {
      Operand &operand = operands[i];
      const int64_t bytes = static_cast<int64_t>(operand.before.size());
      if (operand.writable) {
        fetched = fetched && api_.copy_to_host(device_, nullptr, arrays_[i].host, operand.at, bytes) == SIMCSE_OK;
      }
      operand.at = arrays_[i].host;
    }
    return fetched && api_.stream_synchronize(device_, nullptr) == SIMCSE_OK;
  }

 private:
  struct Array {
    void *memory;
    char *host;
  };
  const simcse_api &api_;
  simcse_device *device_;
  std::vector<Array> arrays_;
};

}  // namespace

void Suite::fail(const std::string &text) {
  failures++;
  if (failures <= kFailuresPrinted) std::printf("FAILED %s; seed %llu\n", text.c_str(),
                                                static_cast<unsigned long long>(seed));
  if (failures == kFailuresPrinted) std::printf("  ... more failures of this family are counted, not printed\n");
  std::fflush(stdout);
}

Case::Case(Suite &suite, const std::string &label)
    : random(suite.seed * 1000003 + static_cast<uint64_t>(suite.cases)), suite_(suite), label_(label) {
  suite.cases++;
}

Operand &Case::add(const std::string &name, Type type, int64_t count, bool writable, Bytes before) {
  operands_.emplace_back();
  Operand &operand = operands_.back();
  operand.name = name;
  operand.type = type;
  operand.count = count;
  operand.writable = writable;
  operand.before = std::move(before);
  for (int f = 0; f < 2; f++) {
    operand.memory[f] = std::make_unique<Guarded>(name, operand.before.size(), f == 0 ? Flush::kStart : Flush::kEnd);
    operand.memory[f]->fill(operand.before.data(), !writable);
  }
  return operand;
}

Operand &Case::input(const std::string &name, Type type, const Numbers &values) {
  return add(name, type, static_cast<int64_t>(values.size()), false, encoded(type, values));
}

Operand &Case::updated(const std::string &name, Type type, const Numbers &values) {
  return add(name, type, static_cast<int64_t>(values.size()), true, encoded(type, values));
}

Operand &Case::output(const std::string &name, Type type, int64_t count) {
  return add(name, type, count, true, Bytes(static_cast<std::size_t>(count) * size_of(type), '\xff'));
}

void Case::use(const Batch &batch) {
  batch_ = &batch;
  batch_operands_[0] = &input("batch.ids", Type::kI32, batch.ids);
  batch_operands_[1] = &input("batch.starts", Type::kI64, batch.starts);
  batch_operands_[2] = &input("batch.cu_seqlens", Type::kI32, batch.cu_seqlens());
  batch_operands_[3] = &input("batch.samples", Type::kI32, batch.samples);
}

const simcse_batch *Case::batch() {
  simcse_batch b = {};
  b.ids = *batch_operands_[0];
  b.id_count = batch_operands_[0]->count;
  b.starts = *batch_operands_[1];
  b.cu_seqlens = *batch_operands_[2];
  b.samples = *batch_operands_[3];
  b.sentences = static_cast<int32_t>(batch_->lengths.size());
  b.tokens = static_cast<int32_t>(batch_->tokens());
  b.max_length = static_cast<int32_t>(batch_->max_length());
  b.views = static_cast<int32_t>(batch_->views);
  b.first_view = static_cast<int32_t>(batch_->first_view);
  return arguments(b);
}

const char *Case::place(const void *value, std::size_t bytes) {
  placed_.push_back(std::make_unique<Guarded>("an argument struct", bytes, flush_));
  placed_.back()->fill(value, true);
  return placed_.back()->data();
}

void Case::run(const Call &call) {
  static const struct {
    int device;
    Flush flush;
  } kRuns[] = {{0, Flush::kEnd}, {0, Flush::kStart}, {1, Flush::kEnd}, {2, Flush::kStart}, {1, Flush::kEnd}};
  for (std::size_t target = 0; target < suite_.targets.size(); target++) {
    bool first = true;
    for (const auto &run : kRuns) {
      if (!run_once(call, target, run.device, run.flush, first)) {
        ran_ = false;
        break;
      }
      first = false;
    }
  }
}

bool Case::run_once(const Call &call, std::size_t target, int device, Flush flush, bool first) {
  const Target &on = suite_.targets[target];
  std::string where = format("%s on %s with %d threads, flush with the %s of its memory", label_.c_str(),
                             on.name.c_str(), device + 1, flush == Flush::kEnd ? "end" : "start");
  now_running(where + format("; seed %llu", static_cast<unsigned long long>(suite_.seed)));
  flush_ = flush;
  int side = flush == Flush::kStart ? 0 : 1;
  for (Operand &operand : operands_) {
    operand.at = operand.memory[side]->data();
    if (operand.writable) operand.memory[side]->fill(operand.before.data(), false);
  }
  OnDevice memory(*on.api, on.devices[device]);
  bool moved = true;
  for (Operand &operand : operands_) moved = moved && (!on.own_memory || memory.send(operand));
  simcse_status status = moved ? call(*on.api, on.devices[device]) : SIMCSE_OUT_OF_MEMORY;
  placed_.clear();
  if (refused(on, status)) return false;
  if (status == SIMCSE_OK && !memory.fetch(operands_)) status = SIMCSE_DEVICE_FAULT;
  if (status != SIMCSE_OK) {
    suite_.fail(where + format(": status %d, \"%s\"", status, on.api->last_error()));
    return false;
  }
  for (Operand &operand : operands_) {
    if (!operand.writable) continue;
    if (!operand.memory[side]->slack_untouched()) {
      suite_.fail(where + ": bytes beside " + operand.name + " were written");
    }
    Bytes bytes(operand.at, operand.at + operand.before.size());
    if (first) {
      operand.after.push_back(bytes);
    } else if (bytes != operand.after[target]) {
      suite_.fail(where + ": " + operand.name + " has other bits than with 1 thread, flush with the end of its memory");
    }
  }
  return true;
}

bool Case::refused(const Target &target, simcse_status status) {
  if (status != SIMCSE_UNSUPPORTED || target.refusal == nullptr) return false;
  if (std::strstr(target.api->last_error(), target.refusal) == nullptr) return false;
  suite_.refused++;
  return true;
}

void Case::expect(const Operand &operand, const Numbers &want, const Numbers &plain, double scale) {
  for (std::size_t target = 0; ran_ && target < suite_.targets.size(); target++) {
    expect_of(target, operand, want, plain, scale);
  }
}

void Case::expect_of(std::size_t target, const Operand &operand, const Numbers &want, const Numbers &plain,
                     double scale) {
  if (want.size() != static_cast<std::size_t>(operand.count) || plain.size() != want.size()) {
    fail(operand.name + ": the test's reference has another size");
    return;
  }
  Error most = allowed(operand.type, plain, want, scale, outliers);
  Numbers out = decoded(operand.type, operand.after[target]);
  Error error = error_of(out, want, scale);
  if (error.largest <= most.largest && error.norm <= most.norm) return;
  std::size_t worst = worst_of(out, want);
  suite_.fail(format("%s on %s: %s is off by %.3g of its largest number and %.3g of its norm, allowed are %.3g and "
                     "%.3g; worst at %zu of %zu, %.9g for %.9g",
                     label_.c_str(), suite_.targets[target].name.c_str(), operand.name.c_str(), error.largest,
                     error.norm, most.largest, most.norm, worst, want.size(), out[worst], want[worst]));
}

void Case::expect_bits(const Operand &operand, const Bytes &want) {
  if (!ran_) return;
  for (std::size_t target = 0; target < suite_.targets.size(); target++) {
    const Bytes &out = operand.after[target];
    std::size_t i = 0;
    while (i < want.size() && out[i] == want[i]) i++;
    if (i == want.size() && out.size() == want.size()) continue;
    std::size_t index = i / size_of(operand.type);
    suite_.fail(format("%s on %s: %s[%zu] is %.9g, not %.9g", label_.c_str(), suite_.targets[target].name.c_str(),
                       operand.name.c_str(), index, decoded(operand.type, out)[index],
                       decoded(operand.type, want)[index]));
  }
}

void Case::fail(const std::string &text) { suite_.fail(label_ + ": " + text); }

}  // namespace simcse_test
