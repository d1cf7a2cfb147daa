// What the library is asked for, and what it chose for that.
#include <tuple>

#include "cublaslt.hpp"

namespace simcse::cuda::plugin {

using namespace cublaslt;

namespace {

// Descriptions of products: of the token counts of some hundred steps, of ten products each.
constexpr size_t kMostPlans = 4096;

bool adds_bias(uint32_t epilogue) { return (epilogue & kBias) != 0; }

}  // namespace

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

void CublasLt::destroy(const Plan &plan) const {
  if (plan.operation != nullptr) lt_.operation_destroy(plan.operation);
  for (const Layout layout : {plan.a, plan.b, plan.d}) {
    if (layout != nullptr) lt_.layout_destroy(layout);
  }
}

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

}  // namespace simcse::cuda::plugin
