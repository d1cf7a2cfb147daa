// Tokens of one id are brought together by sorting blocks of them, and linking what each block leaves of an id.
#include "embedding_words.hpp"

#include "batch.hpp"
#include "embedding.hpp"
#include "partial_sums.hpp"

namespace simcse::cuda {

namespace {

constexpr char kName[] = "embedding_backward";
constexpr int kWarps = 4;
constexpr int kThreads = 256;
constexpr int kSorters = kSortedTokens / 2;
constexpr int kCleared = 4 * kSorters;  // integers that a block clears
constexpr int kPositionParts = 32;      // at most
constexpr int kSentencesOfPart = 16;    // at least, where there are that many
constexpr int kRowsAtOnce = 8;          // of a word, on their way from memory together

// --- positions ---

// Block (p, part): sums of position p over the part's sentences, in order.
template <int N>
SIMT_KERNEL(kWarps *kWarp)
sum_positions(const int32_t *cu_seqlens, int sentences, int hidden, const float *d_sum, float *parts) {
  const int position = block_x();
  const int each = (sentences + grid_y() - 1) / grid_y();
  const int first = block_y() * each;
  const int end = first + each < sentences ? first + each : sentences;
  for (int c = thread() * N; c < hidden; c += threads() * N) {
    float sum[N] = {};
    SIMT_UNROLL for (int b = first; b < end; b++) {
      const int token = cu_seqlens[b] + position;
      if (token >= cu_seqlens[b + 1]) continue;
      float x[N];
      load_floats(x, d_sum + (int64_t)token * hidden + c);
      SIMT_UNROLL for (int k = 0; k < N; k++) sum[k] += x[k];
    }
    store_floats(parts + ((int64_t)block_y() * grid_x() + position) * hidden + c, sum);
  }
}

// d_position += the parts of each position; the totals are left as the first part, for d_type.
SIMT_KERNEL(kThreads) add_positions(float *parts, int count, int64_t elements, float *d_position) {
  const int64_t i = (int64_t)block_x() * kThreads + thread();
  if (i >= elements) return;
  float sum = parts[i];
  SIMT_UNROLL for (int part = 1; part < count; part++) sum += parts[part * elements + i];
  parts[i] = sum;
  d_position[i] += sum;
}

// --- words ---

// The first blocks sort their tokens by id, tokens of one id in their order (Batcher 1968); the others clear `last`.
SIMT_KERNEL(kSorters)
sort_tokens(const int32_t *ids, int tokens, int sorters, int32_t *sorted, int32_t *sorted_ids, int32_t *last,
            int vocabulary) {
  SIMT_SHARED(uint64_t, keys, kSortedTokens);
  if (block_x() >= sorters) {
    const int64_t start = (int64_t)(block_x() - sorters) * kCleared;
    for (int64_t i = start + thread(); i < start + kCleared && i < vocabulary; i += kSorters) last[i] = -1;
    return;
  }
  const int start = block_x() * kSortedTokens;
  const int count = tokens - start < kSortedTokens ? tokens - start : kSortedTokens;
  const uint64_t none = ~(uint64_t)0;
  for (int i = thread(); i < kSortedTokens; i += kSorters) {
    keys[i] = i < count ? (uint64_t)ids[start + i] << 32 | (uint32_t)i : none;
  }
  sync_block();
  for (int size = 2; size / 2 < count; size *= 2) {
    for (int stride = size / 2; stride > 0; stride /= 2) {
      const int i = 2 * thread() - (thread() & (stride - 1));
      const uint64_t a = keys[i], b = keys[i + stride];
      if ((a > b) == ((i & size) == 0)) {
        keys[i] = b;
        keys[i + stride] = a;
      }
      sync_block();
    }
  }
  for (int i = thread(); i < kSortedTokens; i += kSorters) {
    const uint64_t key = keys[i];
    sorted[start + i] = key == none ? -1 : start + (int)(uint32_t)key;
    sorted_ids[start + i] = key == none ? -1 : (int)(key >> 32);
  }
}

SIMT_DEVICE bool starts_run(const int32_t *sorted_ids, int place) {
  return sorted_ids[place] >= 0 && (place % kSortedTokens == 0 || sorted_ids[place - 1] != sorted_ids[place]);
}

// Links what add_runs leaves of each id, block after block of tokens.
SIMT_KERNEL(kSorters)
link_runs(const int32_t *sorted, const int32_t *sorted_ids, int places, int32_t *last, int32_t *next, int32_t *heads) {
  for (int first = 0; first < places; first += kSortedTokens) {
    for (int place = first + thread(); place < first + kSortedTokens; place += kSorters) {
      if (!starts_run(sorted_ids, place)) continue;
      const int token = sorted[place];
      const int before = last[sorted_ids[place]];
      heads[token] = before < 0;
      next[token] = -1;
      if (before >= 0) next[before] = token;
      last[sorted_ids[place]] = token;
    }
    sync_block();
  }
}

// A warp has a place among the sorted tokens and N columns a lane.
template <int N>
struct Place {
  int place, column;

