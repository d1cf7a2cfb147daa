#include "contrast.hpp"

#include <algorithm>
#include <cmath>

namespace simcse_test {
namespace {

constexpr int64_t kNone = -1;

// One side of the comparison: its vectors, and what each is paired with.
template <typename Real> struct Side {
  int64_t count;
  int hidden;
  std::vector<Real> unit, d_unit, length;
  std::vector<int64_t> partners;
  const Numbers *ids;

  Side(const Numbers &vectors, int of_hidden, std::vector<int64_t> of_partners, const Numbers *of_ids)
      : count(static_cast<int64_t>(vectors.size()) / of_hidden),
        hidden(of_hidden),
        unit(vectors.begin(), vectors.end()),
        d_unit(vectors.size(), Real(0)),
        partners(std::move(of_partners)),
        ids(of_ids) {
    for (int64_t i = 0; i < count; i++) {
      Real squares = 0;
      for (int h = 0; h < hidden; h++) squares += unit[i * hidden + h] * unit[i * hidden + h];
      length.push_back(std::sqrt(squares));
      for (int h = 0; h < hidden; h++) unit[i * hidden + h] = squares == 0 ? 0 : unit[i * hidden + h] / length[i];
    }
  }

  std::vector<Real> cosines(const Side &other) const {
    std::vector<Real> all(static_cast<std::size_t>(count * other.count));
    for (int64_t i = 0; i < count; i++) {
      for (int64_t j = 0; j < other.count; j++) {
        Real dot = 0;
        for (int h = 0; h < hidden; h++) dot += unit[i * hidden + h] * other.unit[j * hidden + h];
        all[i * other.count + j] = dot;
      }
    }
    return all;
  }

  // Whether vector i says what vector j of that side or its partner says, or the reverse.
  bool repeats(int64_t i, const Side &other, int64_t j, const Side &partner_side, const Side &other_partner_side)
      const {
    if (ids->empty()) return false;
    double own = (*ids)[i], others = (*other.ids)[j];
    return own == others || (partners[i] != kNone && (*partner_side.ids)[partners[i]] == others) ||
           (other.partners[j] != kNone && (*other_partner_side.ids)[other.partners[j]] == own);
  }

  void pull(int64_t i, Side *other, int64_t j, Real coefficient) {
    for (int h = 0; h < hidden; h++) {
      d_unit[i * hidden + h] += coefficient * other->unit[j * hidden + h];
      other->d_unit[j * hidden + h] += coefficient * unit[i * hidden + h];
    }
  }

  Numbers gradient() const {
    Numbers all;
    for (int64_t i = 0; i < count; i++) {
      Real along = 0;
      for (int h = 0; h < hidden; h++) along += d_unit[i * hidden + h] * unit[i * hidden + h];
      for (int h = 0; h < hidden; h++) {
        int64_t at = i * hidden + h;
        all.push_back(length[i] == 0 ? 0 : (d_unit[at] - unit[at] * along) / length[i]);
      }
    }
    return all;
  }
};

template <typename Real> struct Sides {
  const simcse_contrast &contrast;
  Side<Real> queries, keys;
  std::vector<Real> across, among_queries, among_keys;

  explicit Sides(const ContrastInputs &in)
      : contrast(in.contrast),
        queries(in.queries, in.hidden, std::vector<int64_t>(in.targets.begin(), in.targets.end()), &in.query_ids),
        keys(in.keys, in.hidden, std::vector<int64_t>(static_cast<std::size_t>(in.keys_count), kNone), &in.key_ids) {
    for (int64_t i = in.queries_count - 1; i >= 0; i--) keys.partners[queries.partners[i]] = i;
    across = queries.cosines(keys);
    if (!contrast.same_side_negatives) return;
    among_queries = queries.cosines(queries);
    if (contrast.both_directions) among_keys = keys.cosines(keys);
  }

  Real share() const { return Real(contrast.both_directions ? 0.5 : 1) / static_cast<Real>(queries.count); }

  Real logit(int64_t i, int64_t j) const {
    bool own = contrast.own_negative_bias != 0 && j == contrast.own_negative_offset + i;
    return across[i * keys.count + j] / static_cast<Real>(contrast.temperature) +
           (own ? static_cast<Real>(contrast.own_negative_bias) : 0);
  }

  bool anchors(bool of_keys, int64_t anchor) const {
    return !of_keys || (contrast.both_directions && keys.partners[anchor] != kNone);
  }

  // visit(same side, index, logit) for every term of the sum of a query or of a key.
  template <typename Visit>
  void terms(const LeftOut &out, bool of_keys, int64_t anchor, const Visit &visit) const {
    const Side<Real> &own = of_keys ? keys : queries, &other = of_keys ? queries : keys;
    const std::vector<bool> &others = of_keys ? out.keys_queries : out.queries_keys;
    for (int64_t j = 0; j < other.count; j++) {
      if (!others[anchor * other.count + j]) visit(false, j, of_keys ? logit(j, anchor) : logit(anchor, j));
    }
    if (!contrast.same_side_negatives) return;
    const std::vector<bool> &same = of_keys ? out.keys_keys : out.queries_queries;
    const std::vector<Real> &cosines = of_keys ? among_keys : among_queries;
    for (int64_t i = 0; i < own.count; i++) {
      int64_t at = anchor * own.count + i;
      if (!same[at]) visit(true, i, cosines[at] / static_cast<Real>(contrast.temperature));
    }
  }

  Real log_sum_exp(const LeftOut &out, bool of_keys, int64_t anchor) const {
    Real most = -INFINITY, sum = 0;
    terms(out, of_keys, anchor, [&](bool, int64_t, Real logit) { most = std::fmax(most, logit); });
    terms(out, of_keys, anchor, [&](bool, int64_t, Real logit) { sum += std::exp(logit - most); });
    return most + std::log(sum);
  }

  void pull(const LeftOut &out, bool of_keys, int64_t anchor, Real lse, Real factor) {
    Side<Real> &own = of_keys ? keys : queries, &other = of_keys ? queries : keys;
    terms(out, of_keys, anchor, [&](bool same, int64_t index, Real logit) {
      Real probability = std::exp(logit - lse);
      if (!same && index == own.partners[anchor]) probability -= 1;
      own.pull(anchor, same ? &own : &other, index, probability * factor);
    });
  }
};

// What body(repeats, cosine - that of the anchor and its partner) says of every term but the anchors' partners.
template <typename Body> void each_pair(const Sides<double> &s, LeftOut *out, const Body &body) {
  const Side<double> &q = s.queries, &k = s.keys;
  out->queries_keys.assign(s.across.size(), false);
  out->keys_queries.assign(s.across.size(), false);
  out->queries_queries.assign(s.among_queries.size(), false);
  out->keys_keys.assign(s.among_keys.size(), false);
  for (int64_t i = 0; i < q.count; i++) {
    double partner = s.across[i * k.count + q.partners[i]];
    for (int64_t j = 0; j < k.count; j++) {
      if (j == q.partners[i]) continue;
      out->queries_keys[i * k.count + j] = body(q.repeats(i, k, j, k, q), s.across[i * k.count + j] - partner);
    }
    for (int64_t j = 0; j < q.count && !s.among_queries.empty(); j++) {
      int64_t at = i * q.count + j;
      out->queries_queries[at] = i == j || body(q.repeats(i, q, j, k, k), s.among_queries[at] - partner);
    }
  }
  for (int64_t i = 0; i < k.count; i++) {
    if (!s.anchors(true, i)) continue;
    double partner = s.across[k.partners[i] * k.count + i];
    for (int64_t j = 0; j < q.count; j++) {
      if (j == k.partners[i]) continue;
      out->keys_queries[i * q.count + j] = body(k.repeats(i, q, j, q, k), s.across[j * k.count + i] - partner);
    }
    for (int64_t j = 0; j < k.count && !s.among_keys.empty(); j++) {
      int64_t at = i * k.count + j;
      out->keys_keys[at] = i == j || body(k.repeats(i, k, j, q, q), s.among_keys[at] - partner);
    }
  }
}

}  // namespace

LeftOut left_out(const ContrastInputs &in) {
  LeftOut out;
  double margin = in.contrast.has_margin ? static_cast<double>(in.contrast.false_negative_margin) : INFINITY;
  each_pair(Sides<double>(in), &out, [&](bool repeats, double above) { return repeats || above > margin; });
  return out;
}

float clear_margin(const ContrastInputs &in, float margin) {
  Numbers all;
  LeftOut out;
  each_pair(Sides<double>(in), &out, [&](bool, double above) {
    all.push_back(above);
    return false;
  });
  std::sort(all.begin(), all.end());
  for (double above : all) {
    if (std::fabs(above - static_cast<double>(margin)) < 1e-6) margin = static_cast<float>(above + 2e-6);
  }
  return margin;
}

template <typename Real> ContrastResults contrast_forward(const ContrastInputs &in, const LeftOut &out) {
  Sides<Real> s(in);
  ContrastResults r;
  Real total = 0;
  for (int64_t i = 0; i < in.queries_count; i++) {
    Real lse = s.log_sum_exp(out, false, i);
    total += lse - s.logit(i, s.queries.partners[i]);
    r.lse.push_back(static_cast<double>(lse));
  }
  for (int64_t j = 0; j < in.keys_count && in.contrast.both_directions; j++) {
    Real lse = s.anchors(true, j) ? s.log_sum_exp(out, true, j) : Real(INFINITY);
    if (s.anchors(true, j)) total += lse - s.logit(s.keys.partners[j], j);
    r.key_lse.push_back(static_cast<double>(lse));
  }
  r.loss = {static_cast<double>(total * s.share())};
  r.query_norm.assign(s.queries.length.begin(), s.queries.length.end());
  r.key_norm.assign(s.keys.length.begin(), s.keys.length.end());
  return r;
}

template <typename Real>
void contrast_backward(const ContrastInputs &in, const LeftOut &out, const ContrastResults &given, float loss_scale,
                       ContrastResults *results) {
  Sides<Real> s(in);
  Real factor = static_cast<Real>(loss_scale) * s.share() / static_cast<Real>(in.contrast.temperature);
  for (int64_t i = 0; i < in.queries_count; i++) s.pull(out, false, i, static_cast<Real>(given.lse[i]), factor);
  for (int64_t j = 0; j < in.keys_count; j++) {
    if (s.anchors(true, j)) s.pull(out, true, j, static_cast<Real>(given.key_lse[j]), factor);
  }
  results->d_queries = s.queries.gradient();
  results->d_keys = s.keys.gradient();
}

template ContrastResults contrast_forward<float>(const ContrastInputs &, const LeftOut &);
template ContrastResults contrast_forward<double>(const ContrastInputs &, const LeftOut &);
template void contrast_backward<float>(const ContrastInputs &, const LeftOut &, const ContrastResults &, float,
                                       ContrastResults *);
template void contrast_backward<double>(const ContrastInputs &, const LeftOut &, const ContrastResults &, float,
                                        ContrastResults *);

}  // namespace simcse_test
