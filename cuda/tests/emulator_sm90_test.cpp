// The emulator of sm_90a's own instructions: barriers, bulk copies and products of warpgroups against their
// definitions, every broken rule reported, and planted faults that show.
#include "../simt_sm90.hpp"
#include "check.hpp"

namespace simcse::cuda::tests {

namespace {

Geometry one_block(unsigned threads, unsigned shared) {
  Geometry geometry;
  geometry.threads = threads;
  geometry.shared = shared;
  return geometry;
}

// --- barriers and copies ---

constexpr int kPieces = 10, kPiece = 256;  // bytes

// A warp copies pieces into a ring of two, four lanes of another add them up.
SIMT_KERNEL(64) sum_of_pieces(const uint8_t *from, int *sums, int missing) {
  Mbarrier *const full = dynamic_shared<Mbarrier>(), *const empty = full + 2;
  uint8_t *const ring = dynamic_shared<uint8_t>(64);
  if (thread() == 0) {
    for (int i = 0; i < 2; i++) {
      mbarrier_init(full + i, 1);
      mbarrier_init(empty + i, 4);
    }
    mbarrier_publish();
  }
  sync_block();
  if (warp() == 0 && lane() == 0) {
    for (int i = 0; i < kPieces; i++) {
      if (missing != 1) mbarrier_wait(empty + i % 2, 1 ^ (i / 2 & 1));
      mbarrier_expect(full + i % 2, kPiece);
      for (int half = 0; half < 2; half++) {
        copy_bulk(ring + i % 2 * kPiece + half * 128, from + i * kPiece + half * 128, 128, full + i % 2);
      }
    }
  }
  if (warp() == 1 && lane() < 4) {
    int sum = 0;
    for (int i = 0; i < kPieces; i++) {
      if (missing != 2 || lane() == 0) mbarrier_wait(full + i % 2, i / 2 & 1);
      for (int k = lane() * 64; k < lane() * 64 + 64; k++) sum += ring[i % 2 * kPiece + k] * (i + 1);
      mbarrier_arrive(empty + i % 2);
    }
    sums[lane()] = sum;
  }
}

bool sums_are_right(int missing) {
  Array<uint8_t> from(kPieces * kPiece);
  Array<int> sums(4);
  int expected[4] = {};
  for (int i = 0; i < kPieces * kPiece; i++) {
    from[i] = static_cast<uint8_t>(i * 37 % 251);
    expected[i % kPiece / 64] += from[i] * (i / kPiece + 1);
  }
  const uint8_t *const source = from.data();
  if (launch("sum_of_pieces", sum_of_pieces, one_block(64, 1024), nullptr, source, sums.data(), missing) != 0) {
    return false;
  }
  return std::equal(expected, expected + 4, sums.data());
}

SIMCSE_TEST(emulator_bulk_copies) {
  each_seed(8, [](int) { CHECK(sums_are_right(0), "sums: %s", emulator::fault()); });
}

#if !defined(__SANITIZE_THREAD__)
SIMCSE_TEST(emulator_bulk_copies_without_waits) {
  int wrong[3] = {};
  for (int seed = 1; seed <= 20; seed++) {
    use_seed(seed);
    for (int missing = 1; missing <= 2; missing++) wrong[missing] += sums_are_right(missing) ? 0 : 1;
  }
  CHECK(wrong[1] >= 15 && wrong[2] >= 15, "wrong on %d and %d of 20 seeds", wrong[1], wrong[2]);
}
#endif

// --- products ---

// Operands in row order in global memory become tiles of 64 rows of 128 bytes in shared memory.
struct Products {
  const uint16_t *a, *b;  // along: (rows, 64); across: (64, rows)
  float *d;               // (64, columns)
  float first;            // what the sums start as
  int fault;
};
enum { kNoFault, kNoFence, kNoWait, kOtherOperand, kChangedOperand, kOddStride, kNoSwizzle };

SIMT_DEVICE void place_operand(unsigned char *to, const uint16_t *from, bool across, int rows) {
  const int width = across ? rows : 64;
  for (int i = thread(); i < 64 * rows; i += threads()) {
    const int row = i / width, column = i % width;
    const int at = column / 64 * 64 * 128 + row * 128 + ((column / 8 ^ row) & 7) * 16 + column % 8 * 2;
    memcpy(to + at, from + i, 2);
  }
}

template <int kColumns, bool kAcrossA, bool kAcrossB>
SIMT_KERNEL(128) products(Products p) {
  const unsigned pad = (0u - shared_address(dynamic_shared<char>())) % kSwizzledRows;
  unsigned char *const a = dynamic_shared<unsigned char>(pad), *const b = a + 8192;
  place_operand(a, p.a, kAcrossA, 64);
  place_operand(b, p.b, kAcrossB, kColumns);
  sync_block();
  float d[kColumns / 2];
  for (float &x : d) x = p.first;
  const auto multiply = [&](int k) {
    uint64_t left = swizzled_operand(a + k * (kAcrossA ? 128 : 2), 8192, p.fault == kOddStride ? 512 : kSwizzledRows);
    const uint64_t right = swizzled_operand(b + k * (kAcrossB ? 128 : 2), 8192, kSwizzledRows);
    if (p.fault == kNoSwizzle) left &= ~(uint64_t{3} << 62);
    wgmma_f16<kAcrossA, kAcrossB>(d, p.fault == kOtherOperand && warp() == 2 ? right : left, right, true);
  };
  if (p.fault != kNoFence) wgmma_fence(d);
  multiply(0);
  multiply(16);
  wgmma_commit();
  multiply(32);
  multiply(48);
  wgmma_commit();
  wgmma_wait<1>(d);
  if (p.fault == kChangedOperand && thread() == 0) a[40 * 2] ^= 1;
  if (p.fault != kNoWait) wgmma_wait<0>(d);
  for (int i = 0; i < kColumns / 2; i++) p.d[wgmma_row(i) * kColumns + wgmma_column(i)] = d[i];
}

template <int kColumns, bool kAcrossA, bool kAcrossB>
bool product_is_right(int planted) {
  Array<uint16_t> a(64 * 64), b(64 * kColumns);
  Array<float> d(64 * kColumns);
  Random random(5);
  for (Array<uint16_t> *x : {&a, &b}) {
    for (int i = 0; i < x->count(); i++) {
      (*x)[i] = static_cast<uint16_t>(pack_f16(static_cast<float>(random.between(-8, 8)), 0));
    }
  }
  const Products p = {a.data(), b.data(), d.data(), 0.5f, planted};
  if (launch("products", products<kColumns, kAcrossA, kAcrossB>, one_block(128, 1024 + 8192 + kColumns * 128), nullptr,
             p) != 0) {
    return false;
  }
  for (int i = 0; i < 64; i++) {
    for (int j = 0; j < kColumns; j++) {
      float sum = 0.5f;
      for (int k = 0; k < 64; k++) {
        sum += emulator::float_of_half(a[kAcrossA ? k * 64 + i : i * 64 + k]) *
               emulator::float_of_half(b[kAcrossB ? k * kColumns + j : j * 64 + k]);
      }
      if (d[i * kColumns + j] != sum) return false;
    }
  }
  return true;
}

SIMCSE_TEST(emulator_products_of_warpgroups) {
  each_seed(3, [](int) {
    CHECK((product_is_right<128, false, false>(kNoFault)), "128, along: %s", emulator::fault());
    CHECK((product_is_right<256, false, false>(kNoFault)), "256, along: %s", emulator::fault());
    CHECK((product_is_right<256, false, true>(kNoFault)), "256, b across: %s", emulator::fault());
    CHECK((product_is_right<256, true, true>(kNoFault)), "256, both across: %s", emulator::fault());
    CHECK((product_is_right<128, true, false>(kNoFault)), "128, a across: %s", emulator::fault());
  });
}

SIMCSE_TEST(emulator_reports_broken_products) {
  const struct {
    int planted;
    const char *text;  // "" where only numbers are wrong
  } cases[] = {{kNoFence, "without wgmma_fence"},
               {kNoWait, "before its products are there"},
               {kOtherOperand, "different products"},
               {kChangedOperand, "changed before the product was waited for"},
               {kOddStride, ""},
               {kNoSwizzle, "swizzle mode 0"}};
  for (const auto &each : cases) {
    CHECK((!product_is_right<128, false, false>(each.planted)), "fault %d does not show", each.planted);
    CHECK(std::strstr(emulator::fault(), each.text) != nullptr, "expected \"%s\", got \"%s\"", each.text,
          emulator::fault());
  }
}

enum class Rule { keeps, unpublished, none_there, too_many, nobody_arrives, copy_pending, odd_copy };

SIMT_KERNEL(32) break_barrier_rule(Rule rule, char *x) {
  Mbarrier *const barrier = dynamic_shared<Mbarrier>();
  if (lane() == 0) {
    mbarrier_init(barrier, 2);
    if (rule != Rule::unpublished) mbarrier_publish();
  }
  sync_block();
  if (rule == Rule::none_there) mbarrier_arrive(barrier + 1);
  if (rule == Rule::nobody_arrives) mbarrier_wait(barrier, 0);
  if (lane() > 1) return;
  mbarrier_expect(barrier, rule == Rule::too_many ? 16 : 0);
  if (rule == Rule::odd_copy && lane() == 0) copy_bulk(dynamic_shared<char>(64), x, 24, barrier);
  if (rule == Rule::copy_pending && lane() == 0) copy_bulk(dynamic_shared<char>(64), x, 32, barrier);
  if (rule == Rule::too_many) mbarrier_arrive(barrier);
}

SIMCSE_TEST(emulator_reports_broken_barrier_rules) {
  const struct {
    Rule rule;
    const char *text;
  } cases[] = {{Rule::unpublished, "has not been published"},
               {Rule::none_there, "no barrier there"},
               {Rule::too_many, "more arrive at a barrier than the 2 it counts"},
               {Rule::nobody_arrives, "lanes 0 to 31 wait for what others do"},
               {Rule::copy_pending, "before its bulk copies have arrived"},
               {Rule::odd_copy, "a bulk copy of 24 bytes"},
               {Rule::keeps, ""}};
  Array<char> x(64);
  for (const auto &each : cases) {
    const Fault fault = launch("break", break_barrier_rule, one_block(32, 256), nullptr, each.rule, x.data());
    CHECK((fault != 0) == (*each.text != 0) && std::strstr(emulator::fault(), each.text) != nullptr,
          "expected \"%s\", got \"%s\"", each.text, emulator::fault());
  }
}

#if defined(__SANITIZE_THREAD__)
SIMCSE_PLANTED(missing_wait_for_copies) {
  for (int seed = 1; seed <= 8; seed++) {
    use_seed(seed);
    sums_are_right(2);
  }
}

SIMCSE_TEST(emulator_bulk_copies_race) {
  std::string output;
  const int status = run_planted("missing_wait_for_copies", &output);
  CHECK(status != 0 && output.find("ThreadSanitizer: data race") != std::string::npos, "status %d:\n%s", status,
        output.c_str());
}
#endif

}  // namespace

}  // namespace simcse::cuda::tests