  SIMT_DEVICE explicit Place(int hidden) {
    const int groups = (hidden + kWarp * N - 1) / (kWarp * N);
    const int64_t index = (int64_t)block_x() * kWarps + warp();
    place = (int)(index / groups);
    column = ((int)(index % groups) * kWarp + lane()) * N;
  }
};

template <int N>
SIMT_DEVICE void add_to(float *to, const float (&sum)[N]) {
  float x[N];
  load_floats(x, to);
  SIMT_UNROLL for (int k = 0; k < N; k++) x[k] += sum[k];
  store_floats(to, x);
}

// Adds up the tokens of one id in one block of tokens, in order: onto d_word where there is but one such block, else in
// the row of the first of them.
template <int N, bool kToWords>
SIMT_KERNEL(kWarps *kWarp)
add_runs(const int32_t *sorted, const int32_t *sorted_ids, int places, int hidden, float *d_sum, float *d_word) {
  const Place<N> at(hidden);
  if (at.place >= places || !starts_run(sorted_ids, at.place)) return;
  const int id = sorted_ids[at.place];
  const int end = (at.place / kSortedTokens + 1) * kSortedTokens;
  float sum[N] = {};
  int first = at.place;
  bool whole = true;
  for (; whole; first += kWarp) {
    const int mine = first + lane();
    const bool same = mine < end && sorted_ids[mine] == id;
    const int token = same ? sorted[mine] : -1;
    const int count = popcount(ballot(same));
    whole = count == kWarp;
    if (!kToWords && first == at.place && count == 1) return;
    for (int i = 0; i < count; i += kRowsAtOnce) {
      float x[kRowsAtOnce][N];
      SIMT_UNROLL for (int j = 0; j < kRowsAtOnce; j++) {
        const int row = shuffle(token, i + j < count ? i + j : i);
        if (at.column < hidden) load_floats(x[j], d_sum + (int64_t)row * hidden + at.column);
      }
      SIMT_UNROLL for (int j = 0; j < kRowsAtOnce; j++) {
        if (i + j >= count || at.column >= hidden) continue;
        SIMT_UNROLL for (int k = 0; k < N; k++) sum[k] += x[j][k];
      }
    }
  }
  if (at.column >= hidden) return;
  if constexpr (kToWords) {
    add_to(d_word + (int64_t)id * hidden + at.column, sum);
  } else {
    store_floats(d_sum + (int64_t)sorted[at.place] * hidden + at.column, sum);
  }
}

template <int N>
SIMT_KERNEL(kWarps *kWarp)
add_chains(const int32_t *sorted, const int32_t *sorted_ids, int places, int hidden, const int32_t *next,
           const int32_t *heads, const float *d_sum, float *d_word) {
  const Place<N> at(hidden);
  if (at.place >= places || at.column >= hidden || !starts_run(sorted_ids, at.place)) return;
  int token = sorted[at.place];
  if (!heads[token]) return;
  float sum[N] = {};
  while (token >= 0) {
    const int then = next[token];
    float x[N];
    load_floats(x, d_sum + (int64_t)token * hidden + at.column);
    SIMT_UNROLL for (int k = 0; k < N; k++) sum[k] += x[k];
    token = then;
  }
  add_to(d_word + (int64_t)sorted_ids[at.place] * hidden + at.column, sum);
}

template <typename U>
U *at(const Queue &queue, int64_t offset) {
  return reinterpret_cast<U *>(static_cast<char *>(queue.scratch) + offset);
}

}  // namespace

int embedding_position_parts(int sentences) {
  const int64_t parts = ceil_divide(sentences, kSentencesOfPart);
  return (int)(parts < kPositionParts ? parts : kPositionParts);
}

Fault add_to_positions(const Queue &queue, const simcse_embedding_backward &args, const EmbeddingMemory &memory) {
  const simcse_batch &batch = *args.batch;
  float *const parts = at<float>(queue, memory.positions);
  const int count = embedding_position_parts(batch.sentences);
  Geometry geometry;
  geometry.x = (unsigned)batch.max_length;
  geometry.y = (unsigned)count;
  geometry.threads = kWarps * kWarp;
  Fault fault = launch(kName, args.hidden % 4 == 0 ? sum_positions<4> : sum_positions<1>, geometry, queue.stream,
                       batch.cu_seqlens, batch.sentences, args.hidden,
                       static_cast<const float *>(at<float>(queue, memory.d_sum)), parts);
  if (fault != 0) return fault;
  const int64_t elements = (int64_t)batch.max_length * args.hidden;
  Geometry flat;
  flat.x = (unsigned)ceil_divide(elements, kThreads);
  flat.threads = kThreads;
  fault = launch(kName, add_positions, flat, queue.stream, parts, count, elements, args.d_position);
  if (fault != 0) return fault;
  return add_partials(queue, parts, batch.max_length, args.hidden, args.d_type, nullptr);
}

Fault add_to_words(const Queue &queue, const simcse_embedding_backward &args, const EmbeddingMemory &memory) {
  const int tokens = args.batch->tokens;
  const int blocks = (int)ceil_divide(tokens, kSortedTokens);
  const int places = blocks * kSortedTokens;
  const bool vectors = args.hidden % 4 == 0 && aligned16(args.d_word);
  float *const d_sum = at<float>(queue, memory.d_sum);
  int32_t *const sorted = at<int32_t>(queue, memory.sorted);
  int32_t *const sorted_ids = at<int32_t>(queue, memory.sorted_ids);
  int32_t *const next = at<int32_t>(queue, memory.next);
  int32_t *const heads = at<int32_t>(queue, memory.heads);
  int32_t *const last = at<int32_t>(queue, memory.last);

  Geometry sort;
  sort.x = (unsigned)(blocks + (blocks == 1 ? 0 : ceil_divide(args.vocabulary, kCleared)));
  sort.threads = kSorters;
  Fault fault =
      launch(kName, sort_tokens, sort, queue.stream, static_cast<const int32_t *>(at<int32_t>(queue, memory.ids)),
             tokens, blocks, sorted, sorted_ids, last, args.vocabulary);
  Geometry runs;
  const int used = blocks == 1 ? tokens : places;
  runs.x = (unsigned)ceil_divide(used * ceil_divide(args.hidden, kWarp * (vectors ? 4 : 1)), kWarps);
  runs.threads = kWarps * kWarp;
  const int32_t *const in_order = sorted, *const ids_in_order = sorted_ids;
  if (fault != 0) return fault;
  if (blocks == 1) {
    return launch(kName, vectors ? add_runs<4, true> : add_runs<1, true>, runs, queue.stream, in_order, ids_in_order,
                  used, args.hidden, d_sum, args.d_word);
  }
  fault = launch(kName, vectors ? add_runs<4, false> : add_runs<1, false>, runs, queue.stream, in_order, ids_in_order,
                 places, args.hidden, d_sum, args.d_word);
  if (fault != 0) return fault;
  Geometry one;
  one.threads = kSorters;
  fault = launch(kName, link_runs, one, queue.stream, in_order, ids_in_order, places, last, next, heads);
  if (fault != 0) return fault;
  return launch(kName, vectors ? add_chains<4> : add_chains<1>, runs, queue.stream, in_order, ids_in_order, places,
                args.hidden, static_cast<const int32_t *>(next), static_cast<const int32_t *>(heads),
                static_cast<const float *>(d_sum), args.d_word);
}

}  // namespace simcse::cuda
