// dropout_mask, bit for bit.
#include "batch.hpp"

namespace simcse_test {
namespace {

void check(Suite &suite, const BatchShape &shape, int channels, float keep_prob) {
  Case c(suite, "");
  Batch batch(c.random, shape.lengths, shape.views, shape.first_view);
  c.use(batch);
  c.rename(format("dropout_mask, %d channels, keep_prob %g, %s", channels, static_cast<double>(keep_prob),
                  batch.label().c_str()));
  simcse_dropout dropout = dropout_of(c.random, keep_prob);
  Operand &mask = c.output("mask", Type::kU8, batch.rows() * channels);
  c.run([&](const simcse_api &api, simcse_device *device) {
    simcse_dropout_mask a = {};
    a.batch = c.batch();
    a.channels = channels;
    a.dropout = dropout;
    a.mask = mask;
    return api.dropout_mask(device, nullptr, c.arguments(a));
  });
  Bytes want;
  for (double factor : Masks(batch, dropout).hidden(channels)) want.push_back(factor > 0 ? 1 : 0);
  c.expect_bits(mask, want);
}

}  // namespace

void test_masks(Suite &suite) {
  for (const BatchShape &shape : batch_shapes()) {
    for (int channels : {1, 3, 4, 5, 31, 32, 33, 130}) {
      for (float keep_prob : {1.0f, 0.9f, 0.5f, 1e-3f, 1e-30f, 0.99999994f}) check(suite, shape, channels, keep_prob);
    }
  }
}

}  // namespace simcse_test
