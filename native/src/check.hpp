// The checks that many operations share. Each throws a Failure whose text starts with the operation and the member.
#pragma once

#include <initializer_list>

#include "failure.hpp"

namespace simcse {

class Check {
 public:
  // The struct itself: there, and of the size that this library knows.
  template <typename Arguments>
  Check(const char *operation, const Arguments *arguments) : operation_(operation) {
    struct_size("arguments", arguments);
  }

  template <typename Struct>
  void struct_size(const char *name, const Struct *given) const {
    if (given == nullptr) fail(SIMCSE_INVALID_ARGUMENT, "%s: %s is null", operation_, name);
    sized(name, given->struct_size, sizeof(Struct));
  }

  [[gnu::format(printf, 3, 4)]] void that(bool condition, const char *format, ...) const;

  void at_least(const char *name, int64_t value, int64_t least) const;
  void at_most(const char *name, int64_t value, int64_t most) const;
  void flag(const char *name, int32_t value) const;
  void reserved(int32_t value) const;
  void finite(const char *name, double value) const;
  void not_negative(const char *name, double value) const;
  void dtype(const char *name, simcse_dtype value) const;
  // `value` is `dtype` or SIMCSE_F32.
  void dtype_or_f32(const char *name, simcse_dtype value, simcse_dtype dtype) const;

  // Not null, and aligned to its elements.
  template <typename T>
  void array(const char *name, const T *memory) const {
    aligned(name, memory, sizeof(T));
  }
  void array(const char *name, const void *memory, simcse_dtype dtype) const;
  void absent(const char *name, const void *memory, const char *where) const;

  // Arrays of these extents have less than 2^63 bytes; `name` spells the product.
  void bytes(const char *name, std::initializer_list<int64_t> extents, int64_t element) const;

  void hidden(int32_t channels) const;
  void batch(const simcse_batch *batch, bool readable) const;
  void ids(const simcse_batch &batch, int32_t vocabulary) const;
  void norm(const simcse_layer_norm &norm) const;
  void dropout(const simcse_dropout &dropout) const;

 private:
  void sized(const char *name, uint64_t given, uint64_t known) const;
  void aligned(const char *name, const void *memory, uintptr_t element) const;
  void sentences(const simcse_batch &batch) const;

  const char *operation_;
};

inline int64_t size_of(simcse_dtype dtype) { return dtype == SIMCSE_BF16 ? 2 : 4; }

inline int64_t rows_of(const simcse_batch &batch) { return (int64_t)batch.views * batch.tokens; }

}  // namespace simcse
