// The embedding and its gradients against the formulas in double.
#include "../embedding.hpp"

#include <algorithm>

#include "../row.hpp"
#include "check.hpp"

namespace simcse::cuda::tests {

namespace {

constexpr double kEpsilon = 1e-5f;
using Doubles = std::vector<double>;

struct Case {
  int sentences, longest, hidden, vocabulary;
  float keep_prob;
  int offset;  // elements that activations lie past an aligned address
};

// A batch with ids, whose sentences lie apart and in no order.
struct TokenBatch {
  TokenBatch(const Case &k, Random &random)
      : packed(random, k.sentences, k.longest), ids(packed.get()->tokens * 2 + 5), starts(k.sentences) {
    batch = *packed.get();
    for (int64_t i = 0; i < ids.count(); i++) {
      const int id = random.between(0, k.vocabulary - 1);
      ids[i] = i % 3 == 0 ? 0 : id;  // one id that many tokens have
    }
    int64_t at = ids.count();
    for (int b = 0; b < k.sentences; b++) {
      at -= batch.cu_seqlens[b + 1] - batch.cu_seqlens[b] + (b % 3 == 0);
      starts[b] = std::max<int64_t>(at, 0);
    }
    batch.ids = ids.data();
    batch.id_count = ids.count();
    batch.starts = starts.data();
  }
  TestBatch packed;
  Array<int32_t> ids;
  Array<int64_t> starts;
  simcse_batch batch;
};

struct Reference {
  Doubles mean, rstd, out, d_word, d_position, d_type, d_gamma, d_beta;
};

template <typename T>
struct Tensors {
  Tensors(const Case &k, const TokenBatch &tokens)
      : word(static_cast<int64_t>(k.vocabulary) * k.hidden, k.offset),
        position(static_cast<int64_t>(k.longest + 2) * k.hidden, k.offset),
        type(k.hidden, k.offset),
        out(static_cast<int64_t>(tokens.packed.rows()) * k.hidden, k.offset),
        d_out(out.count(), k.offset),
        gamma(k.hidden),
        beta(k.hidden),
        mean(tokens.batch.tokens),
        rstd(tokens.batch.tokens),
        d_word(word.count()),
        d_position(position.count()),
        d_type(k.hidden),
        d_gamma(k.hidden),
        d_beta(k.hidden) {}
  Array<T> word, position, type, out, d_out;
  Array<float> gamma, beta, mean, rstd, d_word, d_position, d_type, d_gamma, d_beta;
};

template <typename T>
Reference reference(const Case &k, const TokenBatch &tokens, const Tensors<T> &x, const Doubles &factor) {
  Reference r;
  const simcse_batch &batch = tokens.batch;
  const int64_t hidden = k.hidden;
  r.out.resize(static_cast<std::size_t>(x.out.count()));
  r.d_word = x.d_word.values();
  r.d_position = x.d_position.values();
  r.d_type = x.d_type.values();
  r.d_gamma = x.d_gamma.values();
  r.d_beta = x.d_beta.values();
  for (int t = 0; t < batch.tokens; t++) {
    uint32_t p, sample, view;
    int b;
    tokens.packed.name(t, &p, &sample, &view, &b);
    const int64_t id = batch.ids[batch.starts[b] + p];
    Doubles s(static_cast<std::size_t>(hidden)), d(s.size(), 0.0);
    double mean = 0, variance = 0, mean_g = 0, mean_g_y = 0;
    for (int64_t c = 0; c < hidden; c++) {
      double &sum = s[static_cast<std::size_t>(c)];
      sum = value_of(x.word[id * hidden + c]) + value_of(x.position[p * hidden + c]) + value_of(x.type[c]);
      mean += sum / static_cast<double>(hidden);
    }
    for (const double each : s) variance += std::pow(each - mean, 2) / static_cast<double>(hidden);
    const double rstd = 1 / std::sqrt(variance + kEpsilon);
    r.mean.push_back(mean);
    r.rstd.push_back(rstd);
    for (int64_t c = 0; c < hidden; c++) {
      const auto i = static_cast<std::size_t>(c);
      const double y = (s[i] - mean) * rstd;
      for (int v = 0; v < batch.views; v++) {
        const int64_t at = (static_cast<int64_t>(v) * batch.tokens + t) * hidden + c;
        const double keep = factor[static_cast<std::size_t>(at)];
        r.out[static_cast<std::size_t>(at)] = keep * (y * value_of(x.gamma[c]) + value_of(x.beta[c]));
        d[i] += keep * value_of(x.d_out[at]);
      }
      r.d_gamma[i] += d[i] * y;
      r.d_beta[i] += d[i];
      mean_g += d[i] * value_of(x.gamma[c]) / static_cast<double>(hidden);
      mean_g_y += d[i] * value_of(x.gamma[c]) * y / static_cast<double>(hidden);
    }
    for (int64_t c = 0; c < hidden; c++) {
      const auto i = static_cast<std::size_t>(c);
      const double y = (s[i] - mean) * rstd;
      const double d_sum = rstd * (d[i] * value_of(x.gamma[c]) - mean_g - y * mean_g_y);
      r.d_word[static_cast<std::size_t>(id * hidden + c)] += d_sum;
      r.d_position[static_cast<std::size_t>(p * hidden + c)] += d_sum;
      r.d_type[i] += d_sum;
    }
  }
  return r;
}

template <typename T>
void check_case(const Case &k, int seeds) {
  const simcse_dtype dtype = sizeof(T) == 2 ? SIMCSE_BF16 : SIMCSE_F32;
  Doubles first;
  each_seed(seeds, [&](int seed) {
    Random random(static_cast<uint64_t>(k.hidden * 7 + k.sentences));
    const TokenBatch tokens(k, random);
    Tensors<T> x(k, tokens);
    x.word.fill(random);
    x.position.fill(random);
    x.type.fill(random);
    x.word[x.word.count() / 2] = from_float<T>(20.0f);
    x.d_out.fill(random);
    x.gamma.fill(random, 1, 1);
    for (Array<float> *each : {&x.beta, &x.d_word, &x.d_position, &x.d_type, &x.d_gamma, &x.d_beta}) {
      each->fill(random);
    }
    const simcse_dropout dropout = {random.next(), random.next(), 0, k.keep_prob};
    const simcse_layer_norm norm = {x.gamma.data(), x.beta.data(), static_cast<float>(kEpsilon), 0};
    const Reference expected = reference(k, tokens, x, reference_factors(dropout, tokens.packed, k.hidden));

    const simcse_embedding_forward forward = {sizeof forward, &tokens.batch, dtype, k.hidden, k.vocabulary,
                                              k.longest + 2, x.word.data(), x.position.data(), x.type.data(), norm,
                                              dropout, x.out.data(), x.mean.data(), x.rstd.data()};
    RUN(embedding_forward({}, forward));
    check_near("mean", x.mean, expected.mean, {});
    check_near("rstd", x.rstd, expected.rstd, {});
    check_near("out", x.out, expected.out, rounded<T>(expected.out));

    Array<float> scratch(embedding_backward_scratch(tokens.batch, k.hidden, k.vocabulary) / 4);
    const simcse_embedding_backward backward = {
        sizeof backward, &tokens.batch, dtype, k.hidden, k.vocabulary, k.longest + 2, x.word.data(),
        x.position.data(), x.type.data(), norm, dropout, x.mean.data(), x.rstd.data(), x.d_out.data(),
        x.d_word.data(), x.d_position.data(), x.d_type.data(), x.d_gamma.data(), x.d_beta.data()};
    RUN(embedding_backward({nullptr, scratch.data()}, backward));
    check_near("d_word", x.d_word, expected.d_word, {});
    check_near("d_position", x.d_position, expected.d_position, {});
    check_near("d_type", x.d_type, expected.d_type, {});
    check_near("d_gamma", x.d_gamma, expected.d_gamma, {});
    check_near("d_beta", x.d_beta, expected.d_beta, {});

    Doubles now = x.out.values();
    for (const Array<float> *each : {&x.d_word, &x.d_position, &x.d_type, &x.d_gamma, &x.d_beta}) {
      const Doubles more = each->values();
      now.insert(now.end(), more.begin(), more.end());
    }
    if (seed == 1) first = now;
    CHECK(std::equal(now.begin(), now.end(), first.begin(), first.end()), "other bits than under seed 1, width %d",
          k.hidden);
  });
}

template <typename T>
void check_widths() {
  for (const int hidden : {3, 31, 32, 33, 136, 768, 1024, 1030, 1032}) {
    check_case<T>({3, 4, hidden, 7, 0.9f, 0}, hidden < 1000 ? 2 : 1);
    check_case<T>({1, 1, hidden, 1, 1.0f, 1}, 1);
  }
}

SIMCSE_TEST(embedding_f32) { check_widths<float>(); }
SIMCSE_TEST(embedding_bf16) { check_widths<bf16>(); }

SIMCSE_TEST(embedding_of_many_tokens) {
  check_case<float>({85, 50, 4, 5000, 0.9f, 0}, 1);  // two blocks that sort, more than one turn of those that add up
  check_case<float>({168, 50, 3, 40, 1.0f, 0}, 2);   // three, with ids that all of them have
}

SIMCSE_TEST(embedding_geometry) {
  for (int hidden = 1; hidden <= 4096; hidden++) {
    for (const simcse_dtype dtype : {SIMCSE_F32, SIMCSE_BF16}) {
      const RowPlan plan = row_plan(dtype, hidden, true);
      CHECK(embedding_backward_geometry(100000, hidden, plan.passes).shared <= 99 * 1024, "width %d", hidden);
    }
  }
  CHECK(embedding_position_parts(1) == 1 && embedding_position_parts(17) == 2 && embedding_position_parts(9999) == 32,
        "parts");
  simcse_batch batch = {};
  batch.tokens = 3000;
  batch.sentences = 128;
  batch.max_length = 32;
  const int64_t bytes = embedding_backward_scratch(batch, 768, 30522);
  CHECK(bytes > 3000 * 768 * 4 && bytes < 3000 * 768 * 4 + (3 << 20), "%lld bytes", static_cast<long long>(bytes));
}

}  // namespace

}  // namespace simcse::cuda::tests
