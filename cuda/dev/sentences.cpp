#include "sentences.hpp"

#include <algorithm>
#include <cmath>

namespace simcse::cuda::dev {

namespace {

std::vector<int> lengths_of(const Shape &shape, Random &random) {
  if (shape.has("B")) return std::vector<int>(static_cast<size_t>(shape["B"]), shape.integer("L"));
  const int longest = shape.has("longest") ? shape.integer("longest") : 64;
  std::vector<int> lengths;
  for (int64_t left = shape["T"]; left > 0; left -= lengths.back()) {
    const int drawn = static_cast<int>(20 * std::exp(0.5 * random.normal()));
    lengths.push_back(static_cast<int>(std::min<int64_t>(left, std::clamp(drawn, 3, longest))));
  }
  return lengths;
}

}  // namespace

Sentences::Sentences(Problem &problem, const Shape &shape, Random &random) {
  const std::vector<int> lengths = lengths_of(shape, random);
  const double vocabulary = shape.has("V") ? static_cast<double>(shape["V"]) : 1;
  std::vector<int64_t> starts;
  starts_.push_back(0);
  for (const int length : lengths) {
    starts.push_back(starts_.back());
    starts_.push_back(starts_.back() + length);
    samples_.push_back(static_cast<int32_t>(random.next() >> 1));
    batch_.max_length = std::max(batch_.max_length, length);
  }
  for (int token = 0; token < starts_.back(); token++) {
    const double drawn = std::pow(vocabulary, random.next() * 0x1p-32);
    ids_.push_back(static_cast<int32_t>(std::min(drawn, vocabulary) - 1));
  }
  batch_.struct_size = sizeof batch_;
  batch_.ids = problem.input<int32_t>(Host::of(ids_));
  batch_.id_count = static_cast<int64_t>(ids_.size());
  batch_.starts = problem.input<int64_t>(Host::of(starts));
  batch_.cu_seqlens = problem.input<int32_t>(Host::of(starts_));
  batch_.samples = problem.input<int32_t>(Host::of(samples_));
  batch_.sentences = static_cast<int32_t>(lengths.size());
  batch_.tokens = starts_.back();
  batch_.views = shape.has("views") ? shape.integer("views") : 1;
}

RowPlace Sentences::place(int row) const {
  const int token = row % tokens();
  const auto after = std::upper_bound(starts_.begin(), starts_.end(), token);
  const int sentence = static_cast<int>(after - starts_.begin()) - 1;
  return {sentence, static_cast<uint32_t>(token - first(sentence)), sample(sentence), view(row)};
}

simcse_dropout dropout_of(const Shape &shape, Random &random) {
  const float keep_prob = shape.has("keep") ? static_cast<float>(shape["keep"]) / 100 : 0.9f;
  return {random.next(), random.next(), 4, keep_prob};
}

}  // namespace simcse::cuda::dev
