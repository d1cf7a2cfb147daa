#include "cublaslt.hpp"

#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <tuple>
#include <vector>

#include "../../native/src/failure.hpp"
#include "../activation.hpp"
#include "../convert.hpp"
#include "../gemm.hpp"
#include "../partial_sums.hpp"

namespace simcse::cuda::plugin {

using namespace cublaslt;

namespace {

constexpr int64_t kWorkspace = 32 << 20;
// Descriptions of products: of the token counts of some hundred steps, of ten products each.
constexpr size_t kMostPlans = 4096;
// In one piece or in two, as the rungs `product` and `separate` of the ladder of gemm say which is faster on a GPU.
constexpr bool kFusesGelu = true, kFusesGeluBackward = true, kFusesBiasGradient = true;

template <typename Function>
bool find(void *library, Function &function, const char *name) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  return function != nullptr;
}

bool entries(void *library, Library *lt) {
  return find(library, lt->create, "cublasLtCreate") && find(library, lt->destroy, "cublasLtDestroy") &&
         find(library, lt->version, "cublasLtGetVersion") &&
         find(library, lt->status_name, "cublasLtGetStatusName") &&
         find(library, lt->operation_create, "cublasLtMatmulDescCreate") &&
         find(library, lt->operation_destroy, "cublasLtMatmulDescDestroy") &&
         find(library, lt->operation_set, "cublasLtMatmulDescSetAttribute") &&
         find(library, lt->layout_create, "cublasLtMatrixLayoutCreate") &&
         find(library, lt->layout_destroy, "cublasLtMatrixLayoutDestroy") &&
         find(library, lt->preference_create, "cublasLtMatmulPreferenceCreate") &&
         find(library, lt->preference_destroy, "cublasLtMatmulPreferenceDestroy") &&
         find(library, lt->preference_set, "cublasLtMatmulPreferenceSetAttribute") &&
         find(library, lt->choose, "cublasLtMatmulAlgoGetHeuristic") &&
         find(library, lt->multiply, "cublasLtMatmul");
}

uint32_t alignment_of(const void *memory) {
  const uintptr_t address = reinterpret_cast<uintptr_t>(memory);
  return address % 256 == 0 ? 256 : static_cast<uint32_t>(address & (~address + 1));
}

int32_t type_of(simcse_dtype dtype) { return dtype == SIMCSE_BF16 ? kBf16 : kFloat; }

bool adds_bias(uint32_t epilogue) { return (epilogue & kBias) != 0; }

// Of what can be done in two pieces too, the library may refuse to do it in one.
bool is_fused(uint32_t epilogue) { return epilogue != kPlainEpilogue && epilogue != kBias; }
bool is_refusal(Status status, uint32_t epilogue) {
  return status == kNotSupported || (status == kInvalidValue && is_fused(epilogue));
}

// Where the bias lies in BF16, or its gradient comes to lie, behind the workspace.
void *behind_workspace(const Queue &queue) { return static_cast<char *>(queue.scratch) + kWorkspace; }

}  // namespace

std::unique_ptr<CublasLt> CublasLt::open(std::string *missing) {
  std::vector<std::string> folders;
  for (const char *variable : {"CUDA_HOME", "CUDA_PATH"}) {
    const char *home = std::getenv(variable);
    if (home != nullptr && *home != '\0') folders.push_back(std::string(home) + "/lib64/");
  }
  folders.push_back("");
  folders.push_back("/usr/local/cuda/lib64/");
  *missing = "libcublasLt.so.13 and .12 are not found; install cuBLAS of CUDA 12 or 13, or set CUDA_HOME";
  for (const char *name : {"libcublasLt.so.13", "libcublasLt.so.12"}) {
    for (const std::string &folder : folders) {
      void *const library = dlopen((folder + name).c_str(), RTLD_LAZY | RTLD_LOCAL);
      if (library == nullptr) continue;
      Library lt;
      Handle handle = nullptr;
      if (!entries(library, &lt)) {
        *missing = folder + name + " lacks functions of cuBLASLt; install that of CUDA 12 or 13";
      } else if (const Status status = lt.create(&handle); status != 0) {
        *missing = folder + name + " cannot be used, " + lt.status_name(status) + "; install that of the driver's CUDA";
      } else {
        missing->clear();
        return std::unique_ptr<CublasLt>(new CublasLt(lt, handle));
      }
      dlclose(library);
    }
  }
  return nullptr;
}

CublasLt::~CublasLt() {
  for (const auto &plan : plans_) destroy(plan.second);
  lt_.destroy(handle_);
}

std::string CublasLt::version() const {
  const size_t v = lt_.version();  // 130102 is 13.1.2
  return std::to_string(v / 10000) + "." + std::to_string(v / 100 % 100) + "." + std::to_string(v % 100);
}

