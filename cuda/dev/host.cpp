#include "host.hpp"

#include <cmath>
#include <cstdlib>
#include <cstring>

namespace simcse::cuda::dev {

namespace {

uint16_t bf16_bits(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  if (x != x) return 0x7fff;
  return static_cast<uint16_t>((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
}

float float_of_bf16(uint16_t half) {
  const uint32_t bits = static_cast<uint32_t>(half) << 16;
  float x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

template <typename T>
T load(const unsigned char *from) {
  T x;
  std::memcpy(&x, from, sizeof x);
  return x;
}

template <typename T>
void store(unsigned char *to, T x) {
  std::memcpy(to, &x, sizeof x);
}

}  // namespace

int64_t size_of(Type type) {
  constexpr int64_t kSizes[] = {4, 2, 4, 8, 1};
  return kSizes[static_cast<int>(type)];
}

// Box and Muller 1958.
double Random::normal() {
  const double radius = std::sqrt(-2 * std::log((next() + 0.5) * 0x1p-32));
  return radius * std::cos(6.283185307179586 * next() * 0x1p-32);
}

Host::Host(Type type, int64_t count)
    : type_(type), count_(count), bytes_(static_cast<size_t>(count * size_of(type)), 0xff) {}

Host Host::random(Type type, int64_t count, Random &random, double scale, double shift) {
  Host host(type, count);
  for (int64_t i = 0; i < count; i++) host.set(i, random.uniform() * scale + shift);
  return host;
}

double Host::operator[](int64_t i) const {
  const unsigned char *const from = bytes_.data() + i * size_of(type_);
  switch (type_) {
    case Type::f32: return static_cast<double>(load<float>(from));
    case Type::bf16: return static_cast<double>(float_of_bf16(load<uint16_t>(from)));
    case Type::i32: return load<int32_t>(from);
    case Type::i64: return static_cast<double>(load<int64_t>(from));
    default: return *from;
  }
}

void Host::set(int64_t i, double x) {
  unsigned char *const to = bytes_.data() + i * size_of(type_);
  switch (type_) {
    case Type::f32: return store(to, static_cast<float>(x));
    case Type::bf16: return store(to, bf16_bits(static_cast<float>(x)));
    case Type::i32: return store(to, static_cast<int32_t>(x));
    case Type::i64: return store(to, static_cast<int64_t>(x));
    default: return store(to, static_cast<uint8_t>(x));
  }
}

double rounded(Type type, double x) {
  const float narrow = static_cast<float>(x);
  return static_cast<double>(type == Type::bf16 ? float_of_bf16(bf16_bits(narrow)) : narrow);
}

Doubles rounded(Type type, Doubles x) {
  for (double &each : x) each = rounded(type, each);
  return x;
}

Doubles doubles_of(const Host &values) {
  Doubles all;
  all.reserve(static_cast<size_t>(values.count()));
  for (int64_t i = 0; i < values.count(); i++) all.push_back(values[i]);
  return all;
}

std::vector<int64_t> spread(int64_t count, int64_t most) {
  std::vector<int64_t> all;
  const int64_t taken = count < most ? count : most;
  for (int64_t i = 0; i < taken; i++) all.push_back(taken == 1 ? 0 : i * (count - 1) / (taken - 1));
  return all;
}

double error_of(const Doubles &out, const Doubles &reference) {
  if (out.size() != reference.size()) std::abort();
  double squares = 0, squares_of_reference = 0;
  for (size_t i = 0; i < out.size(); i++) {
    squares += (out[i] - reference[i]) * (out[i] - reference[i]);
    squares_of_reference += reference[i] * reference[i];
  }
  return squares == 0 ? 0 : std::sqrt(squares / squares_of_reference);
}

// Philox4x32-10 (Salmon et al. 2011).
double dropout_factor(const simcse_dropout &dropout, int64_t element, uint32_t c1, uint32_t sample, uint32_t view) {
  if (dropout.keep_prob >= 1) return 1;
  uint32_t c[4] = {static_cast<uint32_t>(element / 4), c1, sample, static_cast<uint32_t>(dropout.site) | view << 24};
  uint32_t key0 = dropout.key0, key1 = dropout.key1;
  for (int round = 0; round < 10; round++) {
    const uint64_t p0 = 0xD2511F53ull * c[0];
    const uint64_t p1 = 0xCD9E8D57ull * c[2];
    const uint32_t next[4] = {static_cast<uint32_t>(p1 >> 32) ^ c[1] ^ key0, static_cast<uint32_t>(p1),
                              static_cast<uint32_t>(p0 >> 32) ^ c[3] ^ key1, static_cast<uint32_t>(p0)};
    std::memcpy(c, next, sizeof c);
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  const bool kept = c[element % 4] < static_cast<double>(dropout.keep_prob) * 4294967296.0;
  return kept ? 1 / static_cast<double>(dropout.keep_prob) : 0;
}

}  // namespace simcse::cuda::dev
