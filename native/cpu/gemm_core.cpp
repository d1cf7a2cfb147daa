// The matrix product of gemm_core.hpp: B packed whole, C computed in regions whose rows of A stay in the second cache.
#include "gemm_core.hpp"

#include "gemm_block.hpp"

namespace simcse::cpu::SIMCSE_TIER {

namespace {

int64_t rows_at_once(const Product &product) {
  int64_t rows = 8 * gemm_shape(product.bf16_operands).height;
  return product.m < rows ? product.m : rows;
}

int64_t columns_at_once(const Product &product) { return product.n < 256 ? product.n : 256; }

}  // namespace

int64_t gemm_core_scratch(int64_t m, int64_t n, int64_t k, bool bf16_operands) {
  Product product = {bf16_operands, m, n, k, {}, {}};
  Product transposed = {bf16_operands, m, n, k, {nullptr, 0, true}, {}};
  int64_t plain = region_scratch(product, rows_at_once(product), columns_at_once(product));
  int64_t other = region_scratch(transposed, rows_at_once(product), columns_at_once(product));
  return panel_count(product) * panel_bytes(product) + (plain > other ? plain : other);
}

void gemm_core(const GemmCore &core, char *scratch) {
  if (core.m == 0 || core.n == 0) return;
  Product product = {core.bf16_operands,
                     core.m,
                     core.n,
                     core.k,
                     {core.a, core.lda, core.transpose_a},
                     {core.b, core.ldb, core.transpose_b}};
  Output output = {};
  output.c = core.c;
  output.ldc = core.ldc;
  output.epilogue = core.accumulate ? SIMCSE_EPILOGUE_ACCUMULATE : SIMCSE_EPILOGUE_STORE;
  int64_t panels = panel_count(product);
  pack_panels(product, 0, panels, scratch);
  char *rest = scratch + panels * panel_bytes(product);
  int64_t rows = rows_at_once(product), columns = columns_at_once(product);
  for (int64_t j = 0; j < core.n; j += columns) {
    int64_t width = core.n - j < columns ? core.n - j : columns;
    for (int64_t i = 0; i < core.m; i += rows) {
      int64_t height = core.m - i < rows ? core.m - i : rows;
      multiply_region(product, output, {i, height, j, width}, scratch, rest);
    }
  }
}

}  // namespace simcse::cpu::SIMCSE_TIER
