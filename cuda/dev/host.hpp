// Arrays of the host side: random inputs and what came back, read as doubles whatever their type.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "../launch.hpp"

namespace simcse::cuda {
struct bf16;
}

namespace simcse::cuda::dev {

using Doubles = std::vector<double>;

enum class Type { f32, bf16, i32, i64, u8 };
int64_t size_of(Type type);

template <typename T>
constexpr Type type_of();
template <>
constexpr Type type_of<float>() {
  return Type::f32;
}
template <>
constexpr Type type_of<bf16>() {
  return Type::bf16;
}
template <>
constexpr Type type_of<int32_t>() {
  return Type::i32;
}
template <>
constexpr Type type_of<uint32_t>() {
  return Type::i32;
}
template <>
constexpr Type type_of<int64_t>() {
  return Type::i64;
}
template <>
constexpr Type type_of<uint8_t>() {
  return Type::u8;
}

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15u + 1) {}
  uint32_t next() {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<uint32_t>(state_ >> 32);
  }
  double uniform() { return next() * 0x1p-31 - 1; }  // -1 to 1
  double normal();

 private:
  uint64_t state_;
};

class Host {
 public:
  Host(Type type, int64_t count);  // every byte 0xff: not a number, or -1
  static Host random(Type type, int64_t count, Random &random, double scale = 1, double shift = 0);
  template <typename T>
  static Host of(const std::vector<T> &values) {
    Host host(type_of<T>(), static_cast<int64_t>(values.size()));
    for (int64_t i = 0; i < host.count(); i++) host.set(i, static_cast<double>(values[static_cast<size_t>(i)]));
    return host;
  }

  Type type() const { return type_; }
  int64_t count() const { return count_; }
  int64_t bytes() const { return count_ * size_of(type_); }
  void *data() { return bytes_.data(); }
  const void *data() const { return bytes_.data(); }
  double operator[](int64_t i) const;
  void set(int64_t i, double x);  // rounded to the type

 private:
  Type type_;
  int64_t count_;
  std::vector<unsigned char> bytes_;
};

// As the type stores it.
double rounded(Type type, double x);
Doubles rounded(Type type, Doubles x);
Doubles doubles_of(const Host &values);

// Up to `most` of 0 .. count - 1, spread evenly, with the first and the last.
std::vector<int64_t> spread(int64_t count, int64_t most);

// ||out - reference|| / ||reference||; not a number where an output is.
double error_of(const Doubles &out, const Doubles &reference);

// 0 or 1 / keep_prob, from the definition in simcse.h.
double dropout_factor(const simcse_dropout &dropout, int64_t element, uint32_t c1, uint32_t sample, uint32_t view);

}  // namespace simcse::cuda::dev
