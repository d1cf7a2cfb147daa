// pooling_forward and pooling_backward.
#include <cmath>

#include "batch.hpp"

namespace simcse_test {
namespace {

struct Shape {
  const BatchShape &batch;
  int hidden;
  simcse_pooling_mode mode;
  Type type;
  Type out_type;
  float weight;
  bool accumulate;
};

std::string label(const char *operation, const Batch &batch, const Shape &s) {
  static const char *const kModes[] = {"cls", "mean", "max"};
  return format("%s %s, %s %s, hidden %d, weight %g%s, %s", operation, kModes[s.mode], name(s.type), name(s.out_type),
                s.hidden, static_cast<double>(s.weight), s.accumulate ? ", accumulates" : "", batch.label().c_str());
}

template <typename Real>
Numbers forward(const Batch &batch, const Shape &s, const Numbers &x, const Numbers &before, Numbers *argmax) {
  Numbers out;
  argmax->clear();
  for (int v = 0; v < batch.views; v++) {
    for (std::size_t b = 0; b < batch.lengths.size(); b++) {
      int64_t first = batch.row(v, b, 0);
      for (int h = 0; h < s.hidden; h++) {
        Real sum = 0, most = static_cast<Real>(x[first * s.hidden + h]);
        int64_t best = first;
        for (int64_t row = first; row < first + batch.lengths[b]; row++) {
          Real value = static_cast<Real>(x[row * s.hidden + h]);
          sum += value;
          if (value > most) {
            most = value;
            best = row;
          }
        }
        Real pooled = s.mode == SIMCSE_POOLING_CLS    ? static_cast<Real>(x[first * s.hidden + h])
                      : s.mode == SIMCSE_POOLING_MEAN ? sum / static_cast<Real>(batch.lengths[b])
                                                      : most;
        argmax->push_back(static_cast<double>(best));
        Real old = s.accumulate ? static_cast<Real>(before[out.size()]) : Real(0);
        out.push_back(old + static_cast<Real>(s.weight) * pooled);
      }
    }
  }
  return out;
}

void check_forward(Suite &suite, const Shape &s) {
  Case c(suite, "");
  Batch batch(c.random, s.batch.lengths, s.batch.views, s.batch.first_view);
  c.use(batch);
  c.rename(label("pooling_forward", batch, s));
  int64_t count = batch.embeddings() * s.hidden;
  Numbers x = c.random.normals(s.type, batch.rows() * s.hidden);
  // Equal values: the first row is the one that counts.
  for (double &value : x) value = s.mode == SIMCSE_POOLING_MAX ? std::round(value) : value;
  Numbers before = c.random.normals(s.out_type, count), argmax;
  Operand &in = c.input("x", s.type, x);
  Operand &out = s.accumulate ? c.updated("out", s.out_type, before) : c.output("out", s.out_type, count);
  Operand *rows = s.mode == SIMCSE_POOLING_MAX ? &c.output("argmax", Type::kI32, count) : nullptr;
  c.run([&](const simcse_api &api, simcse_device *device) {
    simcse_pooling_forward a = {};
    a.batch = c.batch();
    a.dtype = dtype(s.type);
    a.out_dtype = dtype(s.out_type);
    a.hidden = s.hidden;
    a.mode = s.mode;
    a.accumulate = s.accumulate;
    a.weight = s.weight;
    a.x = in;
    a.out = out;
    if (rows != nullptr) a.argmax = *rows;
    return api.pooling_forward(device, nullptr, c.arguments(a));
  });
  Numbers plain = forward<float>(batch, s, x, before, &argmax), want = forward<double>(batch, s, x, before, &argmax);
  c.expect(out, want, plain);
  if (rows != nullptr) c.expect_bits(*rows, encoded(Type::kI32, argmax));
}

template <typename Real>
Numbers backward(const Batch &batch, const Shape &s, const Numbers &d_out, const Numbers &argmax, Numbers d_x) {
  std::size_t i = 0;
  for (int v = 0; v < batch.views; v++) {
    for (std::size_t b = 0; b < batch.lengths.size(); b++) {
      int64_t first = batch.row(v, b, 0);
      for (int h = 0; h < s.hidden; h++, i++) {
        Real d = static_cast<Real>(s.weight) * static_cast<Real>(d_out[i]);
        int64_t from = s.mode == SIMCSE_POOLING_MAX ? static_cast<int64_t>(argmax[i]) : first;
        int64_t end = s.mode == SIMCSE_POOLING_MEAN ? first + batch.lengths[b] : from + 1;
        if (s.mode == SIMCSE_POOLING_MEAN) d /= static_cast<Real>(batch.lengths[b]);
        for (int64_t row = from; row < end; row++) {
          double &value = d_x[row * s.hidden + h];
          value = static_cast<Real>(value) + d;
        }
      }
    }
  }
  return d_x;
}

void check_backward(Suite &suite, const Shape &s) {
  Case c(suite, "");
  Batch batch(c.random, s.batch.lengths, s.batch.views, s.batch.first_view);
  c.use(batch);
  c.rename(label("pooling_backward", batch, s));
  int64_t count = batch.embeddings() * s.hidden;
  Numbers upstream = c.random.normals(s.out_type, count), argmax;
  forward<double>(batch, s, c.random.normals(s.type, batch.rows() * s.hidden), Numbers(upstream.size(), 0.0), &argmax);
  Numbers before = c.random.normals(s.type, batch.rows() * s.hidden);
  Operand &d_out = c.input("d_out", s.out_type, upstream), &d_x = c.updated("d_x", s.type, before);
  Operand *rows = s.mode == SIMCSE_POOLING_MAX ? &c.input("argmax", Type::kI32, argmax) : nullptr;
  c.run([&](const simcse_api &api, simcse_device *device) {
    simcse_pooling_backward a = {};
    a.batch = c.batch();
    a.dtype = dtype(s.type);
    a.out_dtype = dtype(s.out_type);
    a.hidden = s.hidden;
    a.mode = s.mode;
    a.weight = s.weight;
    a.d_out = d_out;
    if (rows != nullptr) a.argmax = *rows;
    a.d_x = d_x;
    return api.pooling_backward(device, nullptr, c.arguments(a));
  });
  c.expect(d_x, backward<double>(batch, s, upstream, argmax, before),
           backward<float>(batch, s, upstream, argmax, before));
}

}  // namespace

void test_pooling(Suite &suite) {
  int turn = 0;
  for (int types = 0; types < 3; types++) {
    Type type = types == 0 ? Type::kF32 : Type::kBf16, out_type = types == 2 ? Type::kBf16 : Type::kF32;
    for (simcse_pooling_mode mode = SIMCSE_POOLING_CLS; mode <= SIMCSE_POOLING_MAX; mode++) {
      for (int hidden : {1, 5, 16, 31, 32, 33, 130}) {
        for (const BatchShape &batch : batch_shapes()) {
          Shape s = {batch, hidden, mode, type, out_type, turn % 3 == 0 ? 1.0f : 0.37f, turn % 2 == 1};
          turn++;
          check_forward(suite, s);
          check_backward(suite, s);
        }
      }
    }
  }
}

}  // namespace simcse_test
