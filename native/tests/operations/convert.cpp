// convert, bit for bit: every bf16 widened, and floats around every rounding rule narrowed.
#include <cmath>
#include <cstring>

#include "harness.hpp"

namespace simcse_test {
namespace {

float from_bits(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}

void check_widening(Suite &suite, int64_t count) {
  Case c(suite, format("convert bf16 to f32 of %d", static_cast<int>(count)));
  Bytes in_bytes, want;
  for (int64_t i = 0; i < count; i++) {
    uint32_t bits = static_cast<uint32_t>(count == 65536 ? i : c.random.below(65536));
    // A signalling NaN may come out quiet.
    if ((bits & 0x7f80) == 0x7f80 && (bits & 0x7f) != 0) bits |= 0x40;
    for (int b = 0; b < 16; b += 8) in_bytes.push_back(static_cast<char>(bits >> b));
    for (int b = 0; b < 32; b += 8) want.push_back(static_cast<char>(bits << 16 >> b));
  }
  Operand &from = c.input("from", Type::kU16, decoded(Type::kU16, in_bytes));
  Operand &to = c.output("to", Type::kF32, count);
  c.run([&](const simcse_api &api, simcse_device *device) {
    simcse_convert a = {};
    a.from_dtype = SIMCSE_BF16;
    a.to_dtype = SIMCSE_F32;
    a.count = count;
    a.from = from;
    a.to = to;
    return api.convert(device, nullptr, c.arguments(a));
  });
  c.expect_bits(to, want);
}

void check_narrowing(Suite &suite, int64_t count) {
  // Ties to an even and to an odd number, just beside them, the largest, infinities, NaN, subnormals and zeros. How
  // the instruction of AVX-512 BF16 treats subnormals is not the others' way: both zero and the rounded one will do.
  static const uint32_t kSpecial[] = {0x3f808000, 0x3f818000, 0x3f807fff, 0x3f808001, 0x7f7fffff, 0x7f7f7fff,
                                      0x7f800000, 0xff800000, 0x00000000, 0x80000000, 0x3fffffff, 0xbf808000};
  Case c(suite, format("convert f32 to bf16 of %d", static_cast<int>(count)));
  Numbers values;
  for (int64_t i = 0; i < count; i++) {
    double random = c.random.normal() * std::exp2(c.random.uniform() * 200 - 100);
    bool special = i >= 3 && i < 3 + static_cast<int64_t>(std::size(kSpecial));
    values.push_back(special ? from_bits(kSpecial[i - 3]) : rounded(Type::kF32, random));
  }
  Operand &from = c.input("from", Type::kF32, values);
  Operand &to = c.output("to", Type::kBf16, count);
  c.run([&](const simcse_api &api, simcse_device *device) {
    simcse_convert a = {};
    a.from_dtype = SIMCSE_F32;
    a.to_dtype = SIMCSE_BF16;
    a.count = count;
    a.from = from;
    a.to = to;
    return api.convert(device, nullptr, c.arguments(a));
  });
  c.expect_bits(to, encoded(Type::kBf16, values));
}

// NaN stays NaN whatever its payload, and subnormals stay small.
void check_odd_ones(Suite &suite) {
  Case c(suite, "convert NaN and subnormal f32 to bf16");
  static const uint32_t kOdd[] = {0x7fc00000, 0x7f800001, 0xffc12345, 0x7fffffff, 0x00000001, 0x807fffff, 0x00400000};
  Bytes bytes(sizeof kOdd);
  std::memcpy(bytes.data(), kOdd, sizeof kOdd);
  Operand &from = c.input("from", Type::kU8, decoded(Type::kU8, bytes));
  Operand &to = c.output("to", Type::kBf16, std::size(kOdd));
  c.run([&](const simcse_api &api, simcse_device *device) {
    simcse_convert a = {};
    a.from_dtype = SIMCSE_F32;
    a.to_dtype = SIMCSE_BF16;
    a.count = std::size(kOdd);
    a.from = from;
    a.to = to;
    return api.convert(device, nullptr, c.arguments(a));
  });
  for (std::size_t target = 0; c.ran() && target < suite.targets.size(); target++) {
    Numbers out = decoded(Type::kBf16, to.after[target]);
    for (std::size_t i = 0; i < out.size(); i++) {
      bool good = i < 4 ? std::isnan(out[i]) : std::fabs(out[i]) <= 0x1p-126;
      if (!good) c.fail(format("element %zu became %g on %s", i, out[i], suite.targets[target].name.c_str()));
    }
  }
}

}  // namespace

void test_convert(Suite &suite) {
  for (int64_t count : {1, 7, 8, 15, 16, 17, 31, 32, 33, 1000, 70001}) {
    check_widening(suite, count);
    check_narrowing(suite, count);
  }
  check_widening(suite, 65536);
  check_odd_ones(suite);
}

}  // namespace simcse_test