int64_t CublasLt::scratch(const simcse_gemm &args) {
  const int64_t bias = args.bias != nullptr && args.dtype == SIMCSE_BF16 ? 2 * args.n : 0;
  const int64_t sums = args.bias_gradient != nullptr ? 4 * args.m : 0;
  return std::max(kWorkspace + bias + sums, gemm_scratch(args));
}

int64_t token_bucket(int64_t tokens) {
  int64_t step = 1;
  while (16 * step <= tokens) step *= 2;
  return round_up(tokens, step);
}

bool CublasLt::Key::operator<(const Key &o) const {
  return std::tie(m, n, k, dtype, d_dtype, transpose_a, transpose_b, epilogue, alignment_a, alignment_b, alignment_c,
                  alignment_d, alignment_bias, alignment_kept) <
         std::tie(o.m, o.n, o.k, o.dtype, o.d_dtype, o.transpose_a, o.transpose_b, o.epilogue, o.alignment_a,
                  o.alignment_b, o.alignment_c, o.alignment_d, o.alignment_bias, o.alignment_kept);
}

void CublasLt::check(Status status, const char *call) const {
  if (status == 0) return;
  fail(SIMCSE_DEVICE_FAULT, "%s of cuBLASLt %s gives %s (%d)", call, version().c_str(), lt_.status_name(status),
       status);
}

void CublasLt::destroy(const Plan &plan) const {
  if (plan.operation != nullptr) lt_.operation_destroy(plan.operation);
  for (const Layout layout : {plan.a, plan.b, plan.d}) {
    if (layout != nullptr) lt_.layout_destroy(layout);
  }
}

// --- plans ---

// What a product is asked for with: false where the library does not take such a bias, or such an epilogue.
bool CublasLt::describe(const Key &key, int32_t bias_type, Plan *plan) const {
  // The library's A is our B, and its rows are our columns.
  const uint64_t n = static_cast<uint64_t>(key.n), m = static_cast<uint64_t>(key.m), k = static_cast<uint64_t>(key.k);
  const int32_t a = key.transpose_b ? kTransposed : kPlain, b = key.transpose_a ? kTransposed : kPlain;
  plan->bias_type = bias_type;
  check(lt_.operation_create(&plan->operation, kComputeFloat, kFloat), "cublasLtMatmulDescCreate");
  const auto set = [&](int attribute, const auto &value) {
    return lt_.operation_set(plan->operation, attribute, &value, sizeof value);
  };
  check(set(kTransposeA, a), "cublasLtMatmulDescSetAttribute");
  check(set(kTransposeB, b), "cublasLtMatmulDescSetAttribute");
  // Pointers are read for their alignment alone until the product is asked for.
  const auto aligned = [](uint32_t alignment) { return reinterpret_cast<const void *>(uintptr_t{alignment}); };
  if (set(kEpilogue, key.epilogue) != 0) return false;
  if (key.alignment_bias != 0) {
    if (set(kBiasType, bias_type) != 0) return false;
    check(set(kBiasPointer, aligned(bias_type == kFloat ? key.alignment_bias : 256)), "cublasLtMatmulDescSetAttribute");
  }
  if (key.alignment_kept != 0) {
    if (set(kKeptType, key.d_dtype) != 0 || set(kKeptLeading, key.n) != 0) return false;
    check(set(kKeptPointer, aligned(key.alignment_kept)), "cublasLtMatmulDescSetAttribute");
  }
  check(lt_.layout_create(&plan->a, key.dtype, a == kPlain ? n : k, a == kPlain ? k : n,
                          static_cast<int64_t>(a == kPlain ? n : k)), "cublasLtMatrixLayoutCreate");
  check(lt_.layout_create(&plan->b, key.dtype, b == kPlain ? k : m, b == kPlain ? m : k,
                          static_cast<int64_t>(b == kPlain ? k : m)), "cublasLtMatrixLayoutCreate");
  check(lt_.layout_create(&plan->d, key.d_dtype, n, m, key.n), "cublasLtMatrixLayoutCreate");
  return true;
}

