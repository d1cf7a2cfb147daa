// Packed batches of sentences for the programs of this folder.
#pragma once

#include "ladder.hpp"

namespace simcse::cuda::dev {

struct RowPlace {
  int sentence;
  uint32_t position, sample, view;
};

// Of a shape with T (tokens, in sentences drawn to lengths up to `longest`, 64 where the shape has none), or with B and
// L (sentences of L tokens each); with `views`, 1 where the shape has none. Drawn lengths are log-normal about 20, as
// sentences of prose are. Ids of a shape with V are drawn as words are: the id i about as often as 1 / i.
class Sentences {
 public:
  Sentences(Problem &problem, const Shape &shape, Random &random);
  const simcse_batch *batch() const { return &batch_; }  // of device pointers
  int count() const { return batch_.sentences; }
  int tokens() const { return batch_.tokens; }
  int rows() const { return batch_.views * batch_.tokens; }
  int first(int sentence) const { return starts_[static_cast<size_t>(sentence)]; }
  int length(int sentence) const { return first(sentence + 1) - first(sentence); }
  int id(int token) const { return ids_[static_cast<size_t>(token)]; }
  uint32_t sample(int sentence) const { return static_cast<uint32_t>(samples_[static_cast<size_t>(sentence)]); }
  uint32_t view(int row) const { return static_cast<uint32_t>(batch_.first_view + row / batch_.tokens); }
  RowPlace place(int row) const;

 private:
  std::vector<int32_t> starts_, samples_, ids_;
  simcse_batch batch_ = {};
};

// A dropout of a hidden site, or of an attention site, as the shape has it in `keep` percent; 90 where it has none.
simcse_dropout dropout_of(const Shape &shape, Random &random);

}  // namespace simcse::cuda::dev
