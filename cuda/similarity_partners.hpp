// What the options of similarity_softmax ask of each query and key before any logit: the partner's id, the limit that
// the margin sets to logits of negatives, and a key's first query.
#pragma once

#include "similarity_softmax.hpp"

namespace simcse::cuda {

constexpr int32_t kNoQuery = 0x7fffffff;

// Arrays in scratch memory, null where the options do not ask for them.
struct Partners {
  int32_t *first_query;  // (M), the first whose target a key is, or kNoQuery
  int64_t *query_ids;    // (N), of the query's positive
  int64_t *key_ids;      // (M), of the key's first query, or its own
  float *query_limits;   // (N)
  float *key_limits;     // (M), both directions
};

int64_t partner_bytes(const SimilarityShape &shape);
Partners partners_at(void *scratch, const SimilarityShape &shape);

// All but the limits of queries, which are there before (similarity_panels.hpp).
Fault find_partners(const char *name, const Queue &queue, const SimilarityShape &shape, const int32_t *targets,
                    const simcse_contrast &contrast, const Partners &to);

}  // namespace simcse::cuda
