// The matrix product of a warp: fragments gathered into matrices, multiplied, and scattered again; and half precision,
// which the compiler may not know.
#include "../simt.hpp"

namespace simcse::cuda::emulator {

namespace {

float float_of_bf16(uint16_t bits) { return float_of_bits(static_cast<uint32_t>(bits) << 16); }

template <typename ToFloat>
void exchange(void *const *operands, ToFloat to_float) {
  float a[16][16], b[16][8];
  for (int lane = 0; lane < kWarp; lane++) {
    const Product &from = *static_cast<const Product *>(operands[lane]);
    const int g = lane / 4;
    const int t = 2 * (lane % 4);
    for (int i = 0; i < 4; i++) {
      a[g + i % 2 * 8][t + i / 2 * 8] = to_float(static_cast<uint16_t>(from.a[i]));
      a[g + i % 2 * 8][t + i / 2 * 8 + 1] = to_float(static_cast<uint16_t>(from.a[i] >> 16));
    }
    for (int i = 0; i < 2; i++) {
      b[t + i * 8][g] = to_float(static_cast<uint16_t>(from.b[i]));
      b[t + i * 8 + 1][g] = to_float(static_cast<uint16_t>(from.b[i] >> 16));
    }
  }
  for (int lane = 0; lane < kWarp; lane++) {
    Product &to = *static_cast<Product *>(operands[lane]);
    for (int i = 0; i < 4; i++) {
      const int row = lane / 4 + i / 2 * 8;
      const int column = 2 * (lane % 4) + i % 2;
      for (int k = 0; k < 16; k++) to.d[i] += a[row][k] * b[k][column];
    }
  }
}

}  // namespace

void exchange_products(void *const *operands, unsigned) { exchange(operands, float_of_bf16); }
void exchange_half_products(void *const *operands, unsigned) { exchange(operands, float_of_half); }

float float_of_half(uint16_t bits) {
  const int exponent = bits >> 10 & 31;
  const int fraction = bits & 1023;
  const float size = exponent == 31 ? (fraction == 0 ? HUGE_VALF : NAN)
                                    : ldexpf(static_cast<float>(exponent == 0 ? fraction : fraction + 1024),
                                             (exponent == 0 ? 1 : exponent) - 25);
  return (bits & 0x8000) != 0 ? -size : size;
}

uint16_t half_of_float(float x) {
  const uint16_t sign = signbit(x) ? 0x8000 : 0;
  if (x != x) return 0x7fff;
  if (x == 0.0f) return sign;
  const float size = fabsf(x);
  if (size >= 65520.0f) return sign | 0x7c00;
  // In units of the last place of a half of this size; rintf rounds ties to even, and a carry goes on to the exponent.
  int exponent = 0;
  frexpf(size, &exponent);
  const int unit = exponent < -13 ? -24 : exponent - 11;
  const int units = static_cast<int>(rintf(ldexpf(size, -unit)));
  return static_cast<uint16_t>(sign | (((unit + 24) << 10) + units));
}

}  // namespace simcse::cuda::emulator
