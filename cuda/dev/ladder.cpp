// Results and ceilings, and the main function of all programs.
#include "ladder.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <sstream>

#include "../../native/src/failure.hpp"
#include "ladder_kernels.hpp"

namespace simcse::cuda::dev {

namespace {

constexpr int64_t kEvicting = int64_t{256} << 20;  // more than the caches of any GPU
constexpr int64_t kCopied = int64_t{1} << 30;
constexpr int64_t kProduct = 8192;  // m, n and k
constexpr int kWarmUp = 3, kLeast = 5, kMost = 100;
constexpr double kLongEnough = 2e5;  // microseconds of a version, where kLeast of it take less

double median(std::vector<double> all) {
  std::sort(all.begin(), all.end());
  return (all[all.size() / 2] + all[(all.size() - 1) / 2]) / 2;
}

// After a fault of the GPU nothing can be given back to it; the fault is what is to be told.
template <typename Body>
void quietly(const Body &body) noexcept {
  try {
    body();
  } catch (const Failure &) {
  }
}

// Events around each of many runs.
class Events {
 public:
  Events(plugin::Gpu &gpu, int count) : gpu_(gpu) {
    for (int i = 0; i < count; i++) all_.push_back(gpu.open_event());
  }
  ~Events() {
    for (const plugin::Event each : all_) {
      quietly([&] { gpu_.close_event(each); });
    }
  }
  plugin::Event operator[](int i) const { return all_[static_cast<size_t>(i)]; }

