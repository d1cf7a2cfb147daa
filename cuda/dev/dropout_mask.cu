// The ladder of dropout_mask: bytes and bits (R, channels) of a hidden site. Floor: the mask is written, 1 byte or
// 1 bit an element; the arithmetic of Philox, some 50 instructions for 4 elements, is above it for bits.
#include "../dropout_mask.hpp"

#include "plain.hpp"
#include "sentences.hpp"

namespace simcse::cuda::dev {

namespace {

// --- versions ---

SIMT_KERNEL(kPlainThreads) element_bytes(Batch batch, Dropout dropout, int channels, uint8_t *mask) {
  const int64_t i = plain_index();
  if (i >= (int64_t)batch.rows() * channels) return;
  const RowName name = name_row_alone(batch, (int)(i / channels));
  mask[i] = kept_alone(dropout, name, name.position, (int)(i % channels));
}

// Channels are a multiple of 4.
SIMT_KERNEL(kPlainThreads) quad_bytes(Batch batch, Dropout dropout, int channels, uint8_t *mask) {
  const int64_t i = plain_index() * 4;
  if (i >= (int64_t)batch.rows() * channels) return;
  const RowName name = name_row_alone(batch, (int)(i / channels));
  const MaskRow row = mask_row(dropout, name.position, name.sample, name.view);
  const uint32_t kept = dropout.active ? kept_of_block(dropout, row, (uint32_t)(i % channels) / 4) : 15;
  store_words<1>(mask + i, {{(kept & 1) | (kept & 2) << 7 | (kept & 4) << 14 | (kept & 8) << 21}});
}

// A thread a word of 32 bits, from bytes.
SIMT_KERNEL(kPlainThreads) pack_bytes(const uint8_t *mask, int rows, int channels, uint32_t *bits) {
  const int words = (channels + 31) / 32;
  const int64_t i = plain_index();
  if (i >= (int64_t)rows * words) return;
  const int64_t row = i / words;
  const int first = (int)(i % words) * 32;
  uint32_t word = 0;
  for (int c = first; c < first + 32 && c < channels; c++) word |= (uint32_t)mask[row * channels + c] << (c - first);
  bits[i] = word;
}

// A warp a word, a lane a bit.
SIMT_KERNEL(kPlainThreads) vote_bits(Batch batch, Dropout dropout, int channels, uint32_t *bits) {
  const int words = (channels + 31) / 32;
  const int64_t i = plain_index() / kWarp;
  if (i >= (int64_t)batch.rows() * words) return;
  const RowName name = name_row(batch, (int)(i / words));
  const int c = (int)(i % words) * 32 + lane();
  const unsigned word = ballot(c < channels && kept_alone(dropout, name, name.position, c));
  if (lane() == 0) bits[i] = word;
}

// --- the ladder ---

Expected expected_bytes(const Sentences &sentences, const simcse_dropout &dropout, int channels) {
  Expected e;
  e.each = channels;
  for (const int64_t row : spread(sentences.rows(), 2000)) {
    const RowPlace at = sentences.place((int)row);
    e.first.push_back(row * channels);
    for (int c = 0; c < channels; c++) {
      e.reference.push_back(dropout_factor(dropout, c, at.position, at.sample, at.view) > 0 ? 1 : 0);
    }
  }
  return e;
}

Expected expected_bits(const Sentences &sentences, const Expected &bytes, int channels) {
  Expected e;
  e.each = ceil_divide(channels, 32);
  for (const int64_t row : spread(sentences.rows(), 2000)) e.first.push_back(row * e.each);
  for (size_t row = 0; row < e.first.size(); row++) {
    for (int first = 0; first < channels; first += 32) {
      uint32_t word = 0;
      for (int c = first; c < first + 32 && c < channels; c++) {
        word |= (uint32_t)bytes.reference[row * (size_t)channels + (size_t)c] << (c - first);
      }
      e.reference.push_back((int32_t)word);
    }
  }
  return e;
}

void run(Ladder &ladder, const Shape &shape) {
  const int channels = shape.integer("H");
  {
    Random random(1);
    Problem p(ladder, "dropout_mask", shape);
    const Sentences sentences(p, shape, random);
    const simcse_dropout dropout = dropout_of(shape, random);
    const int64_t count = (int64_t)sentences.rows() * channels;
    uint8_t *const mask = p.output<uint8_t>("mask", count, expected_bytes(sentences, dropout, channels));
    const Batch batch = device_batch(*sentences.batch());
    p.floor((double)count, 0);
    p.rung("element", "a thread an element, with a call of Philox and a search of its own", [&](const Queue &q) {
      return launch("dropout_mask", element_bytes, plain_geometry(count), q.stream, batch, device_dropout(dropout),
                    channels, mask);
    });
    if (channels % 4 == 0) {
      p.rung("quad", "all four words of a call used, and written as one", [&](const Queue &q) {
        return launch("dropout_mask", quad_bytes, plain_geometry(count / 4), q.stream, batch, device_dropout(dropout),
                      channels, mask);
      });
    }
    p.rung("product", "a warp a row: one search for the sentence of a row, by all its lanes", [&](const Queue &q) {
      return dropout_mask(q, {sizeof(simcse_dropout_mask), sentences.batch(), channels, 0, dropout, mask});
    });
    p.climb();
  }
  Random random(1);
  Problem p(ladder, "dropout_mask_bits", shape);
  const Sentences sentences(p, shape, random);
  const simcse_dropout dropout = dropout_of(shape, random);
  const int64_t words = sentences.rows() * ceil_divide(channels, 32);
  const Expected bytes = expected_bytes(sentences, dropout, channels);
  uint32_t *const bits = p.output<uint32_t>("bits", words, expected_bits(sentences, bytes, channels));
  uint8_t *const mask = p.scratch<uint8_t>((int64_t)sentences.rows() * channels);
  const Batch batch = device_batch(*sentences.batch());
  p.floor((double)words * 4, 0);
  p.rung("packed", "bytes first, then a thread a word that packs them", [&](const Queue &q) {
    const Fault fault = dropout_mask(q, {sizeof(simcse_dropout_mask), sentences.batch(), channels, 0, dropout, mask});
    if (fault != 0) return fault;
    return launch("dropout_mask_bits", pack_bytes, plain_geometry(words), q.stream, (const uint8_t *)mask,
                  batch.views * batch.tokens, channels, bits);
  });
  p.rung("vote", "a lane a bit, a vote a word: no bytes in memory", [&](const Queue &q) {
    return launch("dropout_mask_bits", vote_bits, plain_geometry(words * kWarp), q.stream, batch,
                  device_dropout(dropout), channels, bits);
  });
  p.rung("product", "a warp a row, four bits a lane and call: a quarter of the arithmetic", [&](const Queue &q) {
    return dropout_mask_bits(q, *sentences.batch(), dropout, channels, bits);
  });
  p.climb();
}

const Program kProgram = {{"T=5 H=3", "T=70 H=33 views=2", "T=40 H=132 keep=50", "T=9 H=8 keep=100"},
                          {"T=1024 H=768 views=2", "T=16384 H=384 views=2", "T=16384 H=768 views=2",
                           "T=65536 H=1024"},
                          run};

}  // namespace

}  // namespace simcse::cuda::dev

int main(int count, char **arguments) {
  return simcse::cuda::dev::climb(count, arguments, simcse::cuda::dev::kProgram);
}
