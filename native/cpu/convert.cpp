// Arrays from F32 to bf16, rounded to nearest even, and back.
#include "flat.hpp"
#include "operations.hpp"

namespace simcse::cpu::SIMCSE_TIER {

template <typename From, typename To>
static void copy(Context &context, const simcse_convert &a) {
  each_part(context, a.count, [&](int64_t begin, int elements) {
    const From *from = (const From *)a.from + begin;
    To *to = (To *)a.to + begin;
    each_vector(elements, [&](int i, int n, int) __attribute__((always_inline)) {
      store_at(to + i, load_at(from + i, n), n);
    });
  });
}

void convert(Context &context, const simcse_convert &a) {
  a.from_dtype == SIMCSE_BF16 ? copy<bf16, float>(context, a) : copy<float, bf16>(context, a);
}

}  // namespace simcse::cpu::SIMCSE_TIER
