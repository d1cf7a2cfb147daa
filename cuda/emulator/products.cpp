// The matrix product of a warp: fragments gathered into matrices, multiplied, and scattered again.
#include "../simt.hpp"

namespace simcse::cuda::emulator {

void exchange_products(void *const *operands, unsigned) {
  float a[16][16], b[16][8];
  for (int lane = 0; lane < kWarp; lane++) {
    const Product &from = *static_cast<const Product *>(operands[lane]);
    const int g = lane / 4;
    const int t = 2 * (lane % 4);
    for (int i = 0; i < 4; i++) {
      a[g + i % 2 * 8][t + i / 2 * 8] = float_of_bits(from.a[i] << 16);
      a[g + i % 2 * 8][t + i / 2 * 8 + 1] = float_of_bits(from.a[i] & 0xffff0000u);
    }
    for (int i = 0; i < 2; i++) {
      b[t + i * 8][g] = float_of_bits(from.b[i] << 16);
      b[t + i * 8 + 1][g] = float_of_bits(from.b[i] & 0xffff0000u);
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

}  // namespace simcse::cuda::emulator
