// One head of one sentence under one view: where its rows lie, how work is cut, and which probabilities are dropped.
//
// Scores are held transposed, keys down and queries across: the softmax then runs down the lanes with nothing to add
// across them, one draw of Philox gives four rows of the mask, and both the tile and its transposed are left factors of
// the products that follow (they are read number by number).
#pragma once

#include "attention_rows.hpp"
#include "parallel.hpp"
#include "parts.hpp"
#include "philox.hpp"
#include "vmath.hpp"

namespace simcse::cpu::SIMCSE_TIER {

// Queries and keys of a tile of scores. A sentence of up to 64 tokens is one tile, which the nearest caches hold with
// all that is multiplied with it; longer ones stream over tiles, so scratch does not grow with length^2.
constexpr int kBlock = 64;
static_assert(kBlock % kLanes == 0 && kBlock % 4 == 0, "tiles are whole vectors and whole Philox blocks");

SIMCSE_INLINE int block_length(int length, int start) { return length - start < kBlock ? length - start : kBlock; }

struct AttentionDropout {
  bool active;
  uint32_t key0, key1;
  uint32_t threshold;
  uint32_t head;    // << 16
  uint32_t sample;
  uint32_t place;   // site | view << 24
  float scale;      // 1 / keep_prob
};

// Calls of draw give the masks of keys 4 block .. 4 block + 3 for the queries from `query` on, one a lane.
SIMCSE_INLINE void draw(const AttentionDropout &dropout, int query, int block, M keep[4]) {
  static const uint32_t counting[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  U position = (load_u(counting) + splat_u((uint32_t)query)) | splat_u(dropout.head);
  U words[4] = {splat_u((uint32_t)block), position, splat_u(dropout.sample), splat_u(dropout.place)};
  philox(words, dropout.key0, dropout.key1);
  for (int i = 0; i < 4; i++) keep[i] = below(words[i], splat_u(dropout.threshold));
}

template <typename T>
struct Head {
  int64_t row;  // of the sentence's first token
  int length;
  int d;        // D
  int head;
  int heads;
  ptrdiff_t hidden;
  float scale;  // 1 / sqrt D
  const T *qkv; // of this head, at `row`
  AttentionDropout dropout;

  Rows<T> queries(int start) const { return {qkv + start * 3 * hidden, 3 * hidden}; }
  Rows<T> keys(int start) const { return {qkv + hidden + start * 3 * hidden, 3 * hidden}; }
  Rows<T> values(int start) const { return {qkv + 2 * hidden + start * 3 * hidden, 3 * hidden}; }
  ptrdiff_t at(int position) const { return (row + position) * hidden + head * (ptrdiff_t)d; }
  ptrdiff_t statistic(int position) const { return (row + position) * heads + head; }
};

// Head `head` of sentence `sentence` under view `view` of the arguments of either direction.
template <typename T, typename Arguments>
static Head<T> head_of(const Arguments &a, int view, int sentence, int head) {
  const simcse_batch &batch = *a.batch;
  Head<T> h;
  h.row = (int64_t)view * batch.tokens + batch.cu_seqlens[sentence];
  h.length = batch.cu_seqlens[sentence + 1] - batch.cu_seqlens[sentence];
  h.d = a.hidden / a.heads;
  h.head = head;
  h.heads = a.heads;
  h.hidden = a.hidden;
  h.scale = 1.0f / __builtin_sqrtf((float)h.d);
  h.qkv = (const T *)a.qkv + h.row * 3 * h.hidden + head * (ptrdiff_t)h.d;
  h.dropout.active = drops(a.dropout);
  h.dropout.key0 = a.dropout.key0;
  h.dropout.key1 = a.dropout.key1;
  h.dropout.threshold = h.dropout.active ? threshold(a.dropout) : 0;
  h.dropout.head = (uint32_t)head << 16;
  h.dropout.sample = (uint32_t)batch.samples[sentence];
  h.dropout.place = (uint32_t)a.dropout.site | (uint32_t)(batch.first_view + view) << 24;
  h.dropout.scale = 1.0f / a.dropout.keep_prob;
  return h;
}

static int longest(const simcse_batch &batch) {
  int most = 0;
  for (int b = 0; b < batch.sentences; b++) {
    int length = batch.cu_seqlens[b + 1] - batch.cu_seqlens[b];
    most = length > most ? length : most;
  }
  return most;
}

// Heads of a task: one of a long sentence; of a short one, whose heads are over in microseconds, all of them where
// there are many sentences, for the sake of what can be fetched ahead.
static int heads_of_task(const simcse_batch &batch, int heads) {
  if (longest(batch) > kBlock) return 1;
  if (batch.views * (int64_t)batch.sentences >= 64) return heads;
  return heads < 4 ? heads : 4;
}

// body(head, more, thread) for every head of every sentence and view; with `more` the same thread will get the next
// head of this sentence.
template <typename T, typename Arguments, typename Body>
static void for_each_head(Context &context, const Arguments &a, const Body &body) {
  const simcse_batch &batch = *a.batch;
  const int together = heads_of_task(batch, a.heads);
  const int64_t groups = (a.heads + together - 1) / together;
  parallel(context, batch.views * (int64_t)batch.sentences * groups, [&](int64_t task, int thread) {
    int64_t sentence = task / groups;
    int from = (int)(task % groups) * together;
    int to = from + together < a.heads ? from + together : a.heads;
    for (int head = from; head < to; head++) {
      body(head_of<T>(a, (int)(sentence / batch.sentences), (int)(sentence % batch.sentences), head), head + 1 < to,
           thread);
    }
  });
}

// Asks for the first rows of the next head while this one is computed: a head's rows are a few lines each and far
// apart, which no prefetcher of the machine makes out. That took a tenth to a fifth off short sentences.
template <int kWrite, typename T>
SIMCSE_INLINE void fetch_next(const Head<T> &h, const T *rows, ptrdiff_t stride) {
  const int bytes = h.d * (int)sizeof(T);
  for (int i = 0; i < block_length(h.length, 0); i++) {
    const char *next = (const char *)(rows + i * stride + h.d);
    for (int line = 0; line < bytes; line += 64) __builtin_prefetch(next + line, kWrite, 2);
  }
}

template <typename T>
SIMCSE_INLINE void fetch_next_qkv(const Head<T> &h) {
  for (int part = 0; part < 3; part++) fetch_next<0>(h, h.qkv + part * h.hidden, 3 * h.hidden);
}

}  // namespace simcse::cpu::SIMCSE_TIER
