// embedding_forward and embedding_backward.
#include "batch.hpp"
#include "layer_norm.hpp"

namespace simcse_test {
namespace {

struct Shape {
  const BatchShape &batch;
  int hidden;
  int vocabulary;
  float keep_prob;
};

struct Tables {
  int vocabulary;
  int positions;
  int hidden;
  Numbers word;
  Numbers position;
  Numbers type;
};

Tables tables_of(Case &c, Type type, const Batch &batch, const Shape &s, int spare_positions) {
  Tables t;
  t.vocabulary = s.vocabulary;
  t.positions = batch.max_length() + spare_positions;
  t.hidden = s.hidden;
  t.word = c.random.normals(type, int64_t{t.vocabulary} * s.hidden);
  t.position = c.random.normals(type, int64_t{t.positions} * s.hidden);
  t.type = c.random.normals(type, s.hidden);
  return t;
}

// word[id] + position[p] + type (T, H)
template <typename Real> Numbers look_up(const Batch &batch, const Tables &t) {
  Numbers sum;
  for (std::size_t b = 0; b < batch.lengths.size(); b++) {
    for (int p = 0; p < batch.lengths[b]; p++) {
      for (int h = 0; h < t.hidden; h++) {
        Real word = static_cast<Real>(t.word[batch.id(b, p) * t.hidden + h]);
        sum.push_back(word + static_cast<Real>(t.position[p * t.hidden + h]) + static_cast<Real>(t.type[h]));
      }
    }
  }
  return sum;
}

template <typename Real>
Numbers forward(const Numbers &sum, const Statistics &statistics, const Norm &norm, const Numbers &keep) {
  Numbers row = normalise<Real>(sum, statistics, norm), out;
  for (std::size_t i = 0; i < keep.size(); i++) {
    out.push_back(static_cast<Real>(keep[i]) * static_cast<Real>(row[i % row.size()]));
  }
  return out;
}

std::string label(const char *operation, Type type, const Batch &batch, const Shape &s) {
  return format("%s %s, hidden %d, vocabulary %d, keep_prob %g, %s", operation, name(type), s.hidden, s.vocabulary,
                static_cast<double>(s.keep_prob), batch.label().c_str());
}

void check_forward(Suite &suite, Type type, const Shape &s) {
  Case c(suite, "");
  Batch batch(c.random, s.batch.lengths, s.batch.views, s.batch.first_view, s.vocabulary);
  c.use(batch);
  c.rename(label("embedding_forward", type, batch, s));
  Tables t = tables_of(c, type, batch, s, 0);
  Norm norm = norm_of(c.random, s.hidden, s.hidden < 3 ? 1.0f : 1e-12f);
  simcse_dropout dropout = dropout_of(c.random, s.keep_prob);
  Operand &word = c.input("word", type, t.word), &position = c.input("position", type, t.position);
  Operand &type_row = c.input("type", type, t.type);
  Operand &gamma = c.input("gamma", Type::kF32, norm.gamma), &beta = c.input("beta", Type::kF32, norm.beta);
  Operand &out = c.output("out", type, batch.rows() * s.hidden);
  Operand &mean = c.output("mean", Type::kF32, batch.tokens()), &rstd = c.output("rstd", Type::kF32, batch.tokens());
  c.run([&](const simcse_api &api, simcse_device *device) {
    simcse_embedding_forward a = {};
    a.batch = c.batch();
    a.dtype = dtype(type);
    a.hidden = s.hidden;
    a.vocabulary = t.vocabulary;
    a.positions = t.positions;
    a.word = word;
    a.position = position;
    a.type = type_row;
    a.norm = {gamma, beta, norm.epsilon, 0};
    a.dropout = dropout;
    a.out = out;
    a.mean = mean;
    a.rstd = rstd;
    return api.embedding_forward(device, nullptr, c.arguments(a));
  });
  Numbers keep = Masks(batch, dropout).hidden(s.hidden);
  Numbers sum = look_up<double>(batch, t), plain_sum = look_up<float>(batch, t);
  Statistics truth = measure<double>(sum, norm), loop = measure<float>(plain_sum, norm);
  c.expect(mean, truth.mean, loop.mean, 0.1);
  c.expect(rstd, truth.rstd, loop.rstd);
  c.expect(out, forward<double>(sum, truth, norm, keep), forward<float>(plain_sum, loop, norm, keep));
}

struct TableGradients {
  Numbers word;
  Numbers position;
  Numbers type;
  Gradients norm;
};

template <typename Real>
TableGradients backward(const Batch &batch, const Tables &t, const Statistics &kept, const Norm &norm,
                        const Numbers &keep, const Numbers &d_out, TableGradients before) {
  // As float, which the kept mean belongs to: with few channels the two cancel.
  Numbers sum = rounded(Type::kF32, look_up<Real>(batch, t));
  std::vector<Real> d(sum.size(), Real(0));
  for (std::size_t i = 0; i < keep.size(); i++) {
    d[i % d.size()] += static_cast<Real>(keep[i]) * static_cast<Real>(d_out[i]);
  }
  before.norm = gradients<Real>(Numbers(d.begin(), d.end()), sum, kept, norm, before.norm.d_gamma, before.norm.d_beta);
  auto add = [&](Numbers *table, int64_t row, int64_t token) {
    for (int h = 0; h < t.hidden; h++) {
      double &value = (*table)[row * t.hidden + h];
      value = static_cast<Real>(value) + static_cast<Real>(before.norm.d_sum[token * t.hidden + h]);
    }
  };
  for (std::size_t b = 0; b < batch.lengths.size(); b++) {
    for (int p = 0; p < batch.lengths[b]; p++) {
      int64_t token = batch.row(0, b, p);
      add(&before.word, batch.id(b, p), token);
      add(&before.position, p, token);
      add(&before.type, 0, token);
    }
  }
  return before;
}

void check_backward(Suite &suite, Type type, const Shape &s) {
  Case c(suite, "");
  Batch batch(c.random, s.batch.lengths, s.batch.views, s.batch.first_view, s.vocabulary);
  c.use(batch);
  c.rename(label("embedding_backward", type, batch, s));
  Tables t = tables_of(c, type, batch, s, 2);
  Norm norm = norm_of(c.random, s.hidden, s.hidden < 3 ? 1.0f : 1e-12f);
  Statistics kept = measure<double>(rounded(Type::kF32, look_up<double>(batch, t)), norm).as_kept();
  simcse_dropout dropout = dropout_of(c.random, s.keep_prob);
  Numbers upstream = c.random.normals(type, batch.rows() * s.hidden);
  TableGradients before;
  before.word = c.random.normals(Type::kF32, static_cast<int64_t>(t.word.size()));
  before.position = c.random.normals(Type::kF32, static_cast<int64_t>(t.position.size()));
  before.type = c.random.normals(Type::kF32, s.hidden);
  before.norm.d_gamma = c.random.normals(Type::kF32, s.hidden);
  before.norm.d_beta = c.random.normals(Type::kF32, s.hidden);

  Operand &word = c.input("word", type, t.word), &position = c.input("position", type, t.position);
  Operand &type_row = c.input("type", type, t.type);
  Operand &gamma = c.input("gamma", Type::kF32, norm.gamma), &beta = c.input("beta", Type::kF32, norm.beta);
  Operand &mean = c.input("mean", Type::kF32, kept.mean), &rstd = c.input("rstd", Type::kF32, kept.rstd);
  Operand &d_out = c.input("d_out", type, upstream);
  Operand &d_word = c.updated("d_word", Type::kF32, before.word);
  Operand &d_position = c.updated("d_position", Type::kF32, before.position);
  Operand &d_type = c.updated("d_type", Type::kF32, before.type);
  Operand &d_gamma = c.updated("d_gamma", Type::kF32, before.norm.d_gamma);
  Operand &d_beta = c.updated("d_beta", Type::kF32, before.norm.d_beta);
  c.run([&](const simcse_api &api, simcse_device *device) {
    simcse_embedding_backward a = {};
    a.batch = c.batch();
    a.dtype = dtype(type);
    a.hidden = s.hidden;
    a.vocabulary = t.vocabulary;
    a.positions = t.positions;
    a.word = word;
    a.position = position;
    a.type = type_row;
    a.norm = {gamma, beta, norm.epsilon, 0};
    a.dropout = dropout;
    a.mean = mean;
    a.rstd = rstd;
    a.d_out = d_out;
    a.d_word = d_word;
    a.d_position = d_position;
    a.d_type = d_type;
    a.d_gamma = d_gamma;
    a.d_beta = d_beta;
    return api.embedding_backward(device, nullptr, c.arguments(a));
  });
  Numbers keep = Masks(batch, dropout).hidden(s.hidden);
  TableGradients want = backward<double>(batch, t, kept, norm, keep, upstream, before);
  TableGradients plain = backward<float>(batch, t, kept, norm, keep, upstream, before);
  // What is added, and what it is added to, has numbers of size 1, which may cancel.
  c.expect(d_word, want.word, plain.word, 1);
  c.expect(d_position, want.position, plain.position, 1);
  c.expect(d_type, want.type, plain.type, 1);
  c.expect(d_gamma, want.norm.d_gamma, plain.norm.d_gamma, 1);
  c.expect(d_beta, want.norm.d_beta, plain.norm.d_beta, 1);
}

}  // namespace

void test_embedding(Suite &suite) {
  int turn = 0;
  for (Type type : kFloats) {
    for (int hidden : {1, 2, 5, 16, 31, 32, 33, 130, 771}) {
      for (const BatchShape &batch : batch_shapes()) {
        // Small vocabularies repeat ids often, within a sentence and across.
        Shape s = {batch, hidden, turn % 2 == 0 ? 5 : 97, turn % 3 == 0 ? 1.0f : 0.9f};
        turn++;
        check_forward(suite, type, s);
        check_backward(suite, type, s);
      }
    }
  }
}

}  // namespace simcse_test