// False where the library has nothing for this.
bool CublasLt::choose(const Key &key, Plan *plan) const {
  Preference preference = nullptr;
  check(lt_.preference_create(&preference), "cublasLtMatmulPreferenceCreate");
  const auto prefer = [&](int attribute, const auto &value) {
    return lt_.preference_set(preference, attribute, &value, sizeof value);
  };
  const uint64_t workspace = kWorkspace;
  Status status = prefer(kMostWorkspace, workspace);
  if (status == 0) status = prefer(kReductionMask, kReductionInFloat);
  if (status == 0) status = prefer(kAlignmentA, key.alignment_a);
  if (status == 0) status = prefer(kAlignmentB, key.alignment_b);
  if (status == 0) status = prefer(kAlignmentC, key.alignment_c);
  if (status == 0) status = prefer(kAlignmentD, key.alignment_d);
  int found = 0;
  const bool asked = status == 0;
  if (asked) {
    status = lt_.choose(handle_, plan->operation, plan->a, plan->b, plan->d, plan->d, preference, 1, &plan->choice,
                        &found);
  }
  lt_.preference_destroy(preference);
  if (!asked) check(status, "cublasLtMatmulPreferenceSetAttribute");
  if (is_refusal(status, key.epilogue)) return false;
  check(status, "cublasLtMatmulAlgoGetHeuristic");
  return found > 0 && plan->choice.status == 0;
}

// Without an operation where the library has nothing for this.
CublasLt::Plan CublasLt::chosen(const Key &key) const {
  // Our biases are floats, which the library may not take beside a BF16 result.
  for (const int32_t bias_type : {kFloat, kBf16}) {
    if (bias_type == kBf16 && (!adds_bias(key.epilogue) || key.dtype == kFloat)) break;
    Plan plan;
    try {
      if (describe(key, bias_type, &plan) && choose(key, &plan)) return plan;
    } catch (...) {
      destroy(plan);
      throw;
    }
    destroy(plan);
  }
  return Plan();
}

// By the algorithm of the bucket's largest: choosing takes longer than launching, and packed batches seldom have the
// same number of tokens twice.
CublasLt::Plan CublasLt::chosen_for_bucket(const Key &key, const Key &bucket) {
  const Plan largest = plan_of(bucket);
  if (largest.operation == nullptr) return is_fused(key.epilogue) ? Plan() : chosen(key);
  Plan plan;
  try {
    describe(key, largest.bias_type, &plan);
  } catch (...) {
    destroy(plan);
    throw;
  }
  plan.choice = largest.choice;
  plan.borrowed = true;
  return plan;
}

const CublasLt::Plan &CublasLt::plan_of(const Key &key) {
  const auto found = by_key_.find(key);
  if (found != by_key_.end()) {
    plans_.splice(plans_.begin(), plans_, found->second);
    return plans_.front().second;
  }
  const Key bucket = bucket_of(key);
  return keep(key, bucket == key ? chosen(key) : chosen_for_bucket(key, bucket));
}

const CublasLt::Plan &CublasLt::keep(const Key &key, const Plan &plan) {
  const auto found = by_key_.find(key);
  if (found != by_key_.end()) {
    destroy(found->second->second);
    plans_.erase(found->second);
    by_key_.erase(found);
  }
  if (plans_.size() >= kMostPlans) {
    destroy(plans_.back().second);
    by_key_.erase(plans_.back().first);
    plans_.pop_back();
  }
  plans_.emplace_front(key, plan);
  by_key_.emplace(key, plans_.begin());
  return plans_.front().second;
}

// Tokens are the rows of activations, and what gradients of weights are summed over.
CublasLt::Key CublasLt::bucket_of(const Key &key) {
  Key bucket = key;
  int64_t &tokens = key.transpose_a ? bucket.k : bucket.m;
  tokens = token_bucket(tokens);
  return bucket;
}

// --- products ---

bool CublasLt::fuses(const simcse_gemm &args) {
  if (args.bias_gradient != nullptr) return kFusesBiasGradient;
  // The library's GELU is 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))), which is lost in the rounding of a BF16
  // result and in no other; rows of what it keeps are whole groups of 8.
  if (args.dtype != SIMCSE_BF16 || args.c_dtype != SIMCSE_BF16 || args.n % 8 != 0) return false;
  if (args.epilogue == SIMCSE_EPILOGUE_BIAS_GELU) return kFusesGelu;
  return args.epilogue == SIMCSE_EPILOGUE_GELU_BACKWARD && kFusesGeluBackward;
}

CublasLt::Sides CublasLt::fused(const Queue &queue, const simcse_gemm &args) {
  if (args.epilogue == SIMCSE_EPILOGUE_ACCUMULATE) {
    return {args.c, args.c, args.c_dtype, 1.0f, kBiasGradient, static_cast<float *>(behind_workspace(queue)), nullptr};
  }
  const uint32_t epilogue = args.epilogue == SIMCSE_EPILOGUE_GELU_BACKWARD ? kGeluBackward
                            : args.pre_activation != nullptr               ? kBiasGeluKept
                                                                           : kBiasGelu;
  return {args.c, args.c, args.c_dtype, 0.0f, epilogue, args.bias, args.pre_activation};
}

