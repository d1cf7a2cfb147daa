#include "check.hpp"

#include <cinttypes>
#include <cmath>

namespace simcse {

namespace {

// Far above any model, and low enough that kernels can count channels, and three times as many, in 32 bits.
constexpr int32_t kMostChannels = 1 << 24;
constexpr int32_t kMostViews = 256;
constexpr int32_t kSites = 1 << 24;

}  // namespace

void Check::that(bool condition, const char *format, ...) const {
  if (condition) return;
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  fail(SIMCSE_INVALID_ARGUMENT, "%s: %s", operation_, text);
}

void Check::sized(const char *name, uint64_t given, uint64_t known) const {
  that(given == known, "%s.struct_size is %" PRIu64 ", this library knows %" PRIu64, name, given, known);
}

void Check::at_least(const char *name, int64_t value, int64_t least) const {
  that(value >= least, "%s is %" PRId64 ", below %" PRId64, name, value, least);
}

void Check::at_most(const char *name, int64_t value, int64_t most) const {
  that(value <= most, "%s is %" PRId64 ", above %" PRId64, name, value, most);
}

void Check::flag(const char *name, int32_t value) const {
  that(value == 0 || value == 1, "%s is %" PRId32 ", neither 0 nor 1", name, value);
}

void Check::reserved(int32_t value) const { that(value == 0, "reserved is %" PRId32 ", not 0", value); }

void Check::finite(const char *name, double value) const {
  that(std::isfinite(value), "%s is %g, not a finite number", name, value);
}

void Check::not_negative(const char *name, double value) const {
  finite(name, value);
  that(value >= 0, "%s is %g, below 0", name, value);
}

void Check::dtype(const char *name, simcse_dtype value) const {
  that(value == SIMCSE_F32 || value == SIMCSE_BF16, "%s is %" PRId32 ", neither SIMCSE_F32 nor SIMCSE_BF16", name,
       value);
}

void Check::dtype_or_f32(const char *name, simcse_dtype value, simcse_dtype dtype) const {
  that(value == dtype || value == SIMCSE_F32, "%s is %" PRId32 ", neither dtype nor SIMCSE_F32", name, value);
}

void Check::aligned(const char *name, const void *memory, uintptr_t element) const {
  that(memory != nullptr, "%s is null", name);
  that(reinterpret_cast<uintptr_t>(memory) % element == 0, "%s is not aligned to its elements of %d bytes", name,
       (int)element);
}

void Check::array(const char *name, const void *memory, simcse_dtype dtype) const {
  aligned(name, memory, (uintptr_t)size_of(dtype));
}

void Check::absent(const char *name, const void *memory, const char *where) const {
  that(memory == nullptr, "%s must be null %s", name, where);
}

void Check::bytes(const char *name, std::initializer_list<int64_t> extents, int64_t element) const {
  int64_t product = element;
  for (int64_t extent : extents) {
    that(!__builtin_mul_overflow(product, extent, &product), "%s overflows: more than 2^63 bytes", name);
  }
}

void Check::hidden(int32_t channels) const {
  at_least("hidden", channels, 1);
  at_most("hidden", channels, kMostChannels);
}

void Check::norm(const simcse_layer_norm &norm) const {
  array("norm.gamma", norm.gamma);
  array("norm.beta", norm.beta);
  not_negative("norm.epsilon", norm.epsilon);
  that(norm.reserved == 0, "norm.reserved is %" PRId32 ", not 0", norm.reserved);
}

void Check::dropout(const simcse_dropout &dropout) const {
  that(dropout.keep_prob > 0 && dropout.keep_prob <= 1, "dropout.keep_prob is %g, not in (0, 1]",
       (double)dropout.keep_prob);
  that(dropout.site >= 0 && dropout.site < kSites, "dropout.site is %" PRId32 ", not in 0 .. 2^24 - 1", dropout.site);
}

void Check::batch(const simcse_batch *batch, bool readable) const {
  struct_size("batch", batch);
  array("batch.ids", batch->ids);
  array("batch.starts", batch->starts);
  array("batch.cu_seqlens", batch->cu_seqlens);
  array("batch.samples", batch->samples);
  at_least("batch.sentences", batch->sentences, 1);
  that(batch->tokens >= batch->sentences, "batch.tokens is %" PRId32 ", below batch.sentences, which is %" PRId32,
       batch->tokens, batch->sentences);
  at_least("batch.max_length", batch->max_length, 1);
  that(batch->max_length <= batch->tokens, "batch.max_length is %" PRId32 ", above batch.tokens, which is %" PRId32,
       batch->max_length, batch->tokens);
  at_least("batch.views", batch->views, 1);
  at_least("batch.first_view", batch->first_view, 0);
  that((int64_t)batch->first_view + batch->views <= kMostViews,
       "batch.first_view + batch.views is %" PRId64 ", above 256", (int64_t)batch->first_view + batch->views);
  that(rows_of(*batch) <= INT32_MAX, "batch.views * batch.tokens overflows 31 bits: %" PRId64, rows_of(*batch));
  at_least("batch.id_count", batch->id_count, 1);
  that(batch->reserved == 0, "batch.reserved is %" PRId32 ", not 0", batch->reserved);
  if (readable) sentences(*batch);
}

void Check::sentences(const simcse_batch &batch) const {
  const int32_t *cu_seqlens = batch.cu_seqlens;
  that(cu_seqlens[0] == 0, "batch.cu_seqlens[0] is %" PRId32 ", not 0", cu_seqlens[0]);
  int32_t longest = 0;
  for (int32_t b = 0; b < batch.sentences; b++) {
    that(cu_seqlens[b + 1] > cu_seqlens[b], "batch.cu_seqlens[%" PRId32 "] is %" PRId32 ", not above the one before",
         b + 1, cu_seqlens[b + 1]);
    int32_t length = cu_seqlens[b + 1] - cu_seqlens[b];
    longest = length > longest ? length : longest;
  }
  that(cu_seqlens[batch.sentences] == batch.tokens,
       "batch.cu_seqlens[%" PRId32 "] is %" PRId32 ", not batch.tokens, which is %" PRId32, batch.sentences,
       cu_seqlens[batch.sentences], batch.tokens);
  that(longest == batch.max_length, "batch.max_length is %" PRId32 ", but the longest sentence has %" PRId32,
       batch.max_length, longest);
  for (int32_t b = 0; b < batch.sentences; b++) {
    int32_t length = cu_seqlens[b + 1] - cu_seqlens[b];
    that(batch.starts[b] >= 0 && batch.starts[b] <= batch.id_count - length,
         "batch.starts[%" PRId32 "] is %" PRId64 ": %" PRId32 " tokens from there are not inside the %" PRId64 " ids",
         b, batch.starts[b], length, batch.id_count);
  }
}

void Check::ids(const simcse_batch &batch, int32_t vocabulary) const {
  for (int32_t b = 0; b < batch.sentences; b++) {
    const int32_t *sentence = batch.ids + batch.starts[b];
    for (int32_t t = 0; t < batch.cu_seqlens[b + 1] - batch.cu_seqlens[b]; t++) {
      that(sentence[t] >= 0 && sentence[t] < vocabulary, "batch.ids[%" PRId64 "] is %" PRId32 ", not in 0 .. %" PRId32,
           batch.starts[b] + t, sentence[t], vocabulary - 1);
    }
  }
}

}  // namespace simcse
