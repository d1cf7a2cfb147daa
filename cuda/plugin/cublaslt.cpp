#include "cublaslt.hpp"

#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "../../native/src/failure.hpp"
#include "../activation.hpp"
#include "../convert.hpp"
#include "../gemm.hpp"
#include "../gemm_epilogue.hpp"
#include "../partial_sums.hpp"

namespace simcse::cuda::plugin {

using namespace cublaslt;

namespace {

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

bool all_bf16(const simcse_gemm &args) { return args.dtype == SIMCSE_BF16 && args.c_dtype == SIMCSE_BF16; }

// Whether C has few numbers that would be rounded before a function is taken of them, and again after it. Of many the
// furthest off is hardly twice as far as one that is rounded once; of few it may be, where that one was lucky.
bool rounds_few_twice(const simcse_gemm &args) {
  constexpr int64_t kMany = 1 << 17;
  const bool function = args.epilogue == SIMCSE_EPILOGUE_BIAS_GELU || args.epilogue == SIMCSE_EPILOGUE_BIAS_TANH ||
                        args.epilogue == SIMCSE_EPILOGUE_GELU_BACKWARD;
  return function && all_bf16(args) && args.m * args.n < kMany;
}

// Whether C has floats of GELU beside a rounded pre-activation, which they may not be taken from.
bool finishes_floats(const simcse_gemm &args) {
  return args.epilogue == SIMCSE_EPILOGUE_BIAS_GELU && args.pre_activation != nullptr && args.c_dtype != args.dtype;
}

// Where the bias lies in BF16, or its gradient comes to lie, behind the workspace.
void *behind_workspace(const Queue &queue) { return static_cast<char *>(queue.scratch) + CublasLt::kWorkspace; }

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

void CublasLt::check(Status status, const char *call) const {
  if (status == 0) return;
  fail(SIMCSE_DEVICE_FAULT, "%s of cuBLASLt %s gives %s (%d)", call, version().c_str(), lt_.status_name(status),
       status);
}

bool CublasLt::fuses(const simcse_gemm &args) {
  if (args.bias_gradient != nullptr) return kFusesBiasGradient;
  // The library's GELU is 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))), which is lost in the rounding of a BF16
  // result and in no other; rows of what it keeps are whole groups of 8.
  if (!all_bf16(args) || args.n % 8 != 0) return false;
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
  const bool later = finishes_floats(args);
  const bool keeps = args.epilogue == SIMCSE_EPILOGUE_BIAS_GELU && args.pre_activation != nullptr && !later;
  void *const d = keeps ? args.pre_activation : args.c;
  const bool adds = adds_residual || args.epilogue == SIMCSE_EPILOGUE_ACCUMULATE;
  return {adds_residual ? args.residual : d,
          d,
          args.c_dtype,
          adds ? 1.0f : 0.0f,
          args.bias != nullptr && !later ? kBias : kPlainEpilogue,
          later ? nullptr : args.bias,
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
  if (plan.borrowed && (status == kNotSupported || status == kInvalidValue)) return false;
  if (is_fused(sides.epilogue) && is_refusal(status, sides.epilogue)) return false;
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
  was_fused_ = false;
  if (epilogues == Epilogues::fused && fuses(args)) {
    const Sides sides = fused(queue, args);
    was_fused_ = multiply(queue, args, sides, &fault);
    if (was_fused_) {
      if (fault != 0 || args.bias_gradient == nullptr) return fault;
      return add_partials(queue, sides.bias, 1, static_cast<int>(args.m), args.bias_gradient, nullptr);
    }
  }
  const Sides sides = separate(args);
  if (rounds_few_twice(args) || !multiply(queue, args, sides, &fault)) return cuda::gemm(queue, args);
  return fault != 0 ? fault : follow(queue, args, sides);
}

// The kernels behind a product.
Fault CublasLt::follow(const Queue &queue, const simcse_gemm &args, const Sides &sides) {
  if (finishes_floats(args)) {
    const float *const product = static_cast<const float *>(args.c);
    return cuda::gemm_epilogue(queue, {sizeof(simcse_gemm_epilogue), args.dtype, args.c_dtype, args.epilogue, 0, args.m,
                                       args.n, product, args.c, args.bias, args.pre_activation, nullptr});
  }
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
