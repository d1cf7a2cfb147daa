// The contrastive loss by wgmma: in the emulator as if on a GPU that has it, on a GPU where it does.
#include "similarity_cases.hpp"

namespace simcse::cuda::tests {

namespace {

SIMCSE_TEST(similarity_wgmma) {
  const Sm90 gpu;
  if (!similarity_has_wgmma()) return;
  for (const Case &k : {Case{1, 1, 8, 0.05f, 0, 0, 0}, Case{3, 5, 33, 0.05f, 0, 0, 1},
                        Case{65, 131, 40, 0.05f, 0.3f, 0, 3}, Case{140, 300, 200, 0.01f, 0.5f, 1, 0}}) {
    check_case<bf16>(k, own_plans<bf16>(k, true), k.n < 64 ? 2 : 1);
  }
  const Case queue = {3, 1100, 16, 0.05f, 0, 0, 0};  // few queries: the sum over keys is divided
  CHECK(own_plans<bf16>(queue, true).backward.splits == 5, "splits");
  check_case<bf16>(queue, own_plans<bf16>(queue, true), 1);
}

SIMCSE_TEST(similarity_wgmma_options) {
  const Sm90 gpu;
  if (!similarity_has_wgmma()) return;
  for (const int bits : {1, 2, 4, 8, 15}) {
    const Options options = {(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0, (bits & 8) != 0, false};
    const Case k = {21, 50, 24, 0.1f, 0.5f, 0, 0, options};
    check_case<bf16>(k, own_plans<bf16>(k, true), bits == 15 ? 2 : 1);
  }
}

// Panels of 256: several of queries and keys, and sums of keys in scratch memory (-1), of some panels in d_keys, or in
// a sweep of their own (0).
void check_wgmma_panels(const Case &k, int kept_panels, int seeds) {
  Plans plans = own_plans<bf16>(k, true);
  for (SimilarityPlan *plan : {&plans.forward, &plans.backward}) {
    plan->row_panel = plan->column_panel = 256;
    plan->tiles_of_range = plan->ranges = 1;
    plan->splits = 2;
    plan->kept_in_gradient = kept_panels > 0;
    plan->kept_keys = kept_panels < 0 ? k.m : kept_panels * 256;
  }
  check_case<bf16>(k, plans, seeds);
}

SIMCSE_TEST(similarity_wgmma_in_panels) {
  const Sm90 gpu;
  if (!similarity_has_wgmma()) return;
  check_wgmma_panels({260, 300, 40, 0.05f, 0.5f, 1, 0}, -1, 2);
  check_wgmma_panels({260, 300, 128, 0.05f, 0.5f, 1, 0}, 0, 1);
  check_wgmma_panels({257, 780, 128, 0.05f, 0, 1, 0}, 1, 1);
  check_wgmma_panels({260, 300, 24, 0.05f, 0.5f, 0, 0, kAllOptions}, -1, 1);
  const Case ties = {70, 140, 48, 0.05f, 0, 0, 0, {true, true, true, false, true}};
  check_case<bf16>(ties, own_plans<bf16>(ties, true), 1);
}

}  // namespace

}  // namespace simcse::cuda::tests
