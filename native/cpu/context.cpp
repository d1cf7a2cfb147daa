#include "context.hpp"

#include <cinttypes>

#include "../src/failure.hpp"
#include "packed_weights.hpp"

namespace simcse::cpu {

namespace {

char *at_least(Pages &pages, std::size_t bytes) {
  if (pages.memory() == nullptr || pages.bytes() < bytes) {
    pages = Pages();
    pages = Pages(bytes);
  }
  return pages.memory();
}

}  // namespace

Context::Context(int threads) : pool_(threads), packed_(new PackedWeights) {}

Context::~Context() { delete packed_; }

int Context::threads() const { return pool_.threads(); }

void Context::run(int64_t tasks, Pool::Body body, void *argument) { pool_.run(tasks, body, argument); }

char *Context::shared(std::size_t bytes) { return at_least(shared_, bytes); }

char *Context::per_thread(std::size_t bytes) {
  std::size_t stride = Context::stride(bytes);
  std::size_t total;
  if (stride < bytes || __builtin_mul_overflow(stride, (std::size_t)threads(), &total)) throw OutOfMemory(bytes);
  return at_least(threads_, total);
}

void Context::refuse_row(const char *operation, const char *array, int64_t row) {
  fail(SIMCSE_INVALID_ARGUMENT, "%s: %s[%" PRId64 "] holds NaN or infinity", operation, array, row);
}

PackedWeights &Context::packed_weights() { return *packed_; }

}  // namespace simcse::cpu
