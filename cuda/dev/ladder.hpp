// The frame of the programs of this folder, each of which climbs the ladder of an operation: versions from the plainest
// to the one in use, at shapes of which each is a line of text. A version is first held to a loop on the CPU, from the
// same inputs and with outputs that were poisoned, and timed only where it was right. Its floor is the larger of bytes
// over the bandwidth of a copy and FLOPs over the rate of a bf16 product by cuBLASLt, both measured first.
//
//   program [--check] [--shape "bf16 T=1024 H=768"] [--json FILE]
//
// ends with 0, with 1 where a version was wrong, with 2 where it could not run. A program is a Program whose `run`
// makes a Problem of a shape: arrays, what is expected of them, bytes and FLOPs, then a rung for each version. In the
// emulator there is nothing to time, and --check is all that a program does.
#pragma once

#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "../launch.hpp"
#include "../plugin/cublaslt.hpp"
#include "../plugin/gpu.hpp"
#include "host.hpp"

namespace simcse::cuda::dev {

// "bf16 T=1024 H=768": a type and named extents.
class Shape {
 public:
  explicit Shape(const std::string &text);
  const std::string &text() const { return text_; }
  simcse_dtype dtype() const { return dtype_; }
  Type type() const { return dtype_ == SIMCSE_BF16 ? Type::bf16 : Type::f32; }
  int64_t operator[](const std::string &name) const;  // throws a Failure where the shape has no such extent
  int integer(const std::string &name) const { return static_cast<int>((*this)[name]); }
  bool has(const std::string &name) const { return extents_.count(name) > 0; }

 private:
  std::string text_;
  simcse_dtype dtype_ = SIMCSE_F32;
  std::map<std::string, int64_t> extents_;
};

// What an output must be: everywhere, or in pieces of `each` elements that start at `first`. Without a reference it is
// only to be written, all of it, with numbers.
struct Expected {
  Doubles reference;
  Doubles naive;  // the same with every stored number rounded; empty where an output depends on no rounded number
  std::vector<int64_t> first = {};
  int64_t each = 0;
};

class Ladder;

// An operation at a shape.
class Problem {
 public:
  using Run = std::function<Fault(const Queue &)>;

  Problem(Ladder &ladder, const char *operation, const Shape &shape)
      : ladder_(ladder), name_(operation), shape_(shape) {}
  ~Problem();
  Problem(const Problem &) = delete;
  Problem &operator=(const Problem &) = delete;

  // --- arrays in device memory, which live as long as the problem; a null pointer for no elements ---

  template <typename T>
  const T *input(const Host &values) {
    return static_cast<const T *>(array("", values, false));
  }
  // Overwritten whole.
  template <typename T>
  T *output(const char *name, int64_t count, Expected expected) {
    return updated<T>(name, Host(type_of<T>(), count), std::move(expected));
  }
  // Read and written.
  template <typename T>
  T *updated(const char *name, const Host &values, Expected expected) {
    void *const memory = array(name, values, true);
    arrays_.back().expected.push_back(std::move(expected));
    return static_cast<T *>(memory);
  }
  // More that is expected of the array that was made last, apart from the rest.
  void expect_too(Expected expected) { arrays_.back().expected.push_back(std::move(expected)); }
  // For what lies between the kernels of a version, or is left by `prepare`; rubbish at first.
  template <typename T>
  T *scratch(int64_t count) {
    return static_cast<T *>(allocate(count * size_of(type_of<T>())));
  }
  // Of Queue::scratch, for the versions that need it.
  void queue_scratch(int64_t bytes);

  // Runs before each version: makes what they read of other operations.
  void prepare(Run run) { prepare_ = std::move(run); }

  // What no version can do without.
  void floor(double bytes, double flops) { bytes_ = bytes, flops_ = flops; }

  // The next version, and why it should be faster than the one before.
  void rung(const char *name, const char *why, Run run) { rungs_.push_back({name, why, std::move(run)}); }

  // Checks all rungs, then times those that are right. At the end of a program's run.
  void climb();

 private:
  struct Array {
    std::string name;
    Host start;
    std::vector<Expected> expected;
    bool checked;
    void *device;
  };
  struct Scratch {
    int64_t bytes;
    void *device;
  };
  struct Rung {
    std::string name, why;
    Run run;
  };
  void *array(const char *name, const Host &values, bool checked);
  void *allocate(int64_t bytes);
  void restore();
  void climb(const Rung &rung);
  bool check(const Rung &rung);
  bool check(const Rung &rung, const Array &array);
  bool guard_holds(const void *device, int64_t bytes);
  bool complain(const Rung &rung, const std::string &what);
  Queue queue() const;

  Ladder &ladder_;
  std::string name_;
  Shape shape_;
  std::vector<Array> arrays_;
  std::vector<Scratch> scratch_;
  std::vector<Rung> rungs_;
  Run prepare_;
  void *queue_scratch_ = nullptr;
  int64_t queue_scratch_bytes_ = 0;
  double bytes_ = 0, flops_ = 0;
};

// The GPU, what was measured of it, and where results go.
class Ladder {
 public:
  explicit Ladder(std::FILE *json);
  ~Ladder();
  Ladder(const Ladder &) = delete;
  Ladder &operator=(const Ladder &) = delete;

  // From here on versions are timed: measures the ceilings.
  void start_timing();
  // sm_90 ..., or "emulated": for rungs that only some GPUs can climb.
  std::string tier() const { return gpu_->tier(); }
  // Null where it is not there.
  plugin::CublasLt *cublaslt() { return cublaslt_.get(); }
  bool failed() const { return failed_; }

 private:
  friend class Problem;
  void *allocate(int64_t bytes);
  void free(void *memory, int64_t bytes) noexcept;
  void measure_product(void *operands, void *scratch);
  // Median microseconds of `run`, with nothing of its arrays in the caches.
  double time(const Queue &queue, const Problem::Run &run);
  void checked(Fault fault);
  double floor_of(double bytes, double flops) const;  // microseconds
  void explain(const std::string &operation, const std::string &version, const std::string &why);
  void report(const std::string &operation, const std::string &version, const Shape &shape, double microseconds,
              double bytes, double flops, bool passed);

  std::unique_ptr<plugin::Gpu> gpu_;
  std::unique_ptr<plugin::Use> use_;
  std::unique_ptr<plugin::CublasLt> cublaslt_;
  Stream stream_ = nullptr;
  void *evicting_ = nullptr;
  bool times_ = false;
  bool failed_ = false;
  double copy_rate_ = 0, product_rate_ = 0;  // bytes, FLOPs a second
  std::set<std::string> explained_;
  std::FILE *json_;
};

struct Program {
  std::vector<const char *> checked;  // small shapes, which the emulator can do too
  std::vector<const char *> timed;
  void (*run)(Ladder &, const Shape &);
};

// The main function of a program.
int climb(int count, char **arguments, const Program &program);

}  // namespace simcse::cuda::dev
