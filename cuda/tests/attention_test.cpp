// Attention forward and backward against the formulas in double, in every variant and head size.
#include "../attention.hpp"

#include <algorithm>

#include "../attention_kernels.hpp"
#include "check.hpp"

namespace simcse::cuda::tests {

namespace {

using Doubles = std::vector<double>;

// Sentences of given lengths, two views of which the first is number 1.
struct Sentences {
  explicit Sentences(const std::vector<int> &lengths)
      : cu_seqlens(static_cast<int64_t>(lengths.size()) + 1), samples(static_cast<int64_t>(lengths.size())), batch() {
    cu_seqlens[0] = 0;
    for (std::size_t b = 0; b < lengths.size(); b++) {
      const int64_t i = static_cast<int64_t>(b);
      cu_seqlens[i + 1] = cu_seqlens[i] + lengths[b];
      samples[i] = static_cast<int32_t>(1000003 * i + 17);
      batch.max_length = std::max(batch.max_length, lengths[b]);
    }
    batch.struct_size = sizeof batch;
    batch.cu_seqlens = cu_seqlens.data();
    batch.samples = samples.data();
    batch.sentences = static_cast<int32_t>(lengths.size());
    batch.tokens = cu_seqlens[static_cast<int64_t>(lengths.size())];
    batch.views = 2;
    batch.first_view = 1;
  }
  int rows() const { return batch.views * batch.tokens; }
  Array<int32_t> cu_seqlens, samples;
  simcse_batch batch;
};

struct Problem {
  const Sentences *sentences;
  int heads, head_size;
  simcse_dropout dropout;
  Doubles qkv, d_out;
};

struct Reference {
  Doubles out, lse, d_qkv;
};

// One head of one sentence: where its rows start, and how many there are.
struct Where {
  int row, length, head;
  uint32_t sample, view;
};

// `keep(x)` is what is kept of a number that is stored.
template <typename Keep>
void reference_head(const Problem &p, const Where &at, Reference &r, const Keep &keep) {
  const int hidden = p.heads * p.head_size;
  const auto in = [&](int token, int part) {
    return static_cast<std::size_t>(((at.row + token) * 3 + part) * hidden + at.head * p.head_size);
  };
  const auto result = [&](int token) {
    return static_cast<std::size_t>((at.row + token) * hidden + at.head * p.head_size);
  };
  const auto dot = [&](const Doubles &x, std::size_t i, const Doubles &y, std::size_t j) {
    double sum = 0;
    for (int d = 0; d < p.head_size; d++, i++, j++) sum += x[i] * y[j];
    return sum;
  };
  const auto add = [&](Doubles &to, std::size_t i, double factor, const Doubles &x, std::size_t j) {
    for (int d = 0; d < p.head_size; d++) to[i++] += factor * x[j++];
  };
  const double scale = 1 / std::sqrt(p.head_size);
  for (int query = 0; query < at.length; query++) {
    Doubles score, kept;
    double most = -INFINITY, sum = 0;
    for (int key = 0; key < at.length; key++) {
      score.push_back(scale * dot(p.qkv, in(query, 0), p.qkv, in(key, 1)));
      most = std::max(most, score.back());
      const uint32_t c1 = static_cast<uint32_t>(query | at.head << 16);
      const bool it = reference_kept(p.dropout, static_cast<uint32_t>(key), c1, at.sample, at.view);
      kept.push_back(it ? 1 / static_cast<double>(p.dropout.keep_prob) : 0);
    }
    for (const double each : score) sum += std::exp(each - most);
    const double lse = most + std::log(sum);
    r.lse[static_cast<std::size_t>((at.row + query) * p.heads + at.head)] = lse;
    for (int key = 0; key < at.length; key++) {
      const std::size_t j = static_cast<std::size_t>(key);
      const double weight = keep(std::exp(score[j] - lse)) * kept[j];
      add(r.out, result(query), weight, p.qkv, in(key, 2));
      add(r.d_qkv, in(key, 2), weight, p.d_out, result(query));
    }
    for (int d = 0; d < p.head_size; d++) {
      double &x = r.out[result(query) + static_cast<std::size_t>(d)];
      x = keep(x);
    }
    const double delta = dot(p.d_out, result(query), r.out, result(query));
    for (int key = 0; key < at.length; key++) {
      const std::size_t j = static_cast<std::size_t>(key);
      const double d_weight = kept[j] * dot(p.d_out, result(query), p.qkv, in(key, 2));
      const double d_score = scale * keep(std::exp(score[j] - lse) * (d_weight - delta));
      add(r.d_qkv, in(query, 0), d_score, p.qkv, in(key, 1));
      add(r.d_qkv, in(key, 1), d_score, p.qkv, in(query, 0));
    }
  }
}

template <typename Keep>
Reference reference(const Problem &p, const Keep &keep) {
  const simcse_batch &batch = p.sentences->batch;
  Reference r;
  r.out.assign(p.d_out.size(), 0);
  r.lse.assign(p.d_out.size() / static_cast<std::size_t>(p.head_size), 0);
  r.d_qkv.assign(p.qkv.size(), 0);
  for (int view = 0; view < batch.views; view++) {
    for (int b = 0; b < batch.sentences; b++) {
      for (int head = 0; head < p.heads; head++) {
        const int first = batch.cu_seqlens[b];
        reference_head(p,
                       {view * batch.tokens + first, batch.cu_seqlens[b + 1] - first, head,
                        static_cast<uint32_t>(batch.samples[b]), static_cast<uint32_t>(batch.first_view + view)},
                       r, keep);
      }
    }
  }
  for (double &x : r.d_qkv) x = keep(x);
  return r;
}

struct Case {
  std::vector<int> lengths;
  int heads, head_size;
  float keep_prob;
  int offset;    // elements that the activations lie past an aligned address
  double scale;  // of queries and keys
};

template <typename T>
void check_case(const Case &c, int seeds, AttentionVariant expected) {
  const Sentences sentences(c.lengths);
  Random random(static_cast<uint64_t>(c.head_size + c.heads));
  const int hidden = c.heads * c.head_size;
  const int64_t rows = sentences.rows();
  const simcse_dropout dropout = {random.next(), random.next(), 4, c.keep_prob};
  Array<T> qkv(rows * 3 * hidden, c.offset), d_out(rows * hidden, c.offset);
  qkv.fill(random, c.scale);
  d_out.fill(random);
  qkv[qkv.count() / 2] = from_float<T>(20.0f);
  const Problem problem = {&sentences, c.heads, c.head_size, dropout, qkv.values(), d_out.values()};
  const Reference exact = reference(problem, [](double x) { return x; });
  const Reference naive = reference(problem, [](double x) { return value_of(from_float<T>(static_cast<float>(x))); });

  const simcse_dtype dtype = sizeof(T) == 2 ? SIMCSE_BF16 : SIMCSE_F32;
  CHECK(attention_plan(dtype, sentences.batch, hidden, c.heads, c.offset == 0).variant == expected, "variant");
  Doubles first;
  each_seed(seeds, [&](int seed) {
    Array<T> out(rows * hidden, c.offset), d_qkv(qkv.count(), c.offset);
    Array<float> lse(rows * c.heads), scratch(attention_backward_scratch(sentences.batch, c.heads) / 4);
    const simcse_attention_forward forward = {
        sizeof forward, &sentences.batch, dtype, hidden, c.heads, 0, qkv.data(), dropout, out.data(), lse.data()};
    RUN(attention_forward({}, forward));
    check_near("out", out, exact.out, naive.out);
    check_near("lse", lse, exact.lse, {});
    const simcse_attention_backward backward = {sizeof backward, &sentences.batch, dtype,        hidden,
                                                c.heads,         0,                qkv.data(),   out.data(),
                                                lse.data(),      d_out.data(),     dropout,      d_qkv.data()};
    RUN(attention_backward({nullptr, scratch.data()}, backward));
    // Queries, keys and values apart: their gradients differ in size.
    const Doubles all = d_qkv.values();
    for (std::size_t part = 0; part < 3; part++) {
      Doubles mine, truth, rough;
      for (std::size_t i = 0; i < all.size(); i++) {
        if (i / static_cast<std::size_t>(hidden) % 3 != part) continue;
        mine.push_back(all[i]);
        truth.push_back(exact.d_qkv[i]);
        rough.push_back(naive.d_qkv[i]);
      }
      const double error = error_of(mine, truth).norm;
      const double limit = std::fmax(1e-5, 2 * error_of(rough, truth).norm);
      CHECK(error <= limit, "gradient of part %zu: error %g, above %g", part, error, limit);
    }
    // The order in which lanes run must not show, not even in the last bit.
    Doubles now = out.values();
    for (const Doubles &more : {lse.values(), all}) now.insert(now.end(), more.begin(), more.end());
    if (seed == 1) first = now;
    CHECK(std::equal(now.begin(), now.end(), first.begin(), first.end()), "other bits than under seed 1");

    Array<T> again(rows * hidden, c.offset);
    simcse_attention_forward inference = forward;
    inference.out = again.data();
    inference.lse = nullptr;
    RUN(attention_forward({}, inference));
    CHECK(again.same_bits(out), "other bits without lse");
  });
}

SIMCSE_TEST(attention_whole32) {
  const auto variant = AttentionVariant::whole32;
  check_case<bf16>({{1, 32, 17, 8}, 3, 64, 0.9f, 0, 1}, 3, variant);
  check_case<bf16>({{31, 16, 4, 1, 15}, 1, 64, 1.0f, 0, 3}, 1, variant);
  check_case<bf16>({{25, 3, 32}, 5, 32, 0.5f, 0, 1}, 2, variant);
  check_case<bf16>({{32, 12, 2}, 3, 128, 0.9f, 0, 1}, 2, variant);
  check_case<bf16>({{1}, 1, 64, 0.9f, 0, 1}, 1, variant);
}

SIMCSE_TEST(attention_whole64) {
  const auto variant = AttentionVariant::whole64;
  check_case<bf16>({{64, 1, 33, 48}, 1, 64, 0.9f, 0, 1}, 3, variant);
  check_case<bf16>({{20, 63}, 2, 64, 1.0f, 0, 3}, 1, variant);
  check_case<bf16>({{49, 15}, 3, 32, 0.9f, 0, 1}, 1, variant);
  check_case<bf16>({{33, 64}, 1, 128, 0.9f, 0, 1}, 1, variant);
}

SIMCSE_TEST(attention_streaming) {
  const auto variant = AttentionVariant::streaming;
  check_case<bf16>({{65, 1, 98}, 1, 64, 0.9f, 0, 1}, 2, variant);
  check_case<bf16>({{20, 128}, 2, 32, 0.9f, 0, 1}, 1, variant);
  check_case<bf16>({{81, 2}, 1, 128, 0.9f, 0, 3}, 1, variant);
  check_case<bf16>({{140}, 1, 64, 1.0f, 0, 3}, 1, variant);
  std::vector<int> many(40, 3);
  many[33] = 66;
  check_case<bf16>({many, 1, 32, 0.9f, 0, 1}, 1, variant);
}

SIMCSE_TEST(attention_plain) {
  const auto variant = AttentionVariant::plain;
  check_case<float>({{33, 1, 32}, 2, 64, 0.9f, 0, 1}, 2, variant);
  check_case<float>({{31, 70}, 1, 32, 1.0f, 1, 3}, 1, variant);
  check_case<float>({{35, 5}, 1, 128, 0.5f, 0, 1}, 1, variant);
  check_case<bf16>({{33, 12}, 1, 64, 0.9f, 1, 1}, 1, variant);
}

// Scores far beyond the range of the exponential, all of them whole numbers: every query sees the one key of the largest
// score, so that no gradient reaches queries and keys.
template <typename T>
void check_huge_scores(int length, int offset, int middle, AttentionVariant expected) {
  constexpr int kHead = 64;
  constexpr float kQuery = 8192;
  const Sentences sentences({length});
  Random random(static_cast<uint64_t>(length));
  Array<T> qkv(2 * length * 3 * kHead, offset), d_out(2 * length * kHead, offset);
  qkv.fill(random);
  d_out.fill(random);
  int best = 0;
  const auto level = [&](int token) { return middle + (token * 7 % length - length / 2) * 8; };
  for (int row = 0; row < 2 * length; row++) {
    for (int i = 0; i < 2 * kHead; i++) qkv[row * 3 * kHead + i] = from_float<T>(0.0f);
    qkv[row * 3 * kHead] = from_float<T>(kQuery);
    qkv[row * 3 * kHead + kHead] = from_float<T>(static_cast<float>(level(row % length)));
    if (row < length && level(row) > level(best)) best = row;
  }
  const simcse_dtype dtype = sizeof(T) == 2 ? SIMCSE_BF16 : SIMCSE_F32;
  CHECK(attention_plan(dtype, sentences.batch, kHead, 1, offset == 0).variant == expected, "variant");

  Array<T> out(d_out.count(), offset), d_qkv(qkv.count(), offset);
  Array<float> lse(2 * length), scratch(attention_backward_scratch(sentences.batch, 1) / 4);
  const simcse_dropout none = {0, 0, 0, 1.0f};
  const simcse_attention_forward forward = {
      sizeof forward, &sentences.batch, dtype, kHead, 1, 0, qkv.data(), none, out.data(), lse.data()};
  RUN(attention_forward({}, forward));
  const simcse_attention_backward backward = {sizeof backward, &sentences.batch, dtype,        kHead, 1,           0,
                                              qkv.data(),      out.data(),       lse.data(),   d_out.data(), none,
                                              d_qkv.data()};
  RUN(attention_backward({nullptr, scratch.data()}, backward));
  const Doubles in = qkv.values(), upstream = d_out.values(), result = out.values(), gradient = d_qkv.values();
  for (int row = 0; row < 2 * length; row++) {
    const int token = row % length;
    CHECK(lse[row] == kQuery / 8 * static_cast<float>(level(best)), "lse of row %d: %g", row, value_of(lse[row]));
    for (int d = 0; d < kHead; d++) {
      const auto part = [&](int which, int of) { return static_cast<std::size_t>((of * 3 + which) * kHead + d); };
      const double kept = result[static_cast<std::size_t>(row * kHead + d)];
      CHECK(kept == in[part(2, row - token + best)], "row %d, channel %d: %g", row, d, kept);
      double d_v = 0;
      for (int query = row - token; token == best && query < row - token + length; query++) {
        d_v += upstream[static_cast<std::size_t>(query * kHead + d)];
      }
      CHECK(std::fabs(gradient[part(2, row)] - d_v) <= std::ldexp(std::fabs(d_v), -8) + 1e-4,
            "gradient of value %d, channel %d: %g, not %g", row, d, gradient[part(2, row)], d_v);
      // A difference of equal sums, times the query or the keys.
      const double rest = std::fmax(std::fabs(gradient[part(0, row)]), std::fabs(gradient[part(1, row)]));
      CHECK(rest <= 1e-5 * kQuery * length, "gradient of row %d, channel %d: %g", row, d, rest);
    }
  }
}

SIMCSE_TEST(attention_of_huge_scores) {
  for (const int middle : {0, -1000}) {
    check_huge_scores<bf16>(9, 0, middle, AttentionVariant::whole32);
    check_huge_scores<bf16>(40, 0, middle, AttentionVariant::whole64);
    check_huge_scores<bf16>(130, 0, middle, AttentionVariant::streaming);
    check_huge_scores<bf16>(33, 1, middle, AttentionVariant::plain);
    check_huge_scores<float>(33, 0, middle, AttentionVariant::plain);
  }
}

#if !defined(SIMCSE_ON_GPU)  // g++ makes kernels of tests for the emulator alone
// Every block of 64 tokens has one slot, and the other slots have none.
SIMT_KERNEL(32) name_slots(Batch batch, int *sentence, int *first) {
  int from;
  const int b = find_block<64>(batch, block_x(), &from);
  if (lane() > 0) return;
  sentence[block_x()] = b;
  first[block_x()] = from;
}

SIMCSE_TEST(attention_finds_every_block) {
  for (const int count : {1, 2, 31, 33, 1025, 1500}) {
    Random random(static_cast<uint64_t>(count));
    std::vector<int> lengths;
    for (int b = 0; b < count; b++) {
      lengths.push_back(random.between(1, 4) == 1 ? 64 * random.between(1, 4) : b % 70 + 1);
    }
    const Sentences sentences(lengths);
    const int64_t slots = block_slots(sentences.batch, 64);
    Array<int> sentence(slots), first(slots);
    Geometry geometry;
    geometry.x = static_cast<unsigned>(slots);
    RUN(launch("name_slots", name_slots, geometry, nullptr, device_batch(sentences.batch), sentence.data(),
               first.data()));
    std::vector<int> next(lengths.size(), 0);
    for (int64_t i = 0; i < slots; i++) {
      const std::size_t b = static_cast<std::size_t>(sentence[i]);
      CHECK(first[i] == next[b], "slot %lld of sentence %zu starts at %d", static_cast<long long>(i), b, first[i]);
      next[b] += 64;
    }
    for (std::size_t b = 0; b < lengths.size(); b++) {
      CHECK(next[b] >= lengths[b] && next[b] < lengths[b] + 128, "sentence %zu of %d: %d", b, lengths[b], next[b]);
    }
  }
}
#endif

// The truth above against differences of its own forward pass: the loss is the sum of d_out * out.
SIMCSE_TEST(attention_reference_gradients) {
  const Sentences sentences({3, 5});
  Random random(7);
  Problem p = {&sentences, 2, 4, {1, 2, 4, 0.7f}, {}, {}};
  for (int i = 0; i < sentences.rows() * 3 * 8; i++) p.qkv.push_back(random.uniform());
  for (int i = 0; i < sentences.rows() * 8; i++) p.d_out.push_back(random.uniform());
  const auto whole = [](double x) { return x; };
  const Doubles gradient = reference(p, whole).d_qkv;
  const auto loss = [&](std::size_t i, double step) {
    Problem moved = p;
    moved.qkv[i] += step;
    const Doubles out = reference(moved, whole).out;
    double sum = 0;
    for (std::size_t j = 0; j < out.size(); j++) sum += out[j] * p.d_out[j];
    return sum;
  };
  for (std::size_t i = 0; i < p.qkv.size(); i += 5) {
    const double difference = (loss(i, 1e-4) - loss(i, -1e-4)) / 2e-4;
    CHECK(std::fabs(difference - gradient[i]) < 1e-6, "element %zu: %g, by differences %g", i, gradient[i], difference);
  }
}

}  // namespace

}  // namespace simcse::cuda::tests
