// gemm by cuBLASLt, opened at run time: libcublasLt.so.13 or .12, from the CUDA toolkit in CUDA_HOME or CUDA_PATH, from
// where the loader finds libraries, or from /usr/local/cuda.
//
// It takes matrices by columns, where ours lie by rows: C (m, n) by rows is its transpose (n, m) by columns, so
// op(B)^T op(A)^T is asked for, from the same memory. Biases and sums with C or a residual are the library's epilogues,
// and so are gradients of biases, the sums of its B over k, and GELU and its derivative where all is BF16, since its
// GELU is the tanh form. Tanh is a kernel of activation.hpp, and what the library refuses is one of ours. Products are
// accumulated in float, split sums added up in float.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <string>

#include "../launch.hpp"
#include "cublaslt_abi.hpp"

namespace simcse::cuda::plugin {

// The largest number of tokens for which products are done in the same way: at most an eighth more.
int64_t token_bucket(int64_t tokens);

class CublasLt {
 public:
  static constexpr int64_t kWorkspace = 32 << 20;  // bytes that the library works in

  // Whether what follows a product is the library's, where fuses() says so and it takes it, or a kernel behind it.
  enum class Epilogues { fused, separate };

  // Null, with the reason and the remedy in `missing`, where no cuBLASLt can be used. The GPU is the calling thread's.
  static std::unique_ptr<CublasLt> open(std::string *missing);
  ~CublasLt();
  CublasLt(const CublasLt &) = delete;
  CublasLt &operator=(const CublasLt &) = delete;

  std::string version() const;
  // Bytes of scratch memory that a product needs.
  static int64_t scratch(const simcse_gemm &args);
  // Whether the library has an epilogue for what follows the product that is as exact as has to be, and no slower.
  static bool fuses(const simcse_gemm &args);
  // Whether the last product was done in one piece with what follows it.
  bool was_fused() const { return was_fused_; }
  // Throws Failure where cuBLASLt gives an error; else what the kernels behind it gave.
  Fault gemm(const Queue &queue, const simcse_gemm &args, Epilogues epilogues = Epilogues::fused);

 private:
  // What an algorithm is chosen for.
  struct Key {
    int64_t m, n, k;
    int32_t dtype, d_dtype, transpose_a, transpose_b;
    uint32_t epilogue;
    uint32_t alignment_a, alignment_b, alignment_c, alignment_d, alignment_bias, alignment_kept;
    bool operator<(const Key &other) const;
    bool operator==(const Key &other) const { return !(*this < other) && !(other < *this); }
  };
  // Without an operation where the library has no algorithm; the kernel of gemm.hpp does the product then.
  struct Plan {
    cublaslt::Operation operation = nullptr;
    cublaslt::Layout a = nullptr, b = nullptr, d = nullptr;
    cublaslt::Choice choice = {};
    int32_t bias_type = cublaslt::kFloat;
    bool borrowed = false;  // by an algorithm that was chosen for another number of tokens
  };
  // What a product is added to, where it goes, and what the library makes of it: `bias` is added or, the sums of B,
  // written.
  struct Sides {
    const void *c;
    void *d;
    simcse_dtype d_dtype;
    float beta;
    uint32_t epilogue;
    const float *bias;
    void *kept;
  };
  using Plans = std::list<std::pair<Key, Plan>>;

  explicit CublasLt(const cublaslt::Library &library, cublaslt::Handle handle) : lt_(library), handle_(handle) {}
  // What can be done in two pieces too, the library may refuse to do in one.
  static bool is_fused(uint32_t epilogue) {
    return epilogue != cublaslt::kPlainEpilogue && epilogue != cublaslt::kBias;
  }
  static bool is_refusal(cublaslt::Status status, uint32_t epilogue) {
    return status == cublaslt::kNotSupported ||
           (status == cublaslt::kInvalidValue && epilogue != cublaslt::kPlainEpilogue);
  }
  static Sides fused(const Queue &queue, const simcse_gemm &args);
  static Sides separate(const simcse_gemm &args);
  static Key key_of(const simcse_gemm &args, const Sides &sides);
  static Key bucket_of(const Key &key);
  const Plan &plan_of(const Key &key);
  const Plan &keep(const Key &key, const Plan &plan);
  Plan chosen(const Key &key) const;
  Plan chosen_for_bucket(const Key &key, const Key &bucket);
  bool describe(const Key &key, int32_t bias_type, Plan *plan) const;
  bool choose(const Key &key, Plan *plan) const;
  bool multiply(const Queue &queue, const simcse_gemm &args, const Sides &sides, Fault *fault);
  static Fault follow(const Queue &queue, const simcse_gemm &args, const Sides &sides);
  bool attempt(const Queue &queue, const simcse_gemm &args, const Plan &plan, const Sides &sides, Fault *fault) const;
  void destroy(const Plan &plan) const;
  void check(cublaslt::Status status, const char *call) const;

  cublaslt::Library lt_;
  cublaslt::Handle handle_;
  Plans plans_;  // the last used comes first
  std::map<Key, Plans::iterator> by_key_;
  bool was_fused_ = false;
};

}  // namespace simcse::cuda::plugin
