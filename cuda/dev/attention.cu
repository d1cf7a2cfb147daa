// The ladder of attention, forward and backward; floors as attention.hpp counts them. Shapes: heads A of D channels,
// T tokens of drawn lengths, or B sentences of L tokens.
#include "../attention.hpp"

#include "../attention_kernels.hpp"
#include "attention_reference.hpp"
#include "plain.hpp"

namespace simcse::cuda::dev {

namespace {

constexpr char kForward[] = "attention_forward", kBackward[] = "attention_backward";

template <typename T>
struct Plain {
  Batch batch;
  Dropout dropout;
  int hidden, heads, head_size, max_length;
  float scale;
  const T *qkv;
  T *out;
  float *lse;
  const T *d_out;
  T *d_qkv;
};

// One query, or key, of one head.
struct Line {
  int row, head, first, length;  // rows of the sentence: first .. first + length - 1
  RowName name;
};

template <typename T>
SIMT_DEVICE Line line_of(const Plain<T> &a, int64_t index) {
  Line line = {};
  line.row = (int)(index / a.heads);
  line.head = (int)(index % a.heads);
  line.name = name_row_alone(a.batch, line.row);
  line.first = line.row - (int)line.name.position;
  line.length = a.batch.cu_seqlens[line.name.sentence + 1] - a.batch.cu_seqlens[line.name.sentence];
  return line;
}

template <typename T>
SIMT_DEVICE const T *part_of(const Plain<T> &a, int row, int head, int part) {
  return a.qkv + ((int64_t)row * 3 + part) * a.hidden + head * a.head_size;
}

// --- everything in memory: scores (R, A, max_length) ---

template <typename T>
SIMT_KERNEL(kPlainThreads) all_scores(Plain<T> a, float *scores) {
  const int64_t i = plain_index();
  if (i >= (int64_t)a.batch.rows() * a.heads * a.max_length) return;
  const Line line = line_of(a, i / a.max_length);
  const int key = (int)(i % a.max_length);
  if (key >= line.length) return;
  const T *const q = part_of(a, line.row, line.head, 0);
  const T *const k = part_of(a, line.first + key, line.head, 1);
  float sum = 0.0f;
  for (int d = 0; d < a.head_size; d++) sum = fmaf(to_float(q[d]), to_float(k[d]), sum);
  scores[i] = sum * a.scale;
}

// A warp a line: scores become weights.
template <typename T>
SIMT_KERNEL(kPlainThreads) all_weights(Plain<T> a, float *scores) {
  const int64_t index = plain_index() / kWarp;
  if (index >= (int64_t)a.batch.rows() * a.heads) return;
  const Line line = line_of(a, index);
  float *const s = scores + index * a.max_length;
  float most = -INFINITY, sum = 0.0f;
  for (int key = lane(); key < line.length; key += kWarp) most = fmaxf(most, s[key]);
  most = warp_max(most);
  for (int key = lane(); key < line.length; key += kWarp) sum += expf(s[key] - most);
  sum = warp_sum(sum);
  const uint32_t c1 = line.name.position | (uint32_t)line.head << 16;
  for (int key = lane(); key < line.length; key += kWarp) {
    s[key] = kept_alone(a.dropout, line.name, c1, key) ? expf(s[key] - most) / sum * a.dropout.scale : 0.0f;
  }
  if (lane() == 0) a.lse[index] = most + logf(sum);
}

template <typename T>
SIMT_KERNEL(kPlainThreads) all_values(Plain<T> a, const float *weights) {
  const int64_t i = plain_index();
  if (i >= (int64_t)a.batch.rows() * a.hidden) return;
  const int c = (int)(i % a.hidden);
  const int64_t index = i / a.hidden * a.heads + c / a.head_size;
  const Line line = line_of(a, index);
  float sum = 0.0f;
  for (int key = 0; key < line.length; key++) {
    const T value = part_of(a, line.first + key, line.head, 2)[c % a.head_size];
    sum = fmaf(weights[index * a.max_length + key], to_float(value), sum);
  }
  a.out[i] = from_float<T>(sum);
}

// --- a warp a query, or a key: a lane has channels lane(), lane() + 32 ... ---

template <int kEach>
struct Channels {
  float x[kEach];

