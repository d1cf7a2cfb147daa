// The checks of the contrastive loss.
#include <cinttypes>
#include <vector>

#include "check.hpp"
#include "checks.hpp"

namespace simcse {

namespace {

template <typename Arguments>
void options(const Check &check, const Arguments &a) {
  const simcse_contrast &c = a.contrast;
  check.flag("contrast.both_directions", c.both_directions);
  check.flag("contrast.same_side_negatives", c.same_side_negatives);
  check.flag("contrast.has_margin", c.has_margin);
  check.finite("contrast.false_negative_margin", c.false_negative_margin);
  check.that(c.has_margin ? c.false_negative_margin > -2 : c.false_negative_margin == 0,
             "contrast.false_negative_margin is %g, %s", (double)c.false_negative_margin,
             c.has_margin ? "not above -2" : "but has_margin is 0");
  if (c.query_ids != nullptr || c.key_ids != nullptr) {
    check.array("contrast.query_ids", c.query_ids);
    check.array("contrast.key_ids", c.key_ids);
  }
  if (c.both_directions) {
    check.that(a.queries_count <= a.keys_count,
               "queries_count is %" PRId64 ", above keys_count, which is %" PRId64
               ", and both directions need a key for each",
               a.queries_count, a.keys_count);
    check.array("key_lse", a.key_lse);
  } else {
    check.absent("key_lse", a.key_lse, "unless contrast.both_directions is 1");
  }
}

template <typename Arguments>
void targets(const Check &check, const Arguments &a) {
  for (int64_t i = 0; i < a.queries_count; i++) {
    check.that(a.targets[i] >= 0 && a.targets[i] < a.keys_count,
               "targets[%" PRId64 "] is %" PRId32 ", not in 0 .. %" PRId64, i, a.targets[i], a.keys_count - 1);
  }
  if (!a.contrast.both_directions) return;
  std::vector<bool> taken(static_cast<std::size_t>(a.keys_count));
  for (int64_t i = 0; i < a.queries_count; i++) {
    check.that(!taken[static_cast<std::size_t>(a.targets[i])],
               "targets[%" PRId64 "] is %" PRId32 " again, which both directions do not allow", i, a.targets[i]);
    taken[static_cast<std::size_t>(a.targets[i])] = true;
  }
}

template <typename Arguments>
void contrast(const Check &check, const Arguments &a, bool readable) {
  check.dtype("dtype", a.dtype);
  check.hidden(a.hidden);
  check.at_least("queries_count", a.queries_count, 1);
  check.at_least("keys_count", a.keys_count, 1);
  check.bytes("queries_count * hidden", {a.queries_count, a.hidden}, 4);
  check.bytes("keys_count * hidden", {a.keys_count, a.hidden}, 4);
  check.finite("contrast.temperature", a.contrast.temperature);
  check.that(a.contrast.temperature > 0, "contrast.temperature is %g, not above 0", (double)a.contrast.temperature);
  check.finite("contrast.own_negative_bias", a.contrast.own_negative_bias);
  int64_t offset = a.contrast.own_negative_offset;
  check.that(a.contrast.own_negative_bias == 0 || (offset >= 0 && offset <= a.keys_count - a.queries_count),
             "contrast.own_negative_offset is %" PRId64 ": %" PRId64 " keys have no column for each of %" PRId64
             " queries from there",
             offset, a.keys_count, a.queries_count);
  check.array("queries", a.queries, a.dtype);
  check.array("keys", a.keys, a.dtype);
  check.array("targets", a.targets);
  check.array("lse", a.lse);
  check.array("query_norm", a.query_norm);
  check.array("key_norm", a.key_norm);
  options(check, a);
  if (readable) targets(check, a);
}

}  // namespace

bool check(const simcse_similarity_softmax_forward *a, bool readable) {
  Check check("similarity_softmax_forward", a);
  contrast(check, *a, readable);
  check.array("loss", a->loss);
  return true;
}

bool check(const simcse_similarity_softmax_backward *a, bool readable) {
  Check check("similarity_softmax_backward", a);
  contrast(check, *a, readable);
  check.finite("loss_scale", a->loss_scale);
  check.reserved(a->reserved);
  check.array("d_queries", a->d_queries, a->dtype);
  check.array("d_keys", a->d_keys, a->dtype);
  return true;
}

}  // namespace simcse
