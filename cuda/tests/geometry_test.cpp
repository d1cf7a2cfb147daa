// Launch geometry: pure functions of the shapes, within the limits of every supported GPU.
#include "../adamw.hpp"
#include "../convert.hpp"
#include "../dropout_mask.hpp"
#include "../dropout_residual_layer_norm.hpp"
#include "../gemm_epilogue.hpp"
#include "../partial_sums.hpp"
#include "../row.hpp"
#include "check.hpp"

namespace simcse::cuda::tests {

namespace {

void check_limits(const char *what, const Geometry &geometry, int64_t items, int64_t items_per_block) {
  CHECK(geometry.threads >= 32 && geometry.threads <= 1024 && geometry.threads % 32 == 0, "%s: %u threads", what,
        geometry.threads);
  CHECK(geometry.x >= 1 && geometry.x <= 0x7fffffffu && geometry.y <= 65535 && geometry.z <= 65535, "%s: grid", what);
  CHECK(geometry.shared <= 99 * 1024, "%s: %u bytes of shared memory", what, geometry.shared);
  CHECK(static_cast<int64_t>(geometry.x) * items_per_block >= items, "%s: %u blocks for %lld", what, geometry.x,
        static_cast<long long>(items));
}

SIMCSE_TEST(geometry_within_limits) {
  for (int64_t count = 1; count < (int64_t{1} << 31); count = count * 3 + 1) {
    check_limits("convert", convert_geometry(count), count, 2048);
    check_limits("gemm_epilogue", gemm_epilogue_geometry(count), count, 1024);
    check_limits("adamw", adamw_geometry(count), count, 1024);
    check_limits("gradient_norm", gradient_norm_geometry(count), 1, 1);
    check_limits("dropout_mask", dropout_mask_geometry(count), count, 8);
    check_limits("layer_norm", layer_norm_forward_geometry(count), count, 4);
    CHECK(gradient_norm_scratch(count) >= 8 && gradient_norm_scratch(count) <= 8192, "scratch of the norm");
  }
  check_limits("convert", convert_geometry(int64_t{1} << 40), int64_t{1} << 40, 2048);
  for (int hidden = 1; hidden <= 4096; hidden++) {
    for (const simcse_dtype dtype : {SIMCSE_F32, SIMCSE_BF16}) {
      const RowPlan plan = row_plan(dtype, hidden, true);
      const Geometry geometry = layer_norm_backward_geometry(100000, hidden, plan.passes);
      check_limits("layer_norm_backward", geometry, plan.passes > 0 ? 256 : 100000, plan.passes > 0 ? 1 : 8);
    }
    check_limits("add_partials", add_partials_geometry(hidden, 2), hidden, 32);
  }
  CHECK(layer_norm_parts(1) == 1 && layer_norm_parts(9) == 2 && layer_norm_parts(1 << 20) == 256, "parts");
  CHECK(layer_norm_backward_scratch(1 << 20, 768) == 256 * 2 * 768 * 4, "scratch of layer norm");
}

}  // namespace

}  // namespace simcse::cuda::tests
