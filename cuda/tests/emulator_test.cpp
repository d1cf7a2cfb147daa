// The emulator itself: every primitive against its definition, and every broken rule reported.
#include "check.hpp"

namespace simcse::cuda::tests {

namespace {

Geometry one_block(unsigned threads, unsigned shared = 0) {
  Geometry geometry;
  geometry.threads = threads;
  geometry.shared = shared;
  return geometry;
}

// --- indices, warp, block ---

SIMT_KERNEL(96) write_indices(int *to) {
  const int block = (block_z() * grid_y() + block_y()) * grid_x() + block_x();
  to[block * threads() + thread()] = ((grid_z() * 10 + grid_y()) * 10 + grid_x()) * 100000 + block * 1000 + thread();
}

SIMT_KERNEL(32) warp_primitives(int *to) {
  const int x = 100 + lane();
  int *const mine = to + 16 * lane();
  mine[0] = shuffle_xor(x, 5);
  mine[1] = shuffle_down(x, 3);
  mine[2] = shuffle(x, 31 - lane());
  mine[3] = (int)ballot(lane() % 3 == 0);
  mine[4] = any(lane() == 7);
  mine[5] = all(lane() != 7);
  mine[6] = (int)warp_sum((float)lane());
  mine[7] = (int)warp_max((float)(lane() ^ 21));
  if (lane() < 16) {
    mine[8] = shuffle_xor(x, 1, 0x0000ffff);
  } else {
    mine[8] = shuffle_xor(-x, 1, 0xffff0000);
  }
}

SIMT_KERNEL(256) block_primitives(int *counter, int *least, float *to) {
  SIMT_SHARED(float, partial, kWarp);
  SIMT_SHARED(int, ticket, 1);
  const float sum = block_sum((float)thread(), partial);
  if (thread() == 0) *ticket = atomic_add(counter, 1);
  atomic_min(least, (thread() ^ 85) + block_x() - 2);
  sync_block();
  // Two halves of the block pass values within themselves only.
  float *const half = dynamic_shared<float>(warp() / 4 * 128 * sizeof(float));
  half[thread() % 128] = (float)(thread() / 128);
  sync_named(1 + warp() / 4, 128);
  float other = 0;
  for (int i = 0; i < 128; i++) other += half[i];
  if (thread() % 128 == 0) to[*ticket * 2 + thread() / 128] = sum + other;
}

SIMCSE_TEST(emulator_indices) {
  each_seed(4, [](int) {
    Geometry geometry = one_block(96);
    geometry.x = 3, geometry.y = 2, geometry.z = 2;
    Array<int> to(12 * 96);
    RUN(launch("write_indices", write_indices, geometry, nullptr, to.data()));
    for (int i = 0; i < 12 * 96; i++) {
      CHECK(to[i] == 22300000 + i / 96 * 1000 + i % 96, "index %d is %d", i, to[i]);
    }
  });
}

SIMCSE_TEST(emulator_warp_primitives) {
  each_seed(8, [](int) {
    Array<int> to(32 * 16);
    RUN(launch("warp_primitives", warp_primitives, one_block(32), nullptr, to.data()));
    for (int lane = 0; lane < 32; lane++) {
      const int expected[] = {100 + (lane ^ 5),
                              100 + (lane + 3 < 32 ? lane + 3 : lane),
                              131 - lane,
                              0x49249249,
                              1,
                              0,
                              496,
                              31,
                              lane < 16 ? 100 + (lane ^ 1) : -100 - (lane ^ 1)};
      for (int i = 0; i < 9; i++) CHECK(to[16 * lane + i] == expected[i], "lane %d, value %d", lane, i);
    }
  });
}

SIMCSE_TEST(emulator_block_primitives) {
  each_seed(8, [](int) {
    Geometry geometry = one_block(256, 1024);
    geometry.x = 5;
    Array<int> counter(1), least(1);
    counter[0] = 0;
    least[0] = 100;
    Array<float> to(10);
    RUN(launch("block_primitives", block_primitives, geometry, nullptr, counter.data(), least.data(), to.data()));
    CHECK(counter[0] == 5, "%d blocks counted", counter[0]);
    CHECK(least[0] == -2, "the least is %d", least[0]);
    for (int i = 0; i < 10; i++) CHECK(to[i] == 255 * 128 + i % 2 * 128, "half %d is %g", i, to[i]);
  });
}

// --- tensor cores and copies ---

// d (16 x 8) = a (16 x 16) b (16 x 8), by asynchronous copies, ldmatrix and mma; b is read transposed, either by
// ldmatrix_trans or by ldmatrix and movmatrix_trans.
SIMT_KERNEL(32) product(const bf16 *a, const bf16 *b, float *d, bool move) {
  SIMT_SHARED(bf16, a_tile, 256);
  SIMT_SHARED(bf16, b_tile, 128);
  cp_async16(a_tile + 8 * lane(), a + 8 * lane());
  cp_async_commit();
  if (lane() < 16) cp_async16(b_tile + 8 * lane(), b + 8 * lane());
  cp_async_commit();
  cp_async_wait<1>();
  sync_warp();
  uint32_t a_words[4], b_words[2];
  ldmatrix(a_words, a_tile + lane() % 16 * 16 + lane() / 16 * 8);
  cp_async_wait<0>();
  sync_warp();
  if (move) {
    ldmatrix(b_words, b_tile + lane() % 16 * 8);
    for (int i = 0; i < 2; i++) b_words[i] = movmatrix_trans(b_words[i]);
  } else {
    ldmatrix_trans(b_words, b_tile + lane() % 16 * 8);
  }
  float sums[4] = {1, 1, 1, 1};
  mma_bf16(sums, a_words, b_words);
  for (int i = 0; i < 4; i++) d[(lane() / 4 + i / 2 * 8) * 8 + lane() % 4 * 2 + i % 2] = sums[i];
}

SIMCSE_TEST(emulator_tensor_cores) {
  each_seed(8, [](int seed) {
    Random random(static_cast<uint64_t>(seed));
    Array<bf16> a(256), b(128);
    Array<float> d(128);
    a.fill(random);
    b.fill(random);
    for (const bool move : {false, true}) {
      RUN(launch("product", product, one_block(32), nullptr, static_cast<const bf16 *>(a.data()),
                 static_cast<const bf16 *>(b.data()), d.data(), move));
      for (int i = 0; i < 128; i++) {
        double sum = 1;
        for (int k = 0; k < 16; k++) sum += value_of(a[i / 8 * 16 + k]) * value_of(b[k * 8 + i % 8]);
        CHECK(std::fabs(d[i] - sum) < 1e-5, "element %d is %g, not %g", i, static_cast<double>(d[i]), sum);
      }
    }
  });
}

// As product, of half precision.
SIMT_KERNEL(32) half_product(const uint16_t *a, const uint16_t *b, float *d) {
  SIMT_SHARED(uint16_t, a_tile, 256);
  SIMT_SHARED(uint16_t, b_tile, 128);
  for (int i = lane(); i < 256; i += kWarp) a_tile[i] = a[i];
  for (int i = lane(); i < 128; i += kWarp) b_tile[i] = b[i];
  sync_warp();
  uint32_t a_words[4], b_words[2];
  ldmatrix(a_words, a_tile + lane() % 16 * 16 + lane() / 16 * 8);
  ldmatrix_trans(b_words, b_tile + lane() % 16 * 8);
  float sums[4] = {1, 1, 1, 1};
  mma_f16(sums, a_words, b_words);
  for (int i = 0; i < 4; i++) d[(lane() / 4 + i / 2 * 8) * 8 + lane() % 4 * 2 + i % 2] = sums[i];
}

SIMCSE_TEST(emulator_half_precision_products) {
  each_seed(2, [](int seed) {
    Random random(static_cast<uint64_t>(seed));
    Array<uint16_t> a(256), b(128);
    Array<float> d(128);
    for (Array<uint16_t> *each : {&a, &b}) {
      for (int64_t i = 0; i < each->count(); i++) {
        (*each)[i] = static_cast<uint16_t>(pack_f16(static_cast<float>(random.uniform()), 0));
      }
    }
    RUN(launch("half_product", half_product, one_block(32), nullptr, static_cast<const uint16_t *>(a.data()),
               static_cast<const uint16_t *>(b.data()), d.data()));
    for (int i = 0; i < 128; i++) {
      double sum = 1;
      for (int k = 0; k < 16; k++) {
        sum += static_cast<double>(emulator::float_of_half(a[i / 8 * 16 + k])) *
               static_cast<double>(emulator::float_of_half(b[k * 8 + i % 8]));
      }
      CHECK(std::fabs(d[i] - sum) < 1e-5, "element %d is %g, not %g", i, static_cast<double>(d[i]), sum);
    }
  });
}

// Reads what was copied before (`early`) or after it has arrived; the last 8 of 16 bytes are to be zeros.
SIMT_KERNEL(32) copy_half(const uint32_t *from, uint32_t *to, bool early) {
  SIMT_SHARED(uint32_t, tile, 4 * kWarp);
  cp_async16(tile + 4 * lane(), from + 4 * lane(), 8);
  cp_async_commit();
  if (!early) cp_async_wait<0>();
  for (int i = 0; i < 4; i++) to[4 * lane() + i] = tile[4 * lane() + i];
  cp_async_wait<0>();
}

SIMCSE_TEST(emulator_copies_arrive_at_the_wait) {
  Array<uint32_t> from(128), to(128);
  for (int i = 0; i < 128; i++) from[i] = static_cast<uint32_t>(i);
  for (const bool early : {false, true}) {
    RUN(launch("copy_half", copy_half, one_block(32), nullptr, static_cast<const uint32_t *>(from.data()), to.data(),
               early));
    for (int i = 0; i < 128; i++) {
      const uint32_t expected = early ? 0xffffffffu : i % 4 < 2 ? static_cast<uint32_t>(i) : 0;
      CHECK(to[i] == expected, "word %d is %08x", i, to[i]);
    }
  }
}

// --- numbers ---

SIMCSE_TEST(emulator_bf16) {
  const struct {
    float from;
    uint16_t bits;
  } cases[] = {{1.0f, 0x3f80},          {-0.0f, 0x8000},     {1.00390625f, 0x3f80}, {1.01171875f, 0x3f82},
               {3.3961776e38f, 0x7f80}, {INFINITY, 0x7f80}, {NAN, 0x7fff},         {1e-45f, 0x0000}};
  for (const auto &each : cases) {
    CHECK(round_bf16(each.from).bits == each.bits, "%g becomes %04x", static_cast<double>(each.from),
          round_bf16(each.from).bits);
  }
  CHECK(pack_bf16(1.0f, 2.0f) == 0x40003f80u, "%08x", pack_bf16(1.0f, 2.0f));
  CHECK(low_bf16(0x40003f80u) == 1.0f && high_bf16(0x40003f80u) == 2.0f, "halves of a pair");
}

// --- broken rules ---

enum class Rule {
  leaves_before_barrier,
  other_barrier,
  shuffle_beside_barrier,
  mask_of_ended,
  not_in_mask,
  from_outside_mask,
  copy_pending,
  misaligned,
  barrier_count,
  past_shared,
  keeps
};

SIMT_KERNEL(64) break_rule(Rule rule, float *x) {
  if (rule == Rule::leaves_before_barrier && warp() == 1) return;
  if (rule == Rule::other_barrier && thread() == 5) {
    sync_block();
    return;
  }
  if (rule == Rule::shuffle_beside_barrier && thread() == 5) shuffle_xor(1.0f, 1);
  if (rule == Rule::mask_of_ended) {
    if (thread() % 2 == 0) return;
    sync_warp();
  }
  if (rule == Rule::not_in_mask) shuffle_xor(1, 1, 0x0000ffff);
  if (rule == Rule::from_outside_mask && lane() < 16) shuffle(1, 20, 0x0000ffff);
  if (rule == Rule::copy_pending) cp_async16(dynamic_shared<char>() + 16 * thread(), x);
  if (rule == Rule::misaligned) load_words<4>(x + 1);
  if (rule == Rule::barrier_count) sync_named(1, 48);
  if (rule == Rule::past_shared) dynamic_shared<char>(1025);
  sync_block();
}

SIMCSE_TEST(emulator_reports_broken_rules) {
  const struct {
    Rule rule;
    const char *text;
  } cases[] = {{Rule::leaves_before_barrier, "lanes 32 to 63 ended"},
               {Rule::other_barrier, "lane 5 wait at barrier 0"},
               {Rule::shuffle_beside_barrier, "lane 5 wait at shuffle_xor of lanes ffffffff"},
               {Rule::mask_of_ended, "lane 0 ended; lane 1 wait at sync_warp"},
               {Rule::not_in_mask, "not its own"},
               {Rule::from_outside_mask, "shuffle from lane 20, which is not among lanes 0000ffff"},
               {Rule::copy_pending, "before its asynchronous copies have arrived"},
               {Rule::misaligned, "16 bytes at"},
               {Rule::barrier_count, "barrier 1 of 48 lanes in a block of 64"},
               {Rule::past_shared, "byte 1025 of 1024 of shared memory"}};
  each_seed(2, [&](int) {
    Array<float> x(16);
    for (const auto &each : cases) {
      const Fault fault = launch("break_rule", break_rule, one_block(64, 1024), nullptr, each.rule, x.data());
      const std::string text = emulator::fault();
      CHECK(fault != 0 && text.find(each.text) != std::string::npos, "expected \"%s\", got \"%s\"", each.text,
            text.c_str());
      CHECK(text.find("break_rule, block (0, 0, 0): ") == 0, "no kernel and block in \"%s\"", text.c_str());
    }
    RUN(launch("break_rule", break_rule, one_block(64, 1024), nullptr, Rule::keeps, x.data()));
    CHECK(*emulator::fault() == 0, "a fault is left behind");
  });
}

SIMT_KERNEL(32) kilobyte(float *x) {
  SIMT_SHARED(float, tile, 256);
  tile[thread()] = 1.0f;
  if (thread() == 0) *x = tile[0];
}

// As a GPU, which gives a block 48 KB in all unless it is asked for more, and is asked by launch() where dynamic shared
// memory alone is above that.
SIMCSE_TEST(emulator_counts_static_shared_memory) {
  Array<float> x(1);
  CHECK(launch("kilobyte", kilobyte, one_block(32, 47 * 1024), nullptr, x.data()) == 0, "48 KB");
  CHECK(launch("kilobyte", kilobyte, one_block(32, 47 * 1024 + 16), nullptr, x.data()) != 0, "more, not asked for");
  CHECK(launch("kilobyte", kilobyte, one_block(32, 60 * 1024), nullptr, x.data()) == 0, "more, asked for");
}

SIMCSE_TEST(emulator_refuses_impossible_launches) {
  Geometry geometry = one_block(48);
  CHECK(launch("k", break_rule, geometry, nullptr, Rule::keeps, nullptr) != 0, "48 threads");
  geometry = one_block(64, 200 * 1024);
  CHECK(launch("k", break_rule, geometry, nullptr, Rule::keeps, nullptr) != 0, "200 KB");
  geometry = one_block(64);
  geometry.y = 70000;
  CHECK(launch("k", break_rule, geometry, nullptr, Rule::keeps, nullptr) != 0, "70000 blocks along y");
  geometry.y = 0;
  CHECK(launch("k", break_rule, geometry, nullptr, Rule::keeps, nullptr) == 0, "no blocks");
}

SIMCSE_TEST(emulator_f16) {
  const struct {
    float from;
    uint32_t bits;
  } cases[] = {{0.0f, 0},           {-0.0f, 0x8000},       {1.0f, 0x3c00},         {-1.5f, 0xbe00},
               {65504.0f, 0x7bff},  {65519.0f, 0x7bff},    {65520.0f, 0x7c00},     {INFINITY, 0x7c00},
               {1.00048828f, 0x3c00}, {1.00146484f, 0x3c02}, {1.99999f, 0x4000},   {0x1p-14f, 0x0400},
               {0x1p-15f, 0x0200},  {0x1p-24f, 0x0001},    {0x1p-25f, 0},          {0x1.8p-25f, 1},
               {0x1.ff8p-15f, 0x03ff}, {0x1.ffcp-15f, 0x0400}};
  for (const auto &each : cases) {
    CHECK(pack_f16(each.from, 0) == each.bits, "%g gives %04x, not %04x", static_cast<double>(each.from),
          pack_f16(each.from, 0), each.bits);
    CHECK(pack_f16(0, each.from) == each.bits << 16, "%g in the upper half", static_cast<double>(each.from));
  }
  for (uint32_t bits = 0; bits < 0x10000; bits++) {
    const float x = emulator::float_of_half(static_cast<uint16_t>(bits));
    if (x == x) CHECK(pack_f16(x, 0) == bits, "%04x comes back as %04x", bits, pack_f16(x, 0));
  }
  CHECK(emulator::float_of_half(static_cast<uint16_t>(pack_f16(NAN, 0))) !=
            emulator::float_of_half(static_cast<uint16_t>(pack_f16(NAN, 0))),
        "not a number");
}

}  // namespace

}  // namespace simcse::cuda::tests
