// Which of attention's kernels run, in which shape, and which heads they take.
#include "../attention.hpp"
#include "../attention_kernels.hpp"
#include "check.hpp"

namespace simcse::cuda::tests {

namespace {

void check_block(const char *what, const Geometry &geometry) {
  CHECK(geometry.threads >= 32 && geometry.threads <= 128 && geometry.threads % 32 == 0, "%s: %u threads", what,
        geometry.threads);
  CHECK(geometry.x <= 0x7fffffffu && geometry.y >= 1 && geometry.y <= 65535 && geometry.z >= 1 && geometry.z <= 256,
        "%s: grid", what);
  CHECK(geometry.shared > 0 && geometry.shared <= 99 * 1024, "%s: %u bytes of shared memory", what, geometry.shared);
}

SIMCSE_TEST(attention_plans) {
  simcse_batch batch = {};
  batch.sentences = 37;
  batch.views = 2;
  for (const simcse_dtype dtype : {SIMCSE_F32, SIMCSE_BF16}) {
    for (const int head_size : {32, 64, 128}) {
      for (int length = 1; length <= 8192; length = length < 70 ? length + 1 : length * 2) {
        batch.max_length = length;
        batch.tokens = 37 * length;
        const AttentionPlan plan = attention_plan(dtype, batch, 12 * head_size, 12, true);
        CHECK(plan.head_size == head_size && plan.variant == attention_variant(dtype, length, true), "plan");
        check_block("forward", plan.forward);
        check_block("backward", plan.backward);
        const bool whole = plan.variant == AttentionVariant::whole32 || plan.variant == AttentionVariant::whole64;
        CHECK((plan.backward_keys.x == 0) == whole, "a second kernel");
        if (!whole) check_block("backward, keys", plan.backward_keys);
        const int64_t heads = 2 * 37 * 12;
        const int64_t taken = static_cast<int64_t>(plan.forward.x) * plan.forward.y * plan.forward.z;
        CHECK(whole ? taken * 4 >= heads : taken >= heads * ceil_divide(length, plan.rows), "blocks for every head");
      }
    }
  }
  const auto variant = [](int length) { return attention_variant(SIMCSE_BF16, length, true); };
  CHECK(variant(1) == AttentionVariant::whole32 && variant(32) == AttentionVariant::whole32, "up to 32");
  CHECK(variant(33) == AttentionVariant::whole64 && variant(64) == AttentionVariant::whole64, "up to 64");
  CHECK(variant(65) == AttentionVariant::streaming && variant(8192) == AttentionVariant::streaming, "above 64");
  CHECK(attention_variant(SIMCSE_BF16, 8, false) == AttentionVariant::plain, "not aligned");
  CHECK(attention_variant(SIMCSE_F32, 8, true) == AttentionVariant::plain, "f32");
  CHECK(attention_backward_scratch(batch, 12) == int64_t{2} * batch.tokens * 12 * 4, "scratch");
}

SIMCSE_TEST(attention_refuses_other_heads) {
  for (const int head_size : {32, 64, 128}) CHECK(attention_refusal(12 * head_size, 12).empty(), "%d", head_size);
  for (const auto &each : {std::pair<int, int>{768, 8}, {312, 12}, {64, 4}, {65, 2}, {256, 1}}) {
    const std::string text = attention_refusal(each.first, each.second);
    CHECK(text.find("32, 64 or 128") != std::string::npos, "%d, %d: \"%s\"", each.first, each.second, text.c_str());
  }
}

}  // namespace

}  // namespace simcse::cuda::tests
