// Packed batches and stateless dropout, by Philox4x32-10 (Salmon et al. 2011) one element at a time.
#include "batch.hpp"

#include <algorithm>
#include <cmath>

namespace simcse_test {
namespace {

struct Words {
  uint32_t word[4];
};

Words philox(Words c, uint32_t key0, uint32_t key1) {
  for (int round = 0; round < 10; round++) {
    uint64_t first = uint64_t{0xD2511F53} * c.word[0];
    uint64_t second = uint64_t{0xCD9E8D57} * c.word[2];
    c = {{static_cast<uint32_t>(second >> 32) ^ c.word[1] ^ key0, static_cast<uint32_t>(second),
          static_cast<uint32_t>(first >> 32) ^ c.word[3] ^ key1, static_cast<uint32_t>(first)}};
    key0 += 0x9E3779B9;
    key1 += 0xBB67AE85;
  }
  return c;
}

}  // namespace

bool philox_is_right() {
  // Random123's kat_vectors, philox 4x32 with 10 rounds.
  static const struct {
    Words counter;
    uint32_t key0, key1;
    Words answer;
  } kAnswers[] = {
      {{{0, 0, 0, 0}}, 0, 0, {{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}}},
      {{{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}},
       0xffffffff,
       0xffffffff,
       {{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}}},
      {{{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}},
       0xa4093822,
       0x299f31d0,
       {{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}}},
  };
  for (const auto &known : kAnswers) {
    Words words = philox(known.counter, known.key0, known.key1);
    if (!std::equal(words.word, words.word + 4, known.answer.word)) return false;
  }
  return true;
}

Batch::Batch(Random &random, std::vector<int> sentence_lengths, int view_count, int first, int vocabulary)
    : lengths(std::move(sentence_lengths)), views(view_count), first_view(first) {
  int64_t count = tokens() + 3;
  for (int64_t i = 0; i < count; i++) ids.push_back(static_cast<double>(random.below(vocabulary)));
  // Sentences may lie anywhere, may overlap, and one touches each end.
  for (int length : lengths) starts.push_back(static_cast<double>(random.below(count - length + 1)));
  starts[0] = 0;
  starts.back() = static_cast<double>(count - lengths.back());
  for (std::size_t b = 0; b < lengths.size(); b++) samples.push_back(static_cast<double>(random.below(0x7fffffff)));
}

int64_t Batch::tokens() const {
  int64_t sum = 0;
  for (int length : lengths) sum += length;
  return sum;
}

int Batch::max_length() const { return *std::max_element(lengths.begin(), lengths.end()); }

Numbers Batch::cu_seqlens() const {
  Numbers ends = {0};
  for (int length : lengths) ends.push_back(ends.back() + length);
  return ends;
}

std::string Batch::label() const {
  std::string text = format("%d views from %d of lengths", views, first_view);
  for (int length : lengths) text += format(" %d", length);
  return text;
}

int64_t Batch::row(int view, std::size_t sentence, int position) const {
  int64_t before = 0;
  for (std::size_t b = 0; b < sentence; b++) before += lengths[b];
  return view * tokens() + before + position;
}

int Batch::id(std::size_t sentence, int position) const {
  return static_cast<int>(ids[static_cast<std::size_t>(starts[sentence]) + static_cast<std::size_t>(position)]);
}

const std::vector<BatchShape> &batch_shapes() {
  static const std::vector<BatchShape> shapes = {
      {{1}, 1, 0},          {{7}, 1, 0},           {{1, 1, 1, 1, 1}, 2, 0}, {{5, 1, 12, 3, 8, 2}, 2, 0},
      {{15, 16, 17}, 1, 1}, {{31, 32, 33}, 2, 3}, {{2}, 3, 253},           {{9, 4, 64, 21, 65, 6, 3, 11, 30}, 1, 0},
  };
  return shapes;
}

double Masks::factor(uint32_t channel, uint32_t position, int view, std::size_t sentence) const {
  double keep_prob = dropout_.keep_prob;
  if (keep_prob >= 1) return 1;
  uint32_t sample = static_cast<uint32_t>(static_cast<int32_t>(batch_.samples[sentence]));
  uint32_t place = static_cast<uint32_t>(dropout_.site) | static_cast<uint32_t>(batch_.first_view + view) << 24;
  Words words = philox({{channel / 4, position, sample, place}}, dropout_.key0, dropout_.key1);
  return words.word[channel % 4] < std::ceil(keep_prob * 0x1p32) ? 1 / keep_prob : 0;
}

double Masks::hidden(int view, std::size_t sentence, int position, int channel) const {
  return factor(static_cast<uint32_t>(channel), static_cast<uint32_t>(position), view, sentence);
}

double Masks::attention(int view, std::size_t sentence, int head, int query, int key) const {
  uint32_t position = static_cast<uint32_t>(query) | static_cast<uint32_t>(head) << 16;
  return factor(static_cast<uint32_t>(key), position, view, sentence);
}

Numbers Masks::hidden(int channels) const {
  Numbers factors(static_cast<std::size_t>(batch_.rows() * channels));
  std::size_t i = 0;
  for (int v = 0; v < batch_.views; v++) {
    for (std::size_t b = 0; b < batch_.lengths.size(); b++) {
      for (int p = 0; p < batch_.lengths[b]; p++) {
        for (int c = 0; c < channels; c++) factors[i++] = hidden(v, b, p, c);
      }
    }
  }
  return factors;
}

simcse_dropout dropout_of(Random &random, float keep_prob) {
  simcse_dropout dropout = {};
  dropout.key0 = static_cast<uint32_t>(random.next());
  dropout.key1 = static_cast<uint32_t>(random.next());
  dropout.site = static_cast<int32_t>(random.below(1 << 24));
  dropout.keep_prob = keep_prob;
  return dropout;
}

}  // namespace simcse_test
