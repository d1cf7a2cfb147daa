// Products of warpgroups: operands are found by their descriptors when the last lane asks for a product, and once more
// when it is waited for; until then the lanes' sums are not numbers.
#include "asynchronous.hpp"
#include "engine.hpp"

namespace simcse::cuda::emulator {

namespace {

constexpr int kRows = 64, kDepth = 16, kMostColumns = 256;

// A matrix descriptor, with which PTX says where an operand lies.
struct Operand {
  unsigned start, leading, stride, base, swizzle;
  explicit Operand(uint64_t bits)
      : start(static_cast<unsigned>(bits & 0x3fff) << 4),
        leading(static_cast<unsigned>(bits >> 16 & 0x3fff) << 4),
        stride(static_cast<unsigned>(bits >> 32 & 0x3fff) << 4),
        base(static_cast<unsigned>(bits >> 49 & 7)),
        swizzle(static_cast<unsigned>(bits >> 62)) {}

  // Of element k of the sum, in row i of the operand: the canonical layouts of 16-bit numbers in 128-byte swizzle,
  //   along the sum    ((8, m), (8, 2)) : ((128, stride), (2, 16)) bytes
  //   across the sum   ((8, 8, m), (8, 2)) : ((2, 16, leading), (128, stride)) bytes
  // and then bits 4 to 6 of the address with bits 7 to 9 upon them.
  unsigned address(bool across, int row, int depth) const {
    const unsigned i = static_cast<unsigned>(row), k = static_cast<unsigned>(depth);
    const unsigned at = across ? start + i % 64 * 2 + i / 64 * leading + k % 8 * 128 + k / 8 * stride
                               : start + i % 8 * 128 + i / 8 * stride + k * 2;
    return at ^ (at >> 7 & 7) << 4;
  }
};

// Before anything is read: a fault leaves the stack as it is, so that nothing on it may own memory.
void check(uint64_t descriptor, bool across, int rows, Site at) {
  const Operand operand(descriptor);
  if (operand.swizzle != 1) fail(at, "an operand of swizzle mode %u; emulated is that of 128 bytes", operand.swizzle);
  if (operand.base != 0) fail(at, "an operand of base offset %u", operand.base);
  for (int i = 0; i < rows; i += 8) {
    for (int k = 0; k < kDepth; k++) engine().at_shared_address(operand.address(across, i, k), 2, at);
    engine().at_shared_address(operand.address(across, i + 7, kDepth - 1), 2, at);
  }
}

std::vector<uint16_t> read(uint64_t descriptor, bool across, int rows, Site at) {
  const Operand operand(descriptor);
  std::vector<uint16_t> x(static_cast<std::size_t>(rows * kDepth));
  for (int i = 0; i < rows; i++) {
    for (int k = 0; k < kDepth; k++) {
      std::memcpy(&x[static_cast<std::size_t>(i * kDepth + k)],
                  engine().at_shared_address(operand.address(across, i, k), 2, at), 2);
    }
  }
  return x;
}

// To ThreadSanitizer, for a lane: 16 bytes at a time are neighbours.
void tell_operand(uint64_t descriptor, bool across, int rows, Site at) {
  const Operand operand(descriptor);
  for (int i = 0; i < rows; i += across ? 8 : 1) {
    for (int k = 0; k < kDepth; k += across ? 1 : 8) {
      tell_read(engine().at_shared_address(operand.address(across, i, k), 16, at), 16);
    }
  }
}

void tell_operands(const Wgmma &product, Site at) {
  if (!__tsan_read_range || position.thread % kWarp != 0) return;
  tell_operand(product.a, product.across_a, kRows, at);
  tell_operand(product.b, product.across_b, product.columns, at);
}

const float *halves() {
  static const std::vector<float> all = [] {
    std::vector<float> x(0x10000);
    for (uint32_t bits = 0; bits < 0x10000; bits++) x[bits] = float_of_half(static_cast<uint16_t>(bits));
    return x;
  }();
  return all.data();
}

// Where a lane has its part of the sums.
std::size_t place(int lane, int i) {
  const int row = lane / kWarp * 16 + i / 2 % 2 * 8 + lane % kWarp / 4;
  const int column = i / 4 * 8 + lane % 4 * 2 + i % 2;
  return static_cast<std::size_t>(row * kMostColumns + column);
}

bool same(const Wgmma &x, const Wgmma &y) {
  return x.a == y.a && x.b == y.b && x.columns == y.columns && x.across_a == y.across_a && x.across_b == y.across_b &&
         x.add == y.add;
}

}  // namespace

void Asynchronous::multiply(float *d, const Wgmma &what, Site at) {
  if ((position.thread / kWarpgroup + 1) * kWarpgroup > position.threads) fail(at, "no four warps for a product");
  Warpgroup &group = warpgroup();
  ProductsOfLane &lane = engine().lane().products;
  const std::size_t count = static_cast<std::size_t>(what.columns / 2);
  if (!lane.in_flight()) {
    if (!lane.fenced) fail(at, "a product without wgmma_fence before it");
    for (std::size_t i = 0; i < count; i++) {
      group.sums[place(position.thread % kWarpgroup, static_cast<int>(i))] = d[i];
    }
    std::memset(d, kRubbish, count * sizeof(float));
    lane.d = d;
  }
  if (lane.d != d) fail(at, "a product with other sums than those in flight");
  tell_operands(what, at);
  const std::size_t number = static_cast<std::size_t>(lane.asked);
  if (number == group.products.size()) {
    LookAway look_away;
    group.products.push_back({what, at, 0, false, {}, {}});
  }
  Product &product = group.products[number];
  if (!same(product.what, what)) fail(at, "lanes of a warpgroup ask for different products");
  lane.asked++;
  if (++product.lanes < kWarpgroup) return;
  check(what.a, what.across_a, kRows, at);
  check(what.b, what.across_b, what.columns, at);
  LookAway look_away;
  product.a = read(what.a, what.across_a, kRows, at);
  product.b = read(what.b, what.across_b, what.columns, at);
  group.asked = lane.asked;
  engine().wake_blocked();
}

bool Asynchronous::unchanged(const Product &product) {
  LookAway look_away;
  const Wgmma &what = product.what;
  return product.a == read(what.a, what.across_a, kRows, product.at) &&
         product.b == read(what.b, what.across_b, what.columns, product.at);
}

void Asynchronous::perform(Warpgroup &group, Product &product) {
  const Wgmma &what = product.what;
  if (!unchanged(product)) fail(product.at, "an operand of a product changed before the product was waited for");
  LookAway look_away;
  using Eight = float __attribute__((vector_size(32)));
  const float *const half = halves();
  float columns[kDepth][kMostColumns];
  for (int column = 0; column < what.columns; column++) {
    for (int k = 0; k < kDepth; k++) {
      columns[k][column] = half[product.b[static_cast<std::size_t>(column * kDepth + k)]];
    }
  }
  for (int row = 0; row < kRows; row++) {
    const uint16_t *const a = &product.a[static_cast<std::size_t>(row * kDepth)];
    float *const sums = &group.sums[static_cast<std::size_t>(row * kMostColumns)];
    for (int column = 0; column < what.columns; column += 8) {
      Eight total = {}, more;
      if (what.add) std::memcpy(&total, sums + column, sizeof total);
      for (int k = 0; k < kDepth; k++) {
        std::memcpy(&more, columns[k] + column, sizeof more);
        total += more * half[a[k]];
      }
      std::memcpy(sums + column, &total, sizeof total);
    }
  }
  product.a = product.b = {};
  product.done = true;
}

void Asynchronous::wait_for_products(float *d, int groups, Site at) {
  Warpgroup &group = warpgroup();
  ProductsOfLane &lane = engine().lane().products;
  const int committed = static_cast<int>(lane.groups.size());
  const int until = committed > groups ? lane.groups[static_cast<std::size_t>(committed - 1 - groups)] : 0;
  while (group.asked < until) engine().block_until_wakened(at);
  for (int i = lane.there; i < until; i++) {
    Product &product = group.products[static_cast<std::size_t>(i)];
    if (!product.done) perform(group, product);
    tell_operands(product.what, at);
  }
  if (until <= lane.there) return;
  lane.there = until;
  if (lane.in_flight()) return;
  if (lane.d != d) fail(at, "a wait with other sums than those in flight");
  for (int i = 0; i < group.products.back().what.columns / 2; i++) {
    d[i] = group.sums[place(position.thread % kWarpgroup, i)];
  }
  lane.fenced = false;
}

void wgmma_fence() { engine().lane().products.fenced = true; }
void wgmma(float *d, const Wgmma &product, Site at) { engine().asynchronous.multiply(d, product, at); }
void wgmma_commit() {
  LookAway look_away;
  ProductsOfLane &lane = engine().lane().products;
  lane.groups.push_back(lane.asked);
}
void wgmma_wait(float *d, int groups, Site at) { engine().asynchronous.wait_for_products(d, groups, at); }

}  // namespace simcse::cuda::emulator
