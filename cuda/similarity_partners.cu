// A thread a query or key.
#include "similarity_partners.hpp"

#include "similarity_logits.hpp"

namespace simcse::cuda {

namespace {

constexpr int kThreads = 256;

SIMT_KERNEL(kThreads) clear_first_queries(int32_t *first_query, int64_t keys) {
  const int64_t j = (int64_t)block_x() * kThreads + thread();
  if (j < keys) first_query[j] = kNoQuery;
}

SIMT_KERNEL(kThreads)
find_first_queries(const int32_t *targets, int64_t queries, int64_t keys, int32_t *first_query) {
  const int64_t i = (int64_t)block_x() * kThreads + thread();
  if (i < queries && targets[i] >= 0 && targets[i] < keys) atomic_min(&first_query[targets[i]], (int)i);
}

SIMT_KERNEL(kThreads)
name_partners(const int32_t *targets, const int64_t *query_ids, const int64_t *key_ids, int64_t queries, int64_t keys,
              Partners to) {
  const int64_t i = (int64_t)block_x() * kThreads + thread();
  if (i < queries && to.query_ids != nullptr) {
    const bool there = targets[i] >= 0 && targets[i] < keys;
    to.query_ids[i] = there ? key_ids[targets[i]] : query_ids[i];
  }
  if (i >= keys) return;
  const int first = to.first_query[i];
  if (to.key_ids != nullptr) to.key_ids[i] = first == kNoQuery ? key_ids[i] : query_ids[first];
  if (to.key_limits != nullptr) to.key_limits[i] = first == kNoQuery ? infinity() : to.query_limits[first];
}

Geometry threads_geometry(int64_t count) {
  Geometry geometry;
  geometry.x = (unsigned)ceil_divide(count, kThreads);
  geometry.threads = kThreads;
  return geometry;
}

struct Offsets {
  int64_t first_query, query_ids, key_ids, query_limits, key_limits, bytes;
};

Offsets offsets_of(const SimilarityShape &shape) {
  Offsets o = {};
  const auto take = [&o](bool there, int64_t count, int64_t size) {
    const int64_t at = o.bytes;
    if (there) o.bytes += round_up(count * size, 256);
    return there ? at : -1;
  };
  o.first_query = take(shape.first_queries(), shape.keys, 4);
  o.query_ids = take(shape.ids, shape.queries, 8);
  o.key_ids = take(shape.ids, shape.keys, 8);
  o.query_limits = take(shape.margin, shape.queries, 4);
  o.key_limits = take(shape.margin && shape.both_directions, shape.keys, 4);
  return o;
}

}  // namespace

int64_t partner_bytes(const SimilarityShape &shape) { return offsets_of(shape).bytes; }

Partners partners_at(void *scratch, const SimilarityShape &shape) {
  const Offsets o = offsets_of(shape);
  const auto at = [scratch](int64_t offset) -> void * {
    return offset < 0 ? nullptr : static_cast<char *>(scratch) + offset;
  };
  return {static_cast<int32_t *>(at(o.first_query)), static_cast<int64_t *>(at(o.query_ids)),
          static_cast<int64_t *>(at(o.key_ids)), static_cast<float *>(at(o.query_limits)),
          static_cast<float *>(at(o.key_limits))};
}

Fault find_partners(const char *name, const Queue &queue, const SimilarityShape &shape, const int32_t *targets,
                    const simcse_contrast &contrast, const Partners &to) {
  if (to.first_query == nullptr) return 0;
  Fault fault =
      launch(name, clear_first_queries, threads_geometry(shape.keys), queue.stream, to.first_query, shape.keys);
  if (fault != 0) return fault;
  fault = launch(name, find_first_queries, threads_geometry(shape.queries), queue.stream, targets, shape.queries,
                 shape.keys, to.first_query);
  if (fault != 0) return fault;
  return launch(name, name_partners, threads_geometry(shape.queries > shape.keys ? shape.queries : shape.keys),
                queue.stream, targets, contrast.query_ids, contrast.key_ids, shape.queries, shape.keys, to);
}

}  // namespace simcse::cuda
