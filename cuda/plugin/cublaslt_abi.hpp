// What is used of cuBLASLt's C interface, the same in versions 12 and 13: the numbers and the layout are those of
// cublasLt.h, which not every CUDA toolkit comes with.
#pragma once

#include <cstddef>
#include <cstdint>

struct CUstream_st;

namespace simcse::cuda::plugin::cublaslt {

using Status = int;  // 0: success
using Handle = void *;
using Operation = void *;   // cublasLtMatmulDesc_t
using Layout = void *;      // cublasLtMatrixLayout_t
using Preference = void *;  // cublasLtMatmulPreference_t

struct Algorithm {  // cublasLtMatmulAlgo_t
  uint64_t data[8];
};
struct Choice {  // cublasLtMatmulHeuristicResult_t
  Algorithm algorithm;
  size_t workspace;
  Status status;
  float waves;
  int reserved[4];
};
static_assert(sizeof(Choice) == 96, "as cublasLt.h has it");

constexpr Status kInvalidValue = 7, kNotSupported = 15;  // cublasStatus_t
constexpr int32_t kFloat = 0, kBf16 = 14;  // cudaDataType
constexpr int32_t kComputeFloat = 68;  // cublasComputeType_t
constexpr int32_t kPlain = 0, kTransposed = 1;  // cublasOperation_t
// cublasLtEpilogue_t: D = P; P + bias; gelu(P + bias), which may keep P + bias; P * gelu'(what was kept); P, with the
// sums of B over k beside it.
constexpr uint32_t kPlainEpilogue = 1, kBias = 4, kBiasGelu = 36, kBiasGeluKept = 164, kGeluBackward = 192,
                   kBiasGradient = 512;
constexpr uint32_t kReductionInFloat = 2;  // cublasLtReductionScheme_t
constexpr int kTransposeA = 3, kTransposeB = 4, kEpilogue = 7, kBiasPointer = 8, kKeptPointer = 11, kKeptLeading = 12,
              kKeptType = 22, kBiasType = 26;  // of an operation
constexpr int kMostWorkspace = 1, kReductionMask = 3, kAlignmentA = 5, kAlignmentB = 6, kAlignmentC = 7,
              kAlignmentD = 8;  // of a preference

struct Library {
  Status (*create)(Handle *);
  Status (*destroy)(Handle);
  size_t (*version)();
  const char *(*status_name)(Status);
  Status (*operation_create)(Operation *, int32_t compute, int32_t scale);
  Status (*operation_destroy)(Operation);
  Status (*operation_set)(Operation, int attribute, const void *value, size_t bytes);
  Status (*layout_create)(Layout *, int32_t type, uint64_t rows, uint64_t columns, int64_t leading);
  Status (*layout_destroy)(Layout);
  Status (*preference_create)(Preference *);
  Status (*preference_destroy)(Preference);
  Status (*preference_set)(Preference, int attribute, const void *value, size_t bytes);
  Status (*choose)(Handle, Operation, Layout a, Layout b, Layout c, Layout d, Preference, int wanted, Choice *,
                   int *found);
  Status (*multiply)(Handle, Operation, const void *alpha, const void *a, Layout, const void *b, Layout,
                     const void *beta, const void *c, Layout, void *d, Layout, const Algorithm *, void *workspace,
                     size_t bytes, CUstream_st *);
};

}  // namespace simcse::cuda::plugin::cublaslt
