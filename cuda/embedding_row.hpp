// What both directions of embedding share: the three rows that a token's sum is made of.
#pragma once

#include "batch.hpp"
#include "row.hpp"

namespace simcse::cuda {

template <typename T>
struct Tables {
  const T *word, *position, *type;
};

// Of a token, found by the whole warp.
template <typename T>
struct TokenRows {
  RowName name;
  int id;
  const T *word, *position, *type;

  // word + position + type of N columns.
  template <int N>
  SIMT_DEVICE void sum(float (&x)[N], int column) const {
    Pack<T, N> pack;
    float more[N];
    pack.load(word + column);
    pack.get(x);
    pack.load(position + column);
    pack.get(more);
    SIMT_UNROLL for (int k = 0; k < N; k++) x[k] += more[k];
    pack.load(type + column);
    pack.get(more);
    SIMT_UNROLL for (int k = 0; k < N; k++) x[k] += more[k];
  }
};

template <typename T>
SIMT_DEVICE TokenRows<T> rows_of_token(const Batch &batch, const Tables<T> &tables, int hidden, int token,
                                       Site at = Site::here()) {
  TokenRows<T> rows;
  rows.name = name_row(batch, token, at);
  rows.id = batch.ids[batch.starts[rows.name.sentence] + rows.name.position];
  rows.word = tables.word + (int64_t)rows.id * hidden;
  rows.position = tables.position + (int64_t)rows.name.position * hidden;
  rows.type = tables.type;
  return rows;
}

}  // namespace simcse::cuda
