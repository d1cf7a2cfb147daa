// Every element converted, at odd counts and alignments, and nothing beside them.
#include "../convert.hpp"

#include "check.hpp"

namespace simcse::cuda::tests {

SIMCSE_TEST(convert_both_ways) {
  each_seed(2, [](int seed) {
    for (const int count : {1, 7, 8, 9, 2047, 2048, 5001}) {
      for (const int offset : {0, 1}) {
        Random random(static_cast<uint64_t>(seed + count));
        Array<float> from(count, offset), back(count, offset);
        Array<bf16> to(count, offset);
        from.fill(random, 1000);
        simcse_convert args = {sizeof args, SIMCSE_F32, SIMCSE_BF16, count, from.data(), to.data()};
        RUN(convert({}, args));
        args = {sizeof args, SIMCSE_BF16, SIMCSE_F32, count, to.data(), back.data()};
        RUN(convert({}, args));
        int wrong = 0;
        for (int i = 0; i < count; i++) {
          if (to[i].bits != round_bf16(from[i]).bits || back[i] != to_float(to[i])) wrong++;
        }
        CHECK(wrong == 0, "%d wrong of %d", wrong, count);
      }
    }
  });
}

}  // namespace simcse::cuda::tests
