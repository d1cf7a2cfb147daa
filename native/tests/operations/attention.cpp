// attention_forward and attention_backward, against attention with all its probabilities at hand.
#include <cmath>
#include <type_traits>

#include "batch.hpp"

namespace simcse_test {
namespace {

struct Shape {
  BatchShape batch;
  int heads;
  int head_size;
  float keep_prob;
  bool outliers;
};

// Attention over the rows of one sentence under one view, for one head. In float, weights and gradients of scores are
// rounded to `type`, as all that a product of that type takes.
template <typename Real> class Head {
 public:
  Head(const Numbers &qkv, const Batch &batch, const Masks &masks, const Shape &s, Type type, int view,
       std::size_t sentence, int head)
      : type_(type), size_(s.head_size), length_(batch.lengths[sentence]), hidden_(s.heads * s.head_size),
        first_(batch.row(view, sentence, 0)), head_(head) {
    qkv_.assign(qkv.begin() + first_ * 3 * hidden_, qkv.begin() + (first_ + length_) * 3 * hidden_);
    score_.resize(static_cast<std::size_t>(length_) * length_);
    keep_.resize(score_.size());
    for (int i = 0; i < length_; i++) {
      Real most = -INFINITY, sum = 0;
      for (int j = 0; j < length_; j++) {
        Real dot = 0;
        for (int d = 0; d < size_; d++) dot += at(i, 0, d) * at(j, 1, d);
        score_[i * length_ + j] = dot / std::sqrt(static_cast<Real>(size_));
        keep_[i * length_ + j] = static_cast<Real>(masks.attention(view, sentence, head, i, j));
        most = std::fmax(most, score_[i * length_ + j]);
      }
      for (int j = 0; j < length_; j++) sum += std::exp(score_[i * length_ + j] - most);
      lse_.push_back(most + std::log(sum));
    }
  }

  void forward(Numbers *out, Numbers *lse, int heads) const {
    for (int i = 0; i < length_; i++) {
      (*lse)[(first_ + i) * heads + head_] = lse_[i];
      for (int d = 0; d < size_; d++) {
        Real sum = 0;
        for (int j = 0; j < length_; j++) sum += operand(weight(i, j)) * keep_[i * length_ + j] * at(j, 2, d);
        (*out)[(first_ + i) * hidden_ + head_ * size_ + d] = sum;
      }
    }
  }

  // From the output and log-sum-exp that were kept.
  void backward(const Numbers &out, const Numbers &lse, int heads, const Numbers &d_out, Numbers *d_qkv) {
    for (int i = 0; i < length_; i++) lse_[i] = static_cast<Real>(lse[(first_ + i) * heads + head_]);
    std::vector<Real> gradient(qkv_.size(), Real(0));
    for (int i = 0; i < length_; i++) {
      Real delta = 0;
      const double *o = &out[(first_ + i) * hidden_ + head_ * size_];
      const double *u = &d_out[(first_ + i) * hidden_ + head_ * size_];
      for (int d = 0; d < size_; d++) delta += static_cast<Real>(u[d]) * static_cast<Real>(o[d]);
      for (int j = 0; j < length_; j++) {
        Real keep = keep_[i * length_ + j], d_weight = 0;
        for (int d = 0; d < size_; d++) d_weight += static_cast<Real>(u[d]) * at(j, 2, d);
        Real d_score = operand(weight(i, j) * (keep * d_weight - delta)) / std::sqrt(static_cast<Real>(size_));
        Real weight_as_stored = operand(weight(i, j));
        for (int d = 0; d < size_; d++) {
          gradient[place(i, 0, d)] += d_score * at(j, 1, d);
          gradient[place(j, 1, d)] += d_score * at(i, 0, d);
          gradient[place(j, 2, d)] += weight_as_stored * keep * static_cast<Real>(u[d]);
        }
      }
    }
    for (int i = 0; i < length_; i++) {
      for (int part = 0; part < 3; part++) {
        for (int d = 0; d < size_; d++) {
          (*d_qkv)[first_ * 3 * hidden_ + place(i, part, d)] = gradient[place(i, part, d)];
        }
      }
    }
  }

 private:
  std::size_t place(int row, int part, int d) const {
    return static_cast<std::size_t>((row * 3 + part) * hidden_ + head_ * size_ + d);
  }
  Real at(int row, int part, int d) const { return qkv_[place(row, part, d)]; }
  Real weight(int i, int j) const { return std::exp(score_[i * length_ + j] - lse_[i]); }
  Real operand(Real x) const {
    return std::is_same_v<Real, float> ? static_cast<Real>(rounded(type_, static_cast<double>(x))) : x;
  }

  Type type_;
  int size_, length_, hidden_;
  int64_t first_;
  int head_;
  std::vector<Real> qkv_, score_, keep_, lse_;
};

struct Result {
  Numbers out;
  Numbers lse;
  Numbers d_qkv;
};

// The truth is the gradient itself; the plain loop gets what the operation gets, the true output and log-sum-exp as
// they are kept in their types.
template <typename Real>
Result reference(const Numbers &qkv, const Batch &batch, const Masks &masks, const Shape &s, const Numbers &d_out,
                 Type type, const Result *truth) {
  Result r;
  r.out.resize(qkv.size() / 3);
  r.lse.resize(static_cast<std::size_t>(batch.rows() * s.heads));
  r.d_qkv.resize(d_out.empty() ? 0 : qkv.size());
  for (int v = 0; v < batch.views; v++) {
    for (std::size_t b = 0; b < batch.lengths.size(); b++) {
      for (int head = 0; head < s.heads; head++) {
        Head<Real> attention(qkv, batch, masks, s, type, v, b, head);
        attention.forward(&r.out, &r.lse, s.heads);
        if (d_out.empty()) continue;
        if (truth == nullptr) {
          attention.backward(r.out, r.lse, s.heads, d_out, &r.d_qkv);
        } else {
          attention.backward(rounded(type, truth->out), rounded(Type::kF32, truth->lse), s.heads, d_out, &r.d_qkv);
        }
      }
    }
  }
  return r;
}

Numbers random_qkv(Case &c, Type type, const Batch &batch, const Shape &s) {
  int hidden = s.heads * s.head_size;
  Numbers qkv = c.random.normals(type, batch.rows() * 3 * hidden);
  // The first token of a batch, as BERT's [CLS], draws nearly all attention of some queries and none of others.
  for (std::size_t i = 0; s.outliers && i < static_cast<std::size_t>(2 * hidden); i++) {
    qkv[i] = rounded(type, 8 * qkv[i]);
  }
  return qkv;
}

std::string label(const char *operation, Type type, const Batch &batch, const Shape &s) {
  return format("%s %s, %d heads of %d, keep_prob %g%s, %s", operation, name(type), s.heads, s.head_size,
                static_cast<double>(s.keep_prob), s.outliers ? ", outliers" : "", batch.label().c_str());
}

void check_forward(Suite &suite, Type type, const Shape &s, bool keeps_lse) {
  Case c(suite, "");
  Batch batch(c.random, s.batch.lengths, s.batch.views, s.batch.first_view);
  c.use(batch);
  c.outliers = s.outliers;
  c.rename(label("attention_forward", type, batch, s) + (keeps_lse ? "" : ", no lse"));
  simcse_dropout dropout = dropout_of(c.random, s.keep_prob);
  Numbers qkv = random_qkv(c, type, batch, s);
  int hidden = s.heads * s.head_size;
  Operand &in = c.input("qkv", type, qkv), &out = c.output("out", type, batch.rows() * hidden);
  Operand *lse = keeps_lse ? &c.output("lse", Type::kF32, batch.rows() * s.heads) : nullptr;
  c.run([&](const simcse_api &api, simcse_device *device) {
    simcse_attention_forward a = {};
    a.batch = c.batch();
    a.dtype = dtype(type);
    a.hidden = hidden;
    a.heads = s.heads;
    a.qkv = in;
    a.dropout = dropout;
    a.out = out;
    if (lse != nullptr) a.lse = *lse;
    return api.attention_forward(device, nullptr, c.arguments(a));
  });
  Masks masks(batch, dropout);
  Result want = reference<double>(qkv, batch, masks, s, {}, type, nullptr);
  Result plain = reference<float>(qkv, batch, masks, s, {}, type, &want);
  c.expect(out, want.out, plain.out);
  if (lse != nullptr) c.expect(*lse, want.lse, plain.lse, 1);
}

void check_backward(Suite &suite, Type type, const Shape &s) {
  Case c(suite, "");
  Batch batch(c.random, s.batch.lengths, s.batch.views, s.batch.first_view);
  c.use(batch);
  c.outliers = s.outliers;
  c.rename(label("attention_backward", type, batch, s));
  simcse_dropout dropout = dropout_of(c.random, s.keep_prob);
  Numbers qkv = random_qkv(c, type, batch, s);
  int hidden = s.heads * s.head_size;
  Numbers upstream = c.random.normals(type, batch.rows() * hidden);
  Masks masks(batch, dropout);
  Result want = reference<double>(qkv, batch, masks, s, upstream, type, nullptr);
  Result plain = reference<float>(qkv, batch, masks, s, upstream, type, &want);
  Operand &in = c.input("qkv", type, qkv), &out = c.input("out", type, rounded(type, want.out));
  Operand &lse = c.input("lse", Type::kF32, want.lse), &d_out = c.input("d_out", type, upstream);
  Operand &d_qkv = c.output("d_qkv", type, batch.rows() * 3 * hidden);
  c.run([&](const simcse_api &api, simcse_device *device) {
    simcse_attention_backward a = {};
    a.batch = c.batch();
    a.dtype = dtype(type);
    a.hidden = hidden;
    a.heads = s.heads;
    a.qkv = in;
    a.out = out;
    a.lse = lse;
    a.d_out = d_out;
    a.dropout = dropout;
    a.d_qkv = d_qkv;
    return api.attention_backward(device, nullptr, c.arguments(a));
  });
  c.expect(d_qkv, want.d_qkv, plain.d_qkv);
}

}  // namespace

void test_attention(Suite &suite) {
  std::vector<Shape> shapes;
  for (int head_size : {1, 2, 5, 16, 31, 32, 33, 64, 80}) {
    for (const BatchShape &batch : batch_shapes()) {
      int turn = static_cast<int>(shapes.size());
      shapes.push_back({batch, 1 + turn % 3, head_size, turn % 3 == 0 ? 1.0f : turn % 3 == 1 ? 0.9f : 0.4f, false});
    }
  }
  for (int head_size : {8, 33, 64}) {
    shapes.push_back({{{130, 1, 67}, 1, 0}, 2, head_size, 0.9f, false});
    shapes.push_back({{{9, 33, 2}, 2, 0}, 2, head_size, 0.9f, true});
  }
  shapes.push_back({{{513}, 1, 0}, 1, 32, 0.9f, false});
  shapes.push_back({{{257, 300}, 1, 2}, 1, 64, 1.0f, false});
  int turn = 0;
  for (Type type : kFloats) {
    for (const Shape &s : shapes) {
      check_forward(suite, type, s, turn++ % 4 != 3);
      check_backward(suite, type, s);
    }
  }
}

}  // namespace simcse_test