CublasLt::Sides CublasLt::separate(const simcse_gemm &args) {
  const bool adds_residual = args.epilogue == SIMCSE_EPILOGUE_BIAS_RESIDUAL;
  const bool keeps = args.epilogue == SIMCSE_EPILOGUE_BIAS_GELU && args.pre_activation != nullptr;
  void *const d = keeps ? args.pre_activation : args.c;
  const bool adds = adds_residual || args.epilogue == SIMCSE_EPILOGUE_ACCUMULATE;
  return {adds_residual ? args.residual : d,
          d,
          keeps ? args.dtype : args.c_dtype,
          adds ? 1.0f : 0.0f,
          args.bias != nullptr ? kBias : kPlainEpilogue,
          args.bias,
          nullptr};
}

CublasLt::Key CublasLt::key_of(const simcse_gemm &args, const Sides &sides) {
  return {args.m,
          args.n,
          args.k,
          type_of(args.dtype),
          type_of(sides.d_dtype),
          args.transpose_a,
          args.transpose_b,
          sides.epilogue,
          alignment_of(args.b),
          alignment_of(args.a),
          alignment_of(sides.c),
          alignment_of(sides.d),
          sides.bias != nullptr ? alignment_of(sides.bias) : 0,
          sides.kept != nullptr ? alignment_of(sides.kept) : 0};
}

// False where the plan has no operation, or the library does not take it after all.
bool CublasLt::attempt(const Queue &queue, const simcse_gemm &args, const Plan &plan, const Sides &sides,
                       Fault *fault) const {
  if (plan.operation == nullptr) return false;
  const auto set = [&](int attribute, const void *pointer) {
    check(lt_.operation_set(plan.operation, attribute, &pointer, sizeof pointer), "cublasLtMatmulDescSetAttribute");
  };
  if (plan.bias_type == kBf16) {
    void *const copy = behind_workspace(queue);
    const simcse_convert narrow = {sizeof narrow, SIMCSE_F32, SIMCSE_BF16, args.n, sides.bias, copy};
    *fault = convert(queue, narrow);
    if (*fault != 0) return true;
    set(kBiasPointer, copy);
  } else if (sides.bias != nullptr) {
    set(kBiasPointer, sides.bias);
  }
  if (sides.kept != nullptr) set(kKeptPointer, sides.kept);
  const float one = 1.0f;
  const Status status = lt_.multiply(handle_, plan.operation, &one, args.b, plan.a, args.a, plan.b, &sides.beta,
                                     sides.c, plan.d, sides.d, plan.d, &plan.choice.algorithm, queue.scratch,
                                     kWorkspace, queue.stream);
  if (is_refusal(status, sides.epilogue) && (plan.borrowed || is_fused(sides.epilogue))) return false;
  check(status, "cublasLtMatmul");
  return true;
}

// False where the library has nothing for this.
bool CublasLt::multiply(const Queue &queue, const simcse_gemm &args, const Sides &sides, Fault *fault) {
  const Key key = key_of(args, sides);
  const Plan plan = plan_of(key);
  if (plan.operation == nullptr) return false;
  if (attempt(queue, args, plan, sides, fault)) return true;
  if (plan.borrowed && attempt(queue, args, keep(key, chosen(key)), sides, fault)) return true;
  keep(key, Plan());
  return false;
}

Fault CublasLt::gemm(const Queue &queue, const simcse_gemm &args, Epilogues epilogues) {
  Fault fault = 0;
  if (epilogues == Epilogues::fused && fuses(args)) {
    const Sides sides = fused(queue, args);
    if (multiply(queue, args, sides, &fault)) {
      if (fault != 0 || args.bias_gradient == nullptr) return fault;
      return add_partials(queue, sides.bias, 1, static_cast<int>(args.m), args.bias_gradient, nullptr);
    }
  }
  const Sides sides = separate(args);
  if (!multiply(queue, args, sides, &fault)) return cuda::gemm(queue, args);
  if (fault != 0) return fault;
  const int64_t count = args.m * args.n;
  switch (args.epilogue) {
    case SIMCSE_EPILOGUE_ACCUMULATE: return sum_bias_gradient(queue, args);
    case SIMCSE_EPILOGUE_BIAS_GELU: return gelu_forward(queue, sides.d_dtype, sides.d, args.c_dtype, args.c, count);
    case SIMCSE_EPILOGUE_BIAS_TANH: return tanh_forward(queue, args.c_dtype, args.c, count);
    case SIMCSE_EPILOGUE_GELU_BACKWARD:
      return multiply_by_gelu_slope(queue, args.dtype, args.pre_activation, args.c_dtype, args.c, count);
    default: return 0;
  }
}

}  // namespace simcse::cuda::plugin
