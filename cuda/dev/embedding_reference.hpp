// embedding on the CPU, in double: what the ladder is held to.
#pragma once

#include "sentences.hpp"

namespace simcse::cuda::dev {

constexpr double kEmbeddingEpsilon = 1e-5f;
constexpr int kPositions = 128;  // of the table

// Of a shape with V and H, for rows (R, H) of d_out.
struct EmbeddingTables {
  EmbeddingTables(const Shape &shape, int64_t rows, Random &random);
  Host word, position, type, gamma, beta, d_out;
};

struct EmbeddingExpected {
  Expected out, mean, rstd, d_word, d_position, d_type, d_gamma, d_beta;
  Host mean_values, rstd_values;
};
EmbeddingExpected embedding_expected(const Sentences &sentences, const simcse_dropout &dropout,
                                     const EmbeddingTables &tables);

int64_t different_ids(const Sentences &sentences);

}  // namespace simcse::cuda::dev