  template <typename T>
  SIMT_DEVICE void load(const T *from) {
    SIMT_UNROLL for (int e = 0; e < kEach; e++) x[e] = to_float(from[lane() + kWarp * e]);
  }
  template <typename T>
  SIMT_DEVICE void store(T *to, float factor) const {
    SIMT_UNROLL for (int e = 0; e < kEach; e++) to[lane() + kWarp * e] = from_float<T>(x[e] * factor);
  }
  SIMT_DEVICE void add(float factor, const Channels &other) {
    SIMT_UNROLL for (int e = 0; e < kEach; e++) x[e] = fmaf(factor, other.x[e], x[e]);
  }
  SIMT_DEVICE void multiply(float factor) {
    SIMT_UNROLL for (int e = 0; e < kEach; e++) x[e] *= factor;
  }
  SIMT_DEVICE float dot(const Channels &other, Site at = Site::here()) const {
    float sum = 0.0f;
    SIMT_UNROLL for (int e = 0; e < kEach; e++) sum = fmaf(x[e], other.x[e], sum);
    return warp_sum(sum, at);
  }
};

template <typename T, int kHead>
SIMT_KERNEL(kPlainThreads) query_forward(Plain<T> a) {
  const int64_t index = plain_index() / kWarp;
  if (index >= (int64_t)a.batch.rows() * a.heads) return;
  const Line line = line_of(a, index);
  const uint32_t c1 = line.name.position | (uint32_t)line.head << 16;
  Channels<kHead / kWarp> q, k, v, out = {};
  q.load(part_of(a, line.row, line.head, 0));
  float most = -INFINITY, sum = 0.0f;
  for (int key = 0; key < line.length; key++) {
    k.load(part_of(a, line.first + key, line.head, 1));
    v.load(part_of(a, line.first + key, line.head, 2));
    const float s = q.dot(k) * a.scale;
    const float next = fmaxf(most, s);
    const float factor = expf(most - next), weight = expf(s - next);
    most = next;
    sum = fmaf(sum, factor, weight);
    out.multiply(factor);
    out.add(kept_alone(a.dropout, line.name, c1, key) ? weight : 0.0f, v);
  }
  out.store(a.out + (int64_t)line.row * a.hidden + line.head * kHead, a.dropout.scale / sum);
  if (lane() == 0) a.lse[index] = most + logf(sum);
}

template <typename T, int kHead>
SIMT_KERNEL(kPlainThreads) query_backward(Plain<T> a) {
  const int64_t index = plain_index() / kWarp;
  if (index >= (int64_t)a.batch.rows() * a.heads) return;
  const Line line = line_of(a, index);
  const uint32_t c1 = line.name.position | (uint32_t)line.head << 16;
  const int64_t mine = (int64_t)line.row * a.hidden + line.head * kHead;
  Channels<kHead / kWarp> q, k, v, d_out, out, d_q = {};
  q.load(part_of(a, line.row, line.head, 0));
  d_out.load(a.d_out + mine);
  out.load(a.out + mine);
  const float delta = d_out.dot(out), lse = a.lse[index];
  for (int key = 0; key < line.length; key++) {
    k.load(part_of(a, line.first + key, line.head, 1));
    v.load(part_of(a, line.first + key, line.head, 2));
    const float p = expf(fmaf(q.dot(k), a.scale, -lse));
    const float d_weight = d_out.dot(v) * a.dropout.scale;
    d_q.add(p * ((kept_alone(a.dropout, line.name, c1, key) ? d_weight : 0.0f) - delta), k);
  }
  d_q.store(a.d_qkv + (int64_t)line.row * 3 * a.hidden + line.head * kHead, a.scale);
}

template <typename T, int kHead>
SIMT_KERNEL(kPlainThreads) key_backward(Plain<T> a) {
  const int64_t index = plain_index() / kWarp;
  if (index >= (int64_t)a.batch.rows() * a.heads) return;
  const Line line = line_of(a, index);
  Channels<kHead / kWarp> q, k, v, d_out, out, d_k = {}, d_v = {};
  k.load(part_of(a, line.row, line.head, 1));
  v.load(part_of(a, line.row, line.head, 2));
  for (int query = 0; query < line.length; query++) {
    const int row = line.first + query;
    q.load(part_of(a, row, line.head, 0));
    d_out.load(a.d_out + (int64_t)row * a.hidden + line.head * kHead);
    out.load(a.out + (int64_t)row * a.hidden + line.head * kHead);
    const float p = expf(fmaf(q.dot(k), a.scale, -a.lse[(int64_t)row * a.heads + line.head]));
    const uint32_t c1 = (uint32_t)query | (uint32_t)line.head << 16;
    const bool keep = kept_alone(a.dropout, line.name, c1, (int)line.name.position);
    const float d_weight = d_out.dot(v) * a.dropout.scale;
    d_v.add(keep ? p : 0.0f, d_out);
    d_k.add(p * ((keep ? d_weight : 0.0f) - d_out.dot(out)), q);
  }
  T *const to = a.d_qkv + ((int64_t)line.row * 3 + 1) * a.hidden + line.head * kHead;
  d_k.store(to, a.scale);
  d_v.store(to + a.hidden, a.dropout.scale);
}

// --- the ladder ---

// Everything of a shape, for both directions.
template <typename T>
struct Setting {
  Setting(Problem &p, const Shape &shape, Random &random)
      : heads(shape.integer("A")),
        head_size(shape.integer("D")),
        hidden(heads * head_size),
        sentences(p, shape, random),
        dropout(dropout_of(shape, random)),
        qkv(Host::random(shape.type(), (int64_t)sentences.rows() * 3 * hidden, random)),
        d_out(Host::random(shape.type(), (int64_t)sentences.rows() * hidden, random)) {
    double squares = 0, tokens = sentences.tokens(), views = sentences.batch()->views;
    for (int b = 0; b < sentences.count(); b++) squares += (double)sentences.length(b) * sentences.length(b);
    numbers = tokens * hidden * views;
    products = squares * hidden * views;
    arguments = {device_batch(*sentences.batch()),
                 device_dropout(dropout),
                 hidden,
                 heads,
                 head_size,
                 sentences.batch()->max_length,
                 (float)(1 / sqrt((double)head_size)),
                 p.input<T>(qkv),
                 nullptr,
                 nullptr,
                 nullptr,
                 nullptr};
  }
  AttentionProblem reference() const { return {&sentences, heads, head_size, dropout, &qkv, &d_out}; }
  Geometry lines() const { return plain_geometry((int64_t)sentences.rows() * heads * kWarp); }
  // The plan of another variant: that of longer sentences, or of arrays that are not aligned.
  AttentionPlan plan(simcse_dtype dtype, bool plain) const {
    simcse_batch batch = *sentences.batch();
    if (!plain && batch.max_length <= 64) batch.max_length = 65;
    return attention_plan(dtype, batch, hidden, heads, !plain);
  }

