// Packed batches, and the dropout masks that their tokens get.
#pragma once

#include "harness.hpp"

namespace simcse_test {

class Batch {
 public:
  // Sentences of these lengths with random ids of a vocabulary, scattered over an id array that holds more.
  Batch(Random &random, std::vector<int> sentence_lengths, int views, int first_view, int vocabulary = 1000);

  std::vector<int> lengths;
  int views;
  int first_view;
  Numbers ids;
  Numbers starts;
  Numbers samples;

  int64_t sentences() const { return static_cast<int64_t>(lengths.size()); }
  int64_t tokens() const;
  int64_t rows() const { return views * tokens(); }
  int64_t embeddings() const { return views * sentences(); }
  int max_length() const;
  Numbers cu_seqlens() const;
  std::string label() const;
  // row of a token, view counted from 0
  int64_t row(int view, std::size_t sentence, int position) const;
  int id(std::size_t sentence, int position) const;
};

// Lengths and views with every kind of sentence: one token, one sentence, and around the widths of vectors and tiles.
struct BatchShape {
  std::vector<int> lengths;
  int views;
  int first_view;
};
const std::vector<BatchShape> &batch_shapes();

// 0 where an element is dropped, 1 / keep_prob where it is kept.
class Masks {
 public:
  Masks(const Batch &batch, const simcse_dropout &dropout) : batch_(batch), dropout_(dropout) {}
  double hidden(int view, std::size_t sentence, int position, int channel) const;
  double attention(int view, std::size_t sentence, int head, int query, int key) const;
  // (R, channels)
  Numbers hidden(int channels) const;

 private:
  double factor(uint32_t channel, uint32_t position, int view, std::size_t sentence) const;
  const Batch &batch_;
  simcse_dropout dropout_;
};

// A random key and site, and this keep_prob.
simcse_dropout dropout_of(Random &random, float keep_prob);

// Whether Philox here gives the answers that its authors published.
bool philox_is_right();

}  // namespace simcse_test
