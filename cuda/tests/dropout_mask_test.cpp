// Masks against the definition of their counters, bit by bit.
#include "../dropout_mask.hpp"

#include "../philox.hpp"
#include "check.hpp"

namespace simcse::cuda::tests {

namespace {

simcse_dropout dropout_of(Random &random, float keep_prob) {
  return {random.next(), random.next(), random.between(0, (1 << 24) - 1), keep_prob};
}

SIMCSE_TEST(philox_known_answers) {  // Random123, kat_vectors
  const uint32_t cases[3][10] = {
      {0, 0, 0, 0, 0, 0, 0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u},
      {~0u, ~0u, ~0u, ~0u, ~0u, ~0u, 0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu},
      {0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u, 0xa4093822u, 0x299f31d0u, 0xd16cfe09u, 0x94fdccebu,
       0x5001e420u, 0x24126ea1u}};
  for (const auto &each : cases) {
    uint32_t c[4] = {each[0], each[1], each[2], each[3]};
    philox(c, device_dropout({each[4], each[5], 0, 0.5f}).keys);
    for (int i = 0; i < 4; i++) CHECK(c[i] == each[6 + i], "word %d is %08x, not %08x", i, c[i], each[6 + i]);
  }
}

SIMCSE_TEST(dropout_threshold) {
  for (const float keep_prob : {0.9f, 0.5f, 1e-20f, 0.99999994f, 1.0f}) {
    const Dropout it = device_dropout({1, 2, 3, keep_prob});
    CHECK(it.active == (keep_prob < 1), "%g", static_cast<double>(keep_prob));
    if (it.active) CHECK(it.threshold == std::ceil(keep_prob * 4294967296.0), "%g", static_cast<double>(keep_prob));
  }
}

void check_hidden(int seed, int sentences, int longest, int channels, float keep_prob, int offset) {
  Random random(static_cast<uint64_t>(seed));
  const TestBatch batch(random, sentences, longest);
  const simcse_dropout dropout = dropout_of(random, keep_prob);
  const int words = (channels + 31) / 32;
  Array<uint8_t> mask(static_cast<int64_t>(batch.rows()) * channels, offset);
  Array<uint32_t> bits(static_cast<int64_t>(batch.rows()) * words);
  simcse_dropout_mask args = {sizeof args, batch.get(), channels, 0, dropout, mask.data()};
  RUN(dropout_mask({}, args));
  RUN(dropout_mask_bits({}, *batch.get(), dropout, channels, bits.data()));
  const std::vector<double> factors = reference_factors(dropout, batch, channels);
  int wrong = 0;
  for (int row = 0; row < batch.rows(); row++) {
    for (int c = 0; c < 32 * words; c++) {
      const bool inside = c < channels;
      const bool kept = inside && factors[static_cast<std::size_t>(row * channels + c)] > 0;
      const uint32_t expected = kept ? 1 : 0;
      if (inside && mask[static_cast<int64_t>(row) * channels + c] != expected) wrong++;
      if ((bits[static_cast<int64_t>(row) * words + c / 32] >> c % 32 & 1) != expected) wrong++;
    }
  }
  CHECK(wrong == 0, "%d wrong elements of %d rows of %d channels", wrong, batch.rows(), channels);
}

SIMCSE_TEST(dropout_mask_hidden_sites) {
  each_seed(3, [](int seed) {
    for (const int channels : {1, 3, 31, 32, 33, 64, 127, 128, 130, 768}) {
      check_hidden(seed, 4, 5, channels, 0.9f, 0);
      check_hidden(seed + 10, 1, 1, channels, 0.5f, 1);
    }
    check_hidden(seed, 3, 3, 36, 1.0f, 0);
  });
  // Two and three rounds of find_sentence.
  each_seed(1, [](int seed) { check_hidden(seed, 70, 4, 5, 0.7f, 0); });
  each_seed(1, [](int seed) { check_hidden(seed, 1100, 1, 1, 0.7f, 0); });
}

SIMCSE_TEST(dropout_mask_attention_sites) {
  each_seed(3, [](int seed) {
    for (const int longest : {1, 5, 31, 32, 33, 130}) {
      Random random(static_cast<uint64_t>(seed + longest));
      const TestBatch batch(random, 4, longest);
      const simcse_dropout dropout = dropout_of(random, 0.9f);
      const int heads = 3, words = (batch.get()->max_length + 31) / 32;
      Array<uint32_t> bits(static_cast<int64_t>(batch.rows()) * heads * words);
      RUN(attention_mask_bits({}, *batch.get(), dropout, heads, bits.data()));
      int wrong = 0;
      for (int i = 0; i < batch.rows() * heads * words * 32; i++) {
        const int key = i % (words * 32), head = i / (words * 32) % heads, row = i / (words * 32) / heads;
        uint32_t position, sample, view;
        int sentence;
        batch.name(row, &position, &sample, &view, &sentence);
        const bool inside = key < batch.get()->cu_seqlens[sentence + 1] - batch.get()->cu_seqlens[sentence];
        const uint32_t c1 = position | static_cast<uint32_t>(head) << 16;
        const bool expected = inside && reference_kept(dropout, static_cast<uint32_t>(key), c1, sample, view);
        if ((bits[i / 32] >> i % 32 & 1) != expected) wrong++;
      }
      CHECK(wrong == 0, "%d wrong bits, sentences up to %d", wrong, longest);
    }
  });
}

}  // namespace

}  // namespace simcse::cuda::tests
