// The ladder of pooling: vectors of sentences from (R, H), `mode` as in simcse.h (0 CLS, 1 MEAN, 2 MAX), out in f32.
// Floor: MEAN and MAX read R H activations forward and MEAN reads and writes them backward; CLS (both) and MAX
// (backward) touch E H.
#include "../pooling.hpp"

#include "plain.hpp"
#include "sentences.hpp"

namespace simcse::cuda::dev {

namespace {

constexpr float kWeight = 0.5f;

template <typename T>
struct Plain {
  Batch batch;
  int hidden, mode;
  const T *x;
  float *out;
  int32_t *argmax;
  const float *d_out;
  T *d_x;
};

// A thread a number of `out`.
template <typename T>
SIMT_KERNEL(kPlainThreads) column_forward(Plain<T> a) {
  const int64_t i = plain_index();
  if (i >= (int64_t)a.batch.views * a.batch.sentences * a.hidden) return;
  const int e = (int)(i / a.hidden), c = (int)(i % a.hidden), sentence = e % a.batch.sentences;
  const int first = e / a.batch.sentences * a.batch.tokens + a.batch.cu_seqlens[sentence];
  const int count = a.batch.cu_seqlens[sentence + 1] - a.batch.cu_seqlens[sentence];
  const T *const x = a.x + (int64_t)first * a.hidden + c;
  float pooled = to_float(x[0]);
  int best = 0;
  for (int row = 1; row < count && a.mode != SIMCSE_POOLING_CLS; row++) {
    const float each = to_float(x[(int64_t)row * a.hidden]);
    if (a.mode == SIMCSE_POOLING_MEAN) {
      pooled += each;
    } else if (each > pooled) {
      pooled = each;
      best = row;
    }
  }
  if (a.mode == SIMCSE_POOLING_MEAN) pooled /= (float)count;
  if (a.mode == SIMCSE_POOLING_MAX) a.argmax[i] = first + best;
  a.out[i] = kWeight * pooled;
}

// A thread a number of d_x.
template <typename T>
SIMT_KERNEL(kPlainThreads) element_backward(Plain<T> a) {
  const int64_t i = plain_index();
  if (i >= (int64_t)a.batch.rows() * a.hidden) return;
  const int row = (int)(i / a.hidden), c = (int)(i % a.hidden);
  const RowName name = name_row_alone(a.batch, row);
  const int count = a.batch.cu_seqlens[name.sentence + 1] - a.batch.cu_seqlens[name.sentence];
  const int64_t from = ((int64_t)(row / a.batch.tokens) * a.batch.sentences + name.sentence) * a.hidden + c;
  if (a.mode == SIMCSE_POOLING_CLS && name.position > 0) return;
  if (a.mode == SIMCSE_POOLING_MAX && a.argmax[from] != row) return;
  const float d = kWeight * a.d_out[from] / (a.mode == SIMCSE_POOLING_MEAN ? (float)count : 1.0f);
  a.d_x[i] = from_float<T>(to_float(a.d_x[i]) + d);
}

// All that is expected, to every element.
struct Pooled {
  Doubles out, argmax, d_x;
};

Pooled pooled(const Sentences &s, int mode, int hidden, const Host &x, const Host &d_out, const Host &d_x) {
  Pooled r;
  r.d_x = doubles_of(d_x);
  for (int e = 0; e < s.batch()->views * s.count(); e++) {
    const int first = e / s.count() * s.tokens() + s.first(e % s.count()), count = s.length(e % s.count());
    for (int c = 0; c < hidden; c++) {
      const double d = (double)kWeight * d_out[(int64_t)e * hidden + c];
      int best = first;
      double sum = 0;
      for (int row = first; row < first + count; row++) {
        const double each = x[(int64_t)row * hidden + c];
        sum += each / count;
        if (each > x[(int64_t)best * hidden + c] && mode == SIMCSE_POOLING_MAX) best = row;
        if (mode == SIMCSE_POOLING_MEAN) r.d_x[(size_t)((int64_t)row * hidden + c)] += d / count;
      }
      if (mode != SIMCSE_POOLING_MEAN) r.d_x[(size_t)((int64_t)best * hidden + c)] += d;
      r.out.push_back((double)kWeight * (mode == SIMCSE_POOLING_MEAN ? sum : x[(int64_t)best * hidden + c]));
      r.argmax.push_back(best);
    }
  }
  return r;
}

template <typename T>
void run_direction(Ladder &ladder, const Shape &shape, bool forward) {
  const int hidden = shape.integer("H"), mode = shape.integer("mode");
  Random random(1);
  Problem p(ladder, forward ? "pooling_forward" : "pooling_backward", shape);
  const Sentences s(p, shape, random);
  const int64_t embeddings = (int64_t)s.batch()->views * s.count() * hidden, rows = (int64_t)s.rows() * hidden;
  const Host x = Host::random(shape.type(), rows, random), d_x = Host::random(shape.type(), rows, random);
  const Host d_out = Host::random(Type::f32, embeddings, random);
  const Pooled e = pooled(s, mode, hidden, x, d_out, d_x);
  Plain<T> a = {device_batch(*s.batch()), hidden, mode, nullptr, nullptr, nullptr, nullptr, nullptr};
  const double size = sizeof(T), touched = mode == SIMCSE_POOLING_MEAN ? (double)rows : (double)embeddings;
  if (forward) {
    a.x = p.input<T>(x);
    if (mode == SIMCSE_POOLING_MAX) a.argmax = p.output<int32_t>("argmax", embeddings, {e.argmax, {}});
    a.out = p.output<float>("out", embeddings, {e.out, {}});
    p.floor((mode == SIMCSE_POOLING_CLS ? touched : (double)rows) * size + (double)embeddings * 4, 0);
    p.rung("column", "a thread a sentence and channel", [&](const Queue &q) {
      return launch("pooling_forward", column_forward<T>, plain_geometry(embeddings), q.stream, a);
    });
    p.rung("product", "16 bytes a lane, rows unrolled: more bytes in flight", [&](const Queue &q) {
      return pooling_forward(q, {sizeof(simcse_pooling_forward), s.batch(), shape.dtype(), SIMCSE_F32, hidden, mode, 0,
                                 kWeight, a.x, a.out, a.argmax});
    });
  } else {
    a.d_out = p.input<float>(d_out);
    if (mode == SIMCSE_POOLING_MAX) {
      const std::vector<int32_t> rows_of_max(e.argmax.begin(), e.argmax.end());
      a.argmax = const_cast<int32_t *>(p.input<int32_t>(Host::of(rows_of_max)));
    }
    a.d_x = p.updated<T>("d_x", d_x, {e.d_x, rounded(shape.type(), e.d_x)});
    p.floor(touched * 2 * size + (double)embeddings * 4, 0);
    p.rung("element", "a thread an element of all rows, each with a search for its sentence", [&](const Queue &q) {
      return launch("pooling_backward", element_backward<T>, plain_geometry(rows), q.stream, a);
    });
    p.rung("product", "a warp a sentence: no search, 16 bytes a lane, only rows that change", [&](const Queue &q) {
      return pooling_backward(q, {sizeof(simcse_pooling_backward), s.batch(), shape.dtype(), SIMCSE_F32, hidden, mode,
                                  kWeight, 0, a.d_out, a.argmax, a.d_x});
    });
  }
  p.climb();
}

void run(Ladder &ladder, const Shape &shape) {
  for (const bool forward : {true, false}) {
    if (shape.dtype() == SIMCSE_BF16) {
      run_direction<bf16>(ladder, shape, forward);
    } else {
      run_direction<float>(ladder, shape, forward);
    }
  }
}

const Program kProgram = {
    {"f32 T=9 H=3 mode=0", "bf16 T=50 H=33 mode=1 views=2", "bf16 T=50 H=64 mode=2", "bf16 T=20 H=64 mode=1"},
    {"bf16 T=1536 H=768 mode=0 views=2", "bf16 T=12288 H=768 mode=0 views=2", "bf16 T=12288 H=384 mode=1 views=2",
     "bf16 T=12288 H=768 mode=1 views=2", "bf16 T=65536 H=1024 mode=1", "bf16 T=12288 H=768 mode=2 views=2"},
    run};

}  // namespace

}  // namespace simcse::cuda::dev

int main(int count, char **arguments) {
  return simcse::cuda::dev::climb(count, arguments, simcse::cuda::dev::kProgram);
}
