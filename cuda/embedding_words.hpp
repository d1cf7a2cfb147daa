// Gradients of the tables of embedding from d(sum) of every token (T, H): rows added up by position, over all, and by
// word, each in an order of the tokens' own.
#pragma once

#include "launch.hpp"

namespace simcse::cuda {

// Scratch memory of embedding_backward.
struct EmbeddingMemory {
  int64_t d_sum;      // float (T, H)
  int64_t ids;        // int32 (T), the tokens' ids
  int64_t partials;   // float, of d_gamma and d_beta
  int64_t positions;  // float (parts, max_length, H)
  int64_t sorted;     // int32 (T filled up), tokens of each block by id, -1 past the last
  int64_t sorted_ids;
  int64_t next;       // int32 (T), of a row that is left: the next of its id, in a later block, or -1
  int64_t heads;      // int32 (T), of a row that is left: whether it is the first of its id
  int64_t last;       // int32 (V), the last row so far of each id
  int64_t bytes;
};
EmbeddingMemory embedding_memory(const simcse_batch &batch, int hidden, int vocabulary);

// d_position and d_type; d_sum stays.
Fault add_to_positions(const Queue &queue, const simcse_embedding_backward &args, const EmbeddingMemory &memory);
// d_word; d_sum is lost.
Fault add_to_words(const Queue &queue, const simcse_embedding_backward &args, const EmbeddingMemory &memory);

}  // namespace simcse::cuda