 private:
  plugin::Gpu &gpu_;
  std::vector<plugin::Event> all_;
};

}  // namespace

Shape::Shape(const std::string &text) : text_(text) {
  std::istringstream words(text);
  std::string word;
  while (words >> word) {
    const size_t equals = word.find('=');
    char *end = nullptr;
    if (equals != std::string::npos && equals > 0) {
      extents_[word.substr(0, equals)] = std::strtoll(word.c_str() + equals + 1, &end, 10);
    }
    const bool number = end != nullptr && *end == '\0' && end != word.c_str() + equals + 1;
    if (word == "bf16") dtype_ = SIMCSE_BF16;
    if (!number && word != "bf16" && word != "f32") {
      fail(SIMCSE_INVALID_ARGUMENT, "the shape \"%s\" has \"%s\", where it takes f32, bf16 or NAME=NUMBER",
           text.c_str(), word.c_str());
    }
  }
}

int64_t Shape::operator[](const std::string &name) const {
  const auto found = extents_.find(name);
  if (found == extents_.end()) {
    fail(SIMCSE_INVALID_ARGUMENT, "the shape \"%s\" has no %s; add %s=NUMBER", text_.c_str(), name.c_str(),
         name.c_str());
  }
  return found->second;
}

Ladder::Ladder(std::FILE *json) : gpu_(plugin::open_gpu(0, nullptr)), json_(json) {
  use_ = std::make_unique<plugin::Use>(*gpu_);
  std::string missing = "none";
  if (gpu_->takes_cublaslt()) cublaslt_ = plugin::CublasLt::open(&missing);
  std::printf("%s, %s; cuBLASLt: %s\n", gpu_->tier().c_str(), gpu_->description().c_str(),
              cublaslt_ == nullptr ? missing.c_str() : cublaslt_->version().c_str());
  stream_ = gpu_->open_stream();
}

Ladder::~Ladder() {
  free(evicting_, kEvicting);
  quietly([&] { gpu_->close_stream(stream_); });
}

void Ladder::checked(Fault fault) {
  if (fault != 0) throw Failure{SIMCSE_DEVICE_FAULT, gpu_->text_of(fault)};
}

// --- times ---

double Ladder::time(const Queue &queue, const Problem::Run &run) {
  const Events starts(*gpu_, kMost), ends(*gpu_, kMost);
  std::vector<double> all;
  const auto repeat = [&](int count) {
    all.clear();
    // While the caches are filled, the host gets ahead of the GPU: launches wait for nothing.
    for (int i = 0; i < count; i++) {
      checked(read_bytes(stream_, evicting_, kEvicting));
      gpu_->record(stream_, starts[i]);
      checked(run(queue));
      gpu_->record(stream_, ends[i]);
    }
    gpu_->synchronize(stream_);
    for (int i = 0; i < count; i++) {
      all.push_back(static_cast<double>(gpu_->milliseconds(starts[i], ends[i])) * 1e3);
    }
    return median(all);
  };
  const double once = repeat(kWarmUp);
  return repeat(static_cast<int>(std::clamp(kLongEnough / once, double{kLeast}, double{kMost})));
}

void *Ladder::allocate(int64_t bytes) {
  void *const memory = gpu_->allocate(bytes);
  if (memory == nullptr) {
    fail(SIMCSE_OUT_OF_MEMORY, "there are no %lld MB of device memory; pass a smaller --shape",
         static_cast<long long>(bytes >> 20));
  }
  return memory;
}

void Ladder::free(void *memory, int64_t bytes) noexcept {
  if (memory != nullptr) quietly([&] { gpu_->free(memory, bytes); });
}

void Ladder::start_timing() {
  if (gpu_->tier() == "emulated") fail(SIMCSE_UNSUPPORTED, "an emulator has no times to measure; pass --check");
  times_ = true;
  evicting_ = allocate(kEvicting);
  gpu_->zero(stream_, evicting_, kEvicting);
  void *const from = allocate(kCopied), *const to = allocate(kCopied);
  checked(fill_bf16(stream_, from, kCopied));
  const double nothing = time({stream_, nullptr}, [](const Queue &) { return 0; });
  std::printf("%.2f us between two events with nothing between them, as part of every time below\n", nothing);
  const double copy = time({stream_, nullptr}, [&](const Queue &q) { return copy_bytes(q.stream, from, to, kCopied); });
  copy_rate_ = 2.0 * kCopied / copy * 1e6;
  report("ceiling", "copy", Shape("bytes=" + std::to_string(kCopied)), copy, 2.0 * kCopied, 0, true);
  if (cublaslt_ != nullptr) {
    measure_product(from, to);
  } else {
    std::printf("there is no rate of products without cuBLASLt: floors are those of the bytes alone\n");
  }
  free(from, kCopied);
  free(to, kCopied);
}

// The operands are not zero: a GPU's clock depends on what it multiplies.
void Ladder::measure_product(void *operands, void *scratch) {
  constexpr int64_t n = kProduct, size = n * n * 2;
  static_assert(3 * size <= kCopied, "room for three matrices");
  char *const memory = static_cast<char *>(operands);
  simcse_gemm product = {};
  product.struct_size = sizeof product;
  product.dtype = product.c_dtype = SIMCSE_BF16;
  product.transpose_b = 1;
  product.m = product.n = product.k = n;
  product.a = memory;
  product.b = memory + size;
  product.c = memory + 2 * size;
  const double took = time({stream_, scratch}, [&](const Queue &q) { return cublaslt_->gemm(q, product); });
  const double flops = 2.0 * n * n * n;
  product_rate_ = flops / took * 1e6;
  const std::string extent = std::to_string(n);
  report("ceiling", "product", Shape("bf16 m=" + extent + " n=" + extent + " k=" + extent), took, 0, flops, true);
}

double Ladder::floor_of(double bytes, double flops) const {
  if (copy_rate_ == 0) return 0;
  return std::max(bytes / copy_rate_, product_rate_ == 0 ? 0 : flops / product_rate_) * 1e6;
}

// --- results ---

void Ladder::explain(const std::string &operation, const std::string &version, const std::string &why) {
  if (explained_.insert(operation + "/" + version).second) {
    std::printf("%s, %s: %s\n", operation.c_str(), version.c_str(), why.c_str());
  }
}

void Ladder::report(const std::string &operation, const std::string &version, const Shape &shape,
                    double microseconds, double bytes, double flops, bool passed) {
  failed_ = failed_ || !passed;
  const double floor = floor_of(bytes, flops);
  if (microseconds > 0) {
    std::printf("%-28s %-14s %-44s %10.2f us %8.1f GB/s %8.2f TFLOP/s  floor %9.2f us %6.1f %%\n", operation.c_str(),
                version.c_str(), shape.text().c_str(), microseconds, bytes / microseconds * 1e-3,
                flops / microseconds * 1e-6, floor, 100 * floor / microseconds);
  }
  std::fflush(stdout);
  if (json_ == nullptr) return;
  std::fprintf(json_,
               "{\"operation\": \"%s\", \"version\": \"%s\", \"shape\": \"%s\", \"dtype\": \"%s\", "
               "\"microseconds\": ",
               operation.c_str(), version.c_str(), shape.text().c_str(),
               shape.dtype() == SIMCSE_BF16 ? "bf16" : "f32");
  if (microseconds > 0) {
    std::fprintf(json_, "%.3f", microseconds);
  } else {
    std::fprintf(json_, "null");
  }
  std::fprintf(json_, ", \"bytes\": %.0f, \"flops\": %.0f, \"floor\": ", bytes, flops);
  if (floor > 0) {
    std::fprintf(json_, "%.3f", floor);
  } else {
    std::fprintf(json_, "null");
  }
  std::fprintf(json_, ", \"passed\": %s}\n", passed ? "true" : "false");
}

// --- the main function ---

namespace {

struct Options {
  bool check = false;
  std::string shape, json;
};

Options options_of(int count, char **arguments) {
  Options options;
  for (int i = 1; i < count; i++) {
    const std::string each = arguments[i];
    if (each == "--check") {
      options.check = true;
    } else if ((each == "--shape" || each == "--json") && i + 1 < count) {
      (each == "--shape" ? options.shape : options.json) = arguments[++i];
    } else {
      fail(SIMCSE_INVALID_ARGUMENT, "\"%s\" is not understood; usage: %s [--check] [--shape \"bf16 T=1024 ...\"] "
           "[--json FILE]", each.c_str(), arguments[0]);
    }
  }
  return options;
}

// Lines that lie under their name only when all are there.
class Lines {
 public:
  explicit Lines(const std::string &name) : name_(name), part_(name + ".part") {
    if (name.empty()) return;
    file_ = std::fopen(part_.c_str(), "w");
    if (file_ == nullptr) {
      fail(SIMCSE_INVALID_ARGUMENT, "%s cannot be written: %s", part_.c_str(), std::strerror(errno));
    }
  }
  ~Lines() {
    if (file_ == nullptr) return;
    std::fclose(file_);
    unlink(part_.c_str());
  }
  std::FILE *file() const { return file_; }
  void keep() {
    if (file_ == nullptr) return;
    const bool whole = std::fclose(file_) == 0 && std::rename(part_.c_str(), name_.c_str()) == 0;
    file_ = nullptr;
    if (!whole) fail(SIMCSE_INVALID_ARGUMENT, "%s cannot be written: %s", name_.c_str(), std::strerror(errno));
  }

 private:
  std::string name_, part_;
  std::FILE *file_ = nullptr;
};

}  // namespace

int climb(int count, char **arguments, const Program &program) {
  try {
    const Options options = options_of(count, arguments);
    Lines lines(options.json);
    Ladder ladder(lines.file());
    // Small shapes hold versions to every element; large ones to some, before they are timed.
    if (!options.shape.empty()) {
      if (!options.check) ladder.start_timing();
      program.run(ladder, Shape(options.shape));
    } else {
      for (const char *shape : program.checked) program.run(ladder, Shape(shape));
      if (!options.check && !ladder.failed()) {
        ladder.start_timing();
        for (const char *shape : program.timed) program.run(ladder, Shape(shape));
      }
    }
    lines.keep();
    return ladder.failed() ? 1 : 0;
  } catch (const Failure &failure) {
    std::fflush(stdout);
    std::fprintf(stderr, "%s\n", failure.text.c_str());
    return 2;
  }
}

}  // namespace simcse::cuda::dev
