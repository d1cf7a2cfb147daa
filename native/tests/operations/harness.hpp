// Runs one operation on every tier, thread count and placement, and compares what it wrote with the same formula in
// double. A family of tests builds a Case: its operands, how to call the operation, and what must come out.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "../../include/simcse.h"
#include "guarded.hpp"

namespace simcse_test {

enum class Type { kF32, kBf16, kI32, kI64, kU8, kU16 };
using Numbers = std::vector<double>;
using Bytes = std::vector<char>;

constexpr Type kFloats[] = {Type::kF32, Type::kBf16};
simcse_dtype dtype(Type type);
const char *name(Type type);
std::size_t size_of(Type type);
double rounded(Type type, double value);
Numbers rounded(Type type, Numbers values);
Bytes encoded(Type type, const Numbers &values);
Numbers decoded(Type type, const Bytes &bytes);

// Numbers of one seed (Steele et al. 2014, SplitMix64).
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next();
  double uniform();             // [0, 1)
  int64_t below(int64_t bound);  // [0, bound)
  double normal();
  Numbers normals(Type type, int64_t count, double mean = 0, double deviation = 1);

 private:
  uint64_t state_;
};

// One library under one tier, open with 1, 2 and 3 threads.
struct Target {
  std::string name;
  const simcse_api *api;
  simcse_device *devices[3];
  bool own_memory = false;        // arrays are copied to memory of the device, and back
  const char *refusal = nullptr;  // part of the text with which it may refuse a case as unsupported
};

struct Suite {
  std::vector<Target> targets;
  uint64_t seed = 0;
  int cases = 0;
  int refused = 0;
  int failures = 0;
  void fail(const std::string &text);
};

// An array that an operation reads or writes; converts to any pointer, which is that of the run in progress.
class Operand {
 public:
  template <typename T> operator T *() const { return reinterpret_cast<T *>(at); }
  std::string name;
  Type type = Type::kF32;
  bool writable = false;
  int64_t count = 0;
  Bytes before;  // what it holds when the operation starts; 0xFF in every byte where it is an output alone
  char *at = nullptr;
  std::unique_ptr<Guarded> memory[2];  // for both flushes
  std::vector<Bytes> after;            // for every target, of the first run
};

class Batch;

class Case {
 public:
  using Call = std::function<simcse_status(const simcse_api &, simcse_device *)>;

  Case(Suite &suite, const std::string &label);
  Random random;
  // Numbers where rounding errors are large in themselves: in norm f32 is then allowed twice the error of the plain
  // f32 loop where that is above 1e-5.
  bool outliers = false;

  Operand &input(const std::string &name, Type type, const Numbers &values);
  Operand &updated(const std::string &name, Type type, const Numbers &values);
  Operand &output(const std::string &name, Type type, int64_t count);
  void use(const Batch &batch);

  // Within a call: a copy of the argument struct, and the batch, flush against unmapped pages too.
  template <typename T> const T *arguments(T value) {
    value.struct_size = sizeof(T);
    return reinterpret_cast<const T *>(place(&value, sizeof(T)));
  }
  const simcse_batch *batch();

  // Calls it for every target with 1, 2 and 3 threads and both placements, and again: the bits must be the same.
  void run(const Call &call);

  // want: in double. plain: by the plain float loop, not rounded yet, from which the tolerance of bf16 derives.
  // scale: the size of number that rounding errors are relative to, where that is larger than `want`.
  void expect(const Operand &operand, const Numbers &want, const Numbers &plain, double scale = 0);
  // The same for one target alone, where each has its own truth.
  void expect_of(std::size_t target, const Operand &operand, const Numbers &want, const Numbers &plain,
                 double scale = 0);
  void expect_bits(const Operand &operand, const Bytes &want);
  // Whether all targets ran.
  bool ran() const { return ran_; }
  void fail(const std::string &text);
  void rename(const std::string &label) { label_ = label; }

 private:
  Operand &add(const std::string &name, Type type, int64_t count, bool writable, Bytes before);
  bool run_once(const Call &call, std::size_t target, int device, Flush flush, bool first);
  bool refused(const Target &target, simcse_status status);
  const char *place(const void *value, std::size_t bytes);

  Suite &suite_;
  std::string label_;
  std::deque<Operand> operands_;
  std::vector<std::unique_ptr<Guarded>> placed_;
  Flush flush_ = Flush::kEnd;
  const Batch *batch_ = nullptr;
  Operand *batch_operands_[4] = {};
  bool ran_ = true;
};

std::string format(const char *pattern, ...) __attribute__((format(printf, 1, 2)));

// The families; each is one file.
void test_gemm(Suite &suite);
void test_elementwise(Suite &suite);
void test_layer_norm(Suite &suite);
void test_embedding(Suite &suite);
void test_attention(Suite &suite);
void test_pooling(Suite &suite);
void test_similarity(Suite &suite);
void test_optimiser(Suite &suite);
void test_masks(Suite &suite);
void test_convert(Suite &suite);
void test_weights(Suite &suite);

}  // namespace simcse_test