  int heads, head_size, hidden;
  Sentences sentences;
  simcse_dropout dropout;
  Host qkv, d_out;
  double numbers, products;  // R H, and the sum of L^2 H
  Plain<T> arguments;
};

template <typename T>
Fault run_scores(const Plain<T> &a, float *scores, Stream stream) {
  const int64_t rows = (int64_t)a.batch.views * a.batch.tokens, lines = rows * a.heads;
  Fault fault = launch(kForward, all_scores<T>, plain_geometry(lines * a.max_length), stream, a, scores);
  if (fault == 0) fault = launch(kForward, all_weights<T>, plain_geometry(lines * kWarp), stream, a, scores);
  if (fault != 0) return fault;
  return launch(kForward, all_values<T>, plain_geometry(rows * a.hidden), stream, a, (const float *)scores);
}

template <typename T>
void run_forward(Ladder &ladder, const Shape &shape) {
  Random random(3);
  Problem p(ladder, kForward, shape);
  Setting<T> s(p, shape, random);
  const AttentionExpected expected = attention_forward_expected(s.reference(), shape.type());
  Plain<T> &a = s.arguments;
  const simcse_batch &batch = *s.sentences.batch();
  const int64_t lines = (int64_t)s.sentences.rows() * s.heads;
  a.out = p.output<T>("out", (int64_t)s.numbers, expected.out);
  a.lse = p.output<float>("lse", lines, expected.lse);
  p.floor(4 * s.numbers * sizeof(T) + (double)lines * 4, 4 * s.products);

  constexpr int64_t kMostScores = int64_t{8} << 30;
  if (lines * a.max_length * 4 <= kMostScores) {
    float *const scores = p.scratch<float>(lines * a.max_length);
    p.rung("scores", "a kernel each for scores, weights and sums of values, a thread a number, all in memory",
           [&, scores](const Queue &q) { return run_scores(a, scores, q.stream); });
  }
  p.rung("query", "a warp a query with a running softmax: no scores in memory", [&](const Queue &q) {
    return with_head_size(s.head_size, [&](auto size) {
      return launch(kForward, query_forward<T, decltype(size)::value>, s.lines(), q.stream, a);
    });
  });
  const auto arguments = [&](const AttentionPlan &plan) {
    return ForwardArguments<T>{a.batch, a.dropout, a.hidden, a.heads, plan.rows, a.scale, a.qkv, a.out, a.lse};
  };
  if constexpr (sizeof(T) == 2) {
    p.rung("plain", "tiles of 32 in shared memory: keys are read once for 32 queries", [&](const Queue &q) {
      const AttentionPlan plan = s.plan(shape.dtype(), true);
      return launch_plain_forward(plan, q.stream, arguments(plan));
    });
    if (batch.max_length <= 64) {
      p.rung("streaming", "tensor cores, 64 queries a block, copies ahead of products", [&](const Queue &q) {
        const AttentionPlan plan = s.plan(shape.dtype(), false);
        return launch_stream_forward(plan, q.stream, arguments(plan));
      });
    }
  }
  p.rung("product", "bf16: whole sentences up to 64 tokens, a warp or a block each, else streaming; f32: plain",
         [&](const Queue &q) {
           return attention_forward(q, {sizeof(simcse_attention_forward), &batch, shape.dtype(), a.hidden, a.heads, 0,
                                        a.qkv, s.dropout, a.out, a.lse});
         });
  p.climb();
}

template <typename T>
void run_backward(Ladder &ladder, const Shape &shape) {
  Random random(3);
  Problem p(ladder, kBackward, shape);
  Setting<T> s(p, shape, random);
  const AttentionGradients expected = attention_backward_expected(s.reference(), shape.type());
  Plain<T> &a = s.arguments;
  const simcse_batch &batch = *s.sentences.batch();
  const int64_t lines = (int64_t)s.sentences.rows() * s.heads;
  a.d_out = p.input<T>(s.d_out);
  a.d_qkv = p.output<T>("d_queries, d_keys, d_values", (int64_t)s.numbers * 3, expected.part[0]);
  p.expect_too(expected.part[1]);
  p.expect_too(expected.part[2]);
  a.out = p.scratch<T>((int64_t)s.numbers);
  a.lse = p.scratch<float>(lines);
  float *const delta = p.scratch<float>(lines);
  p.queue_scratch(attention_backward_scratch(batch, s.heads));
  p.prepare([&](const Queue &q) {
    return attention_forward(q, {sizeof(simcse_attention_forward), &batch, shape.dtype(), a.hidden, a.heads, 0, a.qkv,
                                 s.dropout, a.out, a.lse});
  });
  p.floor(7 * s.numbers * sizeof(T) + (double)lines * 4, 10 * s.products);

  p.rung("line", "a warp a query, then a warp a key, each over all of its sentence", [&](const Queue &q) {
    return with_head_size(s.head_size, [&](auto size) {
      const Fault fault = launch(kBackward, query_backward<T, decltype(size)::value>, s.lines(), q.stream, a);
      if (fault != 0) return fault;
      return launch(kBackward, key_backward<T, decltype(size)::value>, s.lines(), q.stream, a);
    });
  });
  const auto arguments = [&](const AttentionPlan &plan) {
    return BackwardArguments<T>{a.batch, a.dropout, a.hidden, a.heads, plan.rows, a.scale,
                                a.qkv,   a.out,     a.d_out,  a.lse,   delta,     a.d_qkv};
  };
  if constexpr (sizeof(T) == 2) {
    p.rung("plain", "tiles of 32 in shared memory: what a warp read is read once for 32 rows", [&](const Queue &q) {
      const AttentionPlan plan = s.plan(shape.dtype(), true);
      return launch_plain_backward(plan, q.stream, arguments(plan));
    });
    if (batch.max_length <= 64) {
      p.rung("streaming", "products on tensor cores, 64 queries or keys a block", [&](const Queue &q) {
        const AttentionPlan plan = s.plan(shape.dtype(), false);
        return launch_stream_backward(plan, q.stream, arguments(plan));
      });
    }
  }
  p.rung("product", "bf16: whole sentences up to 64 tokens, all gradients at once, else streaming; f32: plain",
         [&](const Queue &q) {
           return attention_backward(q, {sizeof(simcse_attention_backward), &batch, shape.dtype(), a.hidden, a.heads,
                                         0, a.qkv, a.out, a.lse, a.d_out, s.dropout, a.d_qkv});
         });
  p.climb();
}

void run(Ladder &ladder, const Shape &shape) {
  if (shape.dtype() == SIMCSE_BF16) {
    run_forward<bf16>(ladder, shape);
    run_backward<bf16>(ladder, shape);
  } else {
    run_forward<float>(ladder, shape);
    run_backward<float>(ladder, shape);
  }
}

const Program kProgram = {
    {"f32 T=50 A=2 D=32 longest=33", "bf16 T=40 A=1 D=64 longest=20 views=2", "bf16 B=2 L=37 A=1 D=32 keep=50",
     "bf16 B=1 L=70 A=1 D=128 keep=100"},
    {"bf16 T=1536 A=12 D=64 views=2", "bf16 T=12288 A=12 D=64 views=2", "bf16 T=12288 A=12 D=64 longest=32 views=2",
     "bf16 B=512 L=32 A=12 D=64 views=2", "bf16 T=12288 A=12 D=32 views=2", "bf16 T=12288 A=16 D=64 views=2",
     "bf16 T=12288 A=6 D=128 views=2", "bf16 B=64 L=128 A=12 D=64 views=2", "bf16 B=64 L=128 A=12 D=32 views=2",
     "bf16 B=16 L=512 A=12 D=64 views=2", "bf16 B=16 L=512 A=6 D=128 views=2", "bf16 B=4 L=2048 A=12 D=64 views=2",
     "bf16 B=1 L=8192 A=12 D=64 views=2", "f32 T=12288 A=12 D=64 views=2"},
    run};

}  // namespace

}  // namespace simcse::cuda::dev

int main(int count, char **arguments) {
  return simcse::cuda::dev::climb(count, arguments, simcse::cuda::dev::kProgram);
}
