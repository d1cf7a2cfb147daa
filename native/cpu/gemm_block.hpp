// The parts of a matrix product C = epilogue(op(A) op(B)): packed forms of B, and blocks of C computed from them.
//
// All arithmetic is on words of 32 bits: a float, or where the machine multiplies bf16 a pair of them that are
// neighbours along k. B is packed in panels of a few columns, [panel][word of k][column], zero beyond its edges. The
// sum over k is taken in blocks whose bounds depend on k alone, so every element of C gets the same bits however C is
// cut.
#pragma once

#include "../include/simcse.h"
#include "simd.hpp"

#if defined(__AMX_BF16__) || defined(SIMCSE_EMULATE_AMX)
#define SIMCSE_TILES 1
#else
#define SIMCSE_TILES 0
#endif

namespace simcse::cpu::SIMCSE_TIER {

#if SIMCSE_TILES || defined(__AVX512BF16__)
constexpr bool kPairs = true;
#else
constexpr bool kPairs = false;
#endif

// Of a kind of operand: f32 and, in tiers without bf16 arithmetic, widened bf16; or pairs of bf16.
struct Shape {
  int height;    // rows of a tile of C
  int width;     // columns of a tile of C, and of a panel of B
  int depth;     // most words of k that are summed before the partial sums go to memory
  int alignment; // words of k are a multiple of this
};
Shape gemm_shape(bool bf16_operands);

struct Matrix {
  const void *data;
  int64_t ld;  // elements between rows in memory
  bool transposed;
};

struct Product {
  bool bf16_operands;
  int64_t m, n, k;
  Matrix a, b;
};

struct Output {
  void *c;
  int64_t ldc;
  bool bf16_c;
  simcse_epilogue epilogue;
  const float *bias;
  void *pre_activation;  // of the operands' type; kept by BIAS_GELU, read by GELU_BACKWARD
  const void *residual;  // of C's type
};

// Rows and columns of C that one call computes; column is a multiple of the panel's width.
struct Region {
  int64_t row, rows;
  int64_t column, columns;
};

int64_t panel_count(const Product &product);
int64_t panel_bytes(const Product &product);
void pack_panels(const Product &product, int64_t first, int64_t end, char *packed);

// Bytes of scratch, aligned to 64, that a region takes.
int64_t region_scratch(const Product &product, int64_t rows, int64_t columns);
void multiply_region(const Product &product, const Output &output, const Region &region, const char *packed,
                     char *scratch);

}  // namespace simcse::cpu::SIMCSE_TIER
