// The ladder of embedding, forward and backward: T tokens of a vocabulary of V words, whose ids are drawn as words are.
// Floors: forward reads a row of each table a token (positions and the type from the caches: not counted) and writes
// one a view; backward reads d_out and those rows, and reads and writes the rows of d_word that the batch has.
#include "../embedding.hpp"

#include "embedding_reference.hpp"
#include "plain.hpp"

namespace simcse::cuda::dev {

namespace {

constexpr char kForward[] = "embedding_forward", kBackward[] = "embedding_backward";

template <typename T>
struct Plain {
  Batch batch;
  Dropout dropout;
  int hidden, vocabulary;
  const T *word, *position, *type;
  const float *gamma, *beta;
  T *out;
  float *mean, *rstd;
  const T *d_out;
  float *d_word, *d_position, *d_type, *d_gamma, *d_beta;
  float *sums;  // (T, H): of the rows, then of the gradients

  SIMT_DEVICE int id(const RowName &name) const { return batch.ids[batch.starts[name.sentence] + name.position]; }
  SIMT_DEVICE float sum(const RowName &name, int c) const {
    return to_float(word[(int64_t)id(name) * hidden + c]) + to_float(position[(int64_t)name.position * hidden + c]) +
           to_float(type[c]);
  }
  // Of a token under all its views.
  SIMT_DEVICE float gradient(const RowName &name, int token, int c) const {
    float d = 0.0f;
    for (int view = 0; view < batch.views; view++) {
      RowName of_view = name;
      of_view.view += (uint32_t)view;
      const float x = to_float(d_out[((int64_t)view * batch.tokens + token) * hidden + c]);
      if (kept_alone(dropout, of_view, name.position, c)) d = fmaf(x, dropout.scale, d);
    }
    return d;
  }
};

// --- forward ---

template <typename T>
SIMT_KERNEL(kPlainThreads) add_rows(Plain<T> a) {
  const int64_t i = plain_index();
  if (i >= (int64_t)a.batch.tokens * a.hidden) return;
  a.sums[i] = a.sum(name_row_alone(a.batch, (int)(i / a.hidden)), (int)(i % a.hidden));
}

template <typename T>
SIMT_KERNEL(kPlainThreads) statistics(Plain<T> a) {
  const int64_t token = plain_index();
  if (token >= a.batch.tokens) return;
  const float *const x = a.sums + token * a.hidden;
  float mean = 0.0f, squares = 0.0f;
  for (int c = 0; c < a.hidden; c++) mean += x[c];
  mean /= (float)a.hidden;
  for (int c = 0; c < a.hidden; c++) squares = fmaf(x[c] - mean, x[c] - mean, squares);
  a.mean[token] = mean;
  a.rstd[token] = 1.0f / sqrtf(squares / (float)a.hidden + (float)kEmbeddingEpsilon);
}

template <typename T>
SIMT_DEVICE void store_out(const Plain<T> &a, const RowName &name, int64_t i, float y) {
  const int c = (int)(i % a.hidden);
  const float x = fmaf(y, a.gamma[c], a.beta[c]);
  a.out[i] = from_float<T>(kept_alone(a.dropout, name, name.position, c) ? x * a.dropout.scale : 0.0f);
}

template <typename T>
SIMT_KERNEL(kPlainThreads) normalise(Plain<T> a) {
  const int64_t i = plain_index();
  if (i >= (int64_t)a.batch.rows() * a.hidden) return;
  const int row = (int)(i / a.hidden), token = row % a.batch.tokens;
  const float y = (a.sums[(int64_t)token * a.hidden + i % a.hidden] - a.mean[token]) * a.rstd[token];
  store_out(a, name_row_alone(a.batch, row), i, y);
}

template <typename T>
SIMT_KERNEL(kPlainThreads) warp_forward(Plain<T> a) {
  const int64_t row = plain_index() / kWarp;
  if (row >= a.batch.rows()) return;
  const RowName name = name_row(a.batch, (int)row);
  float mean = 0.0f, squares = 0.0f;
  for (int c = lane(); c < a.hidden; c += kWarp) mean += a.sum(name, c);
  mean = warp_sum(mean) / (float)a.hidden;
  for (int c = lane(); c < a.hidden; c += kWarp) {
    const float x = a.sum(name, c) - mean;
    squares = fmaf(x, x, squares);
  }
  const float rstd = 1.0f / sqrtf(warp_sum(squares) / (float)a.hidden + (float)kEmbeddingEpsilon);
  for (int c = lane(); c < a.hidden; c += kWarp) {
    store_out(a, name, row * a.hidden + c, (a.sum(name, c) - mean) * rstd);
  }
  if (lane() > 0 || row >= a.batch.tokens) return;
  a.mean[row] = mean;
  a.rstd[row] = rstd;
}

// --- backward ---

// A warp a token: `sums` becomes the gradient of its sum of rows.
template <typename T>
SIMT_KERNEL(kPlainThreads) token_gradients(Plain<T> a) {
  const int64_t token = plain_index() / kWarp;
  if (token >= a.batch.tokens) return;
  const RowName name = name_row(a.batch, (int)token);
  const float mean = a.mean[token], rstd = a.rstd[token];
  float of_g = 0.0f, of_g_y = 0.0f;
  for (int c = lane(); c < a.hidden; c += kWarp) {
    const float g = a.gradient(name, (int)token, c) * a.gamma[c];
    of_g += g;
    of_g_y = fmaf(g, (a.sum(name, c) - mean) * rstd, of_g_y);
  }
  of_g = warp_sum(of_g) / (float)a.hidden;
  of_g_y = warp_sum(of_g_y) / (float)a.hidden;
  for (int c = lane(); c < a.hidden; c += kWarp) {
    const float g = a.gradient(name, (int)token, c) * a.gamma[c];
    a.sums[token * a.hidden + c] = rstd * (g - of_g - (a.sum(name, c) - mean) * rstd * of_g_y);
  }
}

template <typename T>
SIMT_KERNEL(kPlainThreads) gamma_gradients(Plain<T> a) {
  add_columns(a.batch.tokens, a.hidden, a.d_gamma, [&](int64_t token, int64_t c) {
    const RowName name = name_row_alone(a.batch, (int)token);
    return a.gradient(name, (int)token, (int)c) * ((a.sum(name, (int)c) - a.mean[token]) * a.rstd[token]);
  });
}

template <typename T>
SIMT_KERNEL(kPlainThreads) beta_gradients(Plain<T> a) {
  add_columns(a.batch.tokens, a.hidden, a.d_beta, [&](int64_t token, int64_t c) {
    return a.gradient(name_row_alone(a.batch, (int)token), (int)token, (int)c);
  });
}

template <typename T>
SIMT_KERNEL(kPlainThreads) type_gradients(Plain<T> a) {
  add_columns(a.batch.tokens, a.hidden, a.d_type,
              [&](int64_t token, int64_t c) { return a.sums[token * a.hidden + c]; });
}

// A thread a position and channel.
template <typename T>
SIMT_KERNEL(kPlainThreads) position_gradients(Plain<T> a, int longest) {
  const int64_t i = plain_index();
  if (i >= (int64_t)longest * a.hidden) return;
  const int position = (int)(i / a.hidden);
  float sum = 0.0f;
  for (int b = 0; b < a.batch.sentences; b++) {
    const int token = a.batch.cu_seqlens[b] + position;
    if (token < a.batch.cu_seqlens[b + 1]) sum += a.sums[(int64_t)token * a.hidden + i % a.hidden];
  }
  a.d_position[i] += sum;
}

// A block adds up the rows of `sums` whose tokens have this id, from a token on, in their order.
template <typename T>
SIMT_DEVICE void add_tokens(const Plain<T> &a, const int32_t *ids, int id, int from) {
  SIMT_SHARED(uint32_t, found, kPlainThreads / kWarp);
  for (int first = from; first < a.batch.tokens; first += kPlainThreads) {
    const int token = first + thread();
    const unsigned mine = ballot(token < a.batch.tokens && ids[token] == id);
    if (lane() == 0) found[warp()] = mine;
    sync_block();
    for (int w = 0; w < kPlainThreads / kWarp; w++) {
      for (uint32_t bits = found[w]; bits != 0; bits &= bits - 1) {
        const int row = first + w * kWarp + popcount((bits & (0u - bits)) - 1);
        for (int c = thread(); c < a.hidden; c += kPlainThreads) {
          a.d_word[(int64_t)id * a.hidden + c] += a.sums[(int64_t)row * a.hidden + c];
        }
      }
    }
    sync_block();
  }
}

template <typename T>
SIMT_KERNEL(kPlainThreads) scan_words(Plain<T> a, const int32_t *ids) {
  add_tokens(a, ids, block_x(), 0);
}

// A block a token, of which the first of an id does the work.
template <typename T>
SIMT_KERNEL(kPlainThreads) first_words(Plain<T> a, const int32_t *ids) {
  SIMT_SHARED(int, before, 1);
  const int token = block_x(), id = ids[token];
  if (thread() == 0) before[0] = 0;
  sync_block();
  int earlier = 0;
  for (int other = thread(); other < token; other += kPlainThreads) earlier += ids[other] == id;
  if (earlier > 0) atomic_add(before, earlier);
  sync_block();
  if (before[0] == 0) add_tokens(a, ids, id, token);
}

// --- the ladder ---

template <typename T>
Plain<T> arguments_of(Problem &p, const Shape &shape, const Sentences &s, const simcse_dropout &dropout,
                      const EmbeddingTables &t) {
  Plain<T> a = {};
  a.batch = device_batch(*s.batch());
  a.dropout = device_dropout(dropout);
  a.hidden = shape.integer("H");
  a.vocabulary = shape.integer("V");
  a.word = p.input<T>(t.word);
  a.position = p.input<T>(t.position);
  a.type = p.input<T>(t.type);
  a.gamma = p.input<float>(t.gamma);
  a.beta = p.input<float>(t.beta);
  a.sums = p.scratch<float>((int64_t)s.tokens() * a.hidden);
  return a;
}

template <typename T>
void run_forward(Ladder &ladder, const Shape &shape) {
  Random random(1);
  Problem p(ladder, kForward, shape);
  const Sentences s(p, shape, random);
  const simcse_dropout dropout = dropout_of(shape, random);
  const EmbeddingTables t(shape, s.rows(), random);
  const EmbeddingExpected e = embedding_expected(s, dropout, t);
  Plain<T> a = arguments_of<T>(p, shape, s, dropout, t);
  const int64_t count = (int64_t)s.rows() * a.hidden;
  a.out = p.output<T>("out", count, e.out);
  a.mean = p.output<float>("mean", s.tokens(), e.mean);
  a.rstd = p.output<float>("rstd", s.tokens(), e.rstd);
  p.floor((double)((different_ids(s) * a.hidden + count) * (int64_t)sizeof(T)), 0);
  p.rung("unfused", "a kernel each for the sum of rows, the statistics and the result", [&](const Queue &q) {
    Fault fault = launch(kForward, add_rows<T>, plain_geometry((int64_t)s.tokens() * a.hidden), q.stream, a);
    if (fault == 0) fault = launch(kForward, statistics<T>, plain_geometry(s.tokens()), q.stream, a);
    return fault != 0 ? fault : launch(kForward, normalise<T>, plain_geometry(count), q.stream, a);
  });
  p.rung("warp", "one kernel, a warp a row: the sum is made again instead of passing memory", [&](const Queue &q) {
    return launch(kForward, warp_forward<T>, plain_geometry((int64_t)s.rows() * kWarp), q.stream, a);
  });
  p.rung("product", "a warp a token for all its views, its sum in registers, 16 bytes a lane", [&](const Queue &q) {
    const simcse_layer_norm norm = {a.gamma, a.beta, (float)kEmbeddingEpsilon, 0};
    return embedding_forward(q, {sizeof(simcse_embedding_forward), s.batch(), shape.dtype(), a.hidden, a.vocabulary,
                                 kPositions, a.word, a.position, a.type, norm, dropout, a.out, a.mean, a.rstd});
  });
  p.climb();
}

template <typename T>
void run_backward(Ladder &ladder, const Shape &shape) {
  Random random(1);
  Problem p(ladder, kBackward, shape);
  const Sentences s(p, shape, random);
  const simcse_dropout dropout = dropout_of(shape, random);
  const EmbeddingTables t(shape, s.rows(), random);
  const EmbeddingExpected e = embedding_expected(s, dropout, t);
  Plain<T> a = arguments_of<T>(p, shape, s, dropout, t);
  const float *const mean = p.input<float>(e.mean_values), *const rstd = p.input<float>(e.rstd_values);
  a.mean = const_cast<float *>(mean);
  a.rstd = const_cast<float *>(rstd);
  a.d_out = p.input<T>(t.d_out);
  std::vector<int32_t> token_ids;
  for (int token = 0; token < s.tokens(); token++) token_ids.push_back(s.id(token));
  const int32_t *const ids = p.input<int32_t>(Host::of(token_ids));
  const auto gradient = [&](const char *name, int64_t count, const Expected &expected) {
    return p.updated<float>(name, Host::of(std::vector<float>((size_t)count)), expected);
  };
  a.d_word = gradient("d_word", t.word.count(), e.d_word);
  a.d_position = gradient("d_position", t.position.count(), e.d_position);
  a.d_type = gradient("d_type", a.hidden, e.d_type);
  a.d_gamma = gradient("d_gamma", a.hidden, e.d_gamma);
  a.d_beta = gradient("d_beta", a.hidden, e.d_beta);
  p.queue_scratch(embedding_backward_scratch(*s.batch(), a.hidden, a.vocabulary));
  p.floor((double)(s.rows() + different_ids(s)) * a.hidden * sizeof(T) + (double)different_ids(s) * a.hidden * 8, 0);

  const auto all_but_words = [&](const Queue &q) {
    const Geometry columns = blocks_geometry(ceil_divide(a.hidden, kWarp), kPlainThreads);
    const int longest = s.batch()->max_length;
    Fault fault = launch(kBackward, token_gradients<T>, plain_geometry((int64_t)s.tokens() * kWarp), q.stream, a);
    if (fault == 0) fault = launch(kBackward, gamma_gradients<T>, columns, q.stream, a);
    if (fault == 0) fault = launch(kBackward, beta_gradients<T>, columns, q.stream, a);
    if (fault == 0) fault = launch(kBackward, type_gradients<T>, columns, q.stream, a);
    if (fault != 0) return fault;
    return launch(kBackward, position_gradients<T>, plain_geometry((int64_t)longest * a.hidden), q.stream, a, longest);
  };
  p.rung("scan", "a block a word of the vocabulary, which reads the ids of all tokens", [&](const Queue &q) {
    const Fault fault = all_but_words(q);
    if (fault != 0) return fault;
    return launch(kBackward, scan_words<T>, blocks_geometry(a.vocabulary, kPlainThreads), q.stream, a, ids);
  });
  p.rung("first", "a block a token, of which that of a word's first reads on", [&](const Queue &q) {
    const Fault fault = all_but_words(q);
    if (fault != 0) return fault;
    return launch(kBackward, first_words<T>, blocks_geometry(s.tokens(), kPlainThreads), q.stream, a, ids);
  });
  p.rung("product", "tokens sorted by id in blocks; other sums shared by many blocks, or made on the way",
         [&](const Queue &q) {
           const simcse_layer_norm norm = {a.gamma, a.beta, (float)kEmbeddingEpsilon, 0};
           return embedding_backward(
               q, {sizeof(simcse_embedding_backward), s.batch(), shape.dtype(), a.hidden, a.vocabulary, kPositions,
                   a.word, a.position, a.type, norm, dropout, mean, rstd, a.d_out, a.d_word, a.d_position, a.d_type,
                   a.d_gamma, a.d_beta});
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

const Program kProgram = {{"f32 T=9 H=31 V=5", "bf16 T=40 H=136 V=50 views=2"},
                          {"bf16 T=1536 H=768 V=30522 views=2", "bf16 T=12288 H=384 V=30522 views=2",
                           "bf16 T=12288 H=768 V=30522 views=2", "bf16 T=12288 H=1024 V=30522 views=2",
                           "bf16 T=65536 H=768 V=30522", "f32 T=12288 H=768 V=30522 views=2"},
                          run};

}  // namespace

}  // namespace simcse::cuda::dev

int main(int count, char **arguments) {
  return simcse::cuda::dev::climb(count, arguments, simcse::cuda::dev::kProgram);
}
