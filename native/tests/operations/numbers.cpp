// Numbers in the types of the library, and random ones.
#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <cstring>

#include "harness.hpp"

namespace simcse_test {
namespace {

// To the nearest of the numbers with 8 significant bits, ties to even.
uint16_t bf16(double value) {
  float single = static_cast<float>(value);
  uint32_t bits;
  std::memcpy(&bits, &single, 4);
  if (std::isnan(single)) return static_cast<uint16_t>(bits >> 16 | 0x40);
  uint32_t upper = bits >> 16;
  uint32_t rest = bits & 0xffff;
  if (rest > 0x8000 || (rest == 0x8000 && (upper & 1) != 0)) upper++;
  return static_cast<uint16_t>(upper);
}

double widened(uint16_t value) {
  uint32_t bits = static_cast<uint32_t>(value) << 16;
  float single;
  std::memcpy(&single, &bits, 4);
  return single;
}

template <typename T> void put(Bytes &bytes, std::size_t index, T value) {
  std::memcpy(&bytes[index * sizeof(T)], &value, sizeof(T));
}

template <typename T> T get(const Bytes &bytes, std::size_t index) {
  T value;
  std::memcpy(&value, &bytes[index * sizeof(T)], sizeof(T));
  return value;
}

}  // namespace

simcse_dtype dtype(Type type) { return type == Type::kBf16 ? SIMCSE_BF16 : SIMCSE_F32; }

const char *name(Type type) { return type == Type::kBf16 ? "bf16" : "f32"; }

std::size_t size_of(Type type) {
  switch (type) {
    case Type::kF32:
    case Type::kI32: return 4;
    case Type::kBf16:
    case Type::kU16: return 2;
    case Type::kI64: return 8;
    case Type::kU8: return 1;
  }
  return 0;
}

double rounded(Type type, double value) {
  if (type == Type::kBf16) return widened(bf16(value));
  return type == Type::kF32 ? static_cast<double>(static_cast<float>(value)) : value;
}

Numbers rounded(Type type, Numbers values) {
  for (double &value : values) value = rounded(type, value);
  return values;
}

Bytes encoded(Type type, const Numbers &values) {
  Bytes bytes(values.size() * size_of(type));
  for (std::size_t i = 0; i < values.size(); i++) {
    switch (type) {
      case Type::kF32: put(bytes, i, static_cast<float>(values[i])); break;
      case Type::kBf16: put(bytes, i, bf16(values[i])); break;
      case Type::kI32: put(bytes, i, static_cast<int32_t>(values[i])); break;
      case Type::kI64: put(bytes, i, static_cast<int64_t>(values[i])); break;
      case Type::kU8: put(bytes, i, static_cast<uint8_t>(values[i])); break;
      case Type::kU16: put(bytes, i, static_cast<uint16_t>(values[i])); break;
    }
  }
  return bytes;
}

Numbers decoded(Type type, const Bytes &bytes) {
  Numbers values(bytes.size() / size_of(type));
  for (std::size_t i = 0; i < values.size(); i++) {
    switch (type) {
      case Type::kF32: values[i] = get<float>(bytes, i); break;
      case Type::kBf16: values[i] = widened(get<uint16_t>(bytes, i)); break;
      case Type::kI32: values[i] = get<int32_t>(bytes, i); break;
      case Type::kI64: values[i] = static_cast<double>(get<int64_t>(bytes, i)); break;
      case Type::kU8: values[i] = get<uint8_t>(bytes, i); break;
      case Type::kU16: values[i] = get<uint16_t>(bytes, i); break;
    }
  }
  return values;
}

uint64_t Random::next() {
  uint64_t z = state_ += 0x9E3779B97F4A7C15u;
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
  z = (z ^ z >> 27) * 0x94D049BB133111EBu;
  return z ^ z >> 31;
}

double Random::uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }

int64_t Random::below(int64_t bound) { return static_cast<int64_t>(next() % static_cast<uint64_t>(bound)); }

double Random::normal() {
  double radius = std::sqrt(-2 * std::log(1 - uniform()));
  return radius * std::cos(2 * M_PI * uniform());
}

Numbers Random::normals(Type type, int64_t count, double mean, double deviation) {
  Numbers values(static_cast<std::size_t>(count));
  for (double &value : values) value = rounded(type, mean + deviation * normal());
  return values;
}

std::string format(const char *pattern, ...) {
  char text[1024];
  va_list values;
  va_start(values, pattern);
  std::vsnprintf(text, sizeof text, pattern, values);
  va_end(values);
  return text;
}

}  // namespace simcse_test
