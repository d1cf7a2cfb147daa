// embedding: out = dropout(layer_norm(word[id] + position[p] + type[0])), BERT's input (Devlin et al. 2019), and its
// gradients; see simcse.h.
//
// Forward: a warp a token, whose sum and normalisation serve all its views; reads 3 rows a token (position and type
// from L2), writes one a view.
//
// Backward: d(sum) of every token (T, H) in f32, from d_out read once; then its sums by id, by position, and over all.
// d_word is touched only where the batch has tokens. Tokens of one id are brought together without a sort of all:
// blocks sort S = kSortedTokens tokens each in shared memory, tokens of one id in a block are added up in token order,
// and one block links what is left, a row for each id and block, through a table of V integers, block by block. That is
// O(T log^2 S) comparisons, and beyond S tokens V integers to clear and T / S steps to link. Floor: d_out once, 12 to
// 20 bytes of d(sum) an element (written, read by position, read by word; written and read again beyond S tokens), and
// the rows of d_word that the batch has, read and written once. No order of arrival shows.
#pragma once

#include "launch.hpp"

namespace simcse::cuda {

constexpr int kSortedTokens = 2048;  // by a block

Geometry embedding_forward_geometry(int64_t tokens);
Geometry embedding_backward_geometry(int64_t tokens, int hidden, int passes);
int embedding_position_parts(int sentences);  // blocks that share a position
int64_t embedding_backward_scratch(const simcse_batch &batch, int hidden, int vocabulary);  // bytes

Fault embedding_forward(const Queue &queue, const simcse_embedding_forward &args);
Fault embedding_backward(const Queue &queue, const simcse_embedding_backward &args);

}  // namespace simcse::cuda
