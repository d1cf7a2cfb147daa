// C (m, n) = epilogue(P) for a product P that is there already, row by row: what gemm does with its own.
#include "../src/epilogues.hpp"
#include "flat.hpp"
#include "operations.hpp"
#include "vmath.hpp"

namespace simcse::cpu::SIMCSE_TIER {

template <simcse_epilogue kEpilogue, typename T, typename Kept>
static void finish_row(const simcse_gemm_epilogue &a, int64_t row) {
  const float *product = a.product + row * a.n;
  T *c = (T *)a.c + row * a.n;
  for (int64_t j = 0; j < a.n; j += kLanes) {
    int n = a.n - j < kLanes ? (int)(a.n - j) : kLanes;
    F x = load_at(product + j, n);
    if constexpr (kEpilogue == SIMCSE_EPILOGUE_ACCUMULATE) x = load_at(c + j, n) + x;
    if constexpr (adds_bias(kEpilogue)) x = x + load_at(a.bias + j, n);
    if constexpr (kEpilogue == SIMCSE_EPILOGUE_BIAS_GELU) {
      if (a.pre_activation != nullptr) store_at((Kept *)a.pre_activation + row * a.n + j, x, n);
      x = gelu(x);
    }
    if constexpr (kEpilogue == SIMCSE_EPILOGUE_BIAS_TANH) x = tanh(x);
    if constexpr (kEpilogue == SIMCSE_EPILOGUE_BIAS_RESIDUAL) {
      x = x + load_at((const T *)a.residual + row * a.n + j, n);
    }
    if constexpr (kEpilogue == SIMCSE_EPILOGUE_GELU_BACKWARD) {
      x = x * gelu_derivative(load_at((const Kept *)a.pre_activation + row * a.n + j, n));
    }
    store_at(c + j, x, n);
  }
}

template <simcse_epilogue kEpilogue>
static void finish(Context &context, const simcse_gemm_epilogue &a) {
  const auto row = a.c_dtype == SIMCSE_BF16 ? finish_row<kEpilogue, bf16, bf16>
                   : a.dtype == SIMCSE_BF16 ? finish_row<kEpilogue, float, bf16>
                                            : finish_row<kEpilogue, float, float>;
  parallel(context, a.m, [&](int64_t task, int) { row(a, task); });
}

void gemm_epilogue(Context &context, const simcse_gemm_epilogue &a) {
  switch (a.epilogue) {
    case SIMCSE_EPILOGUE_ACCUMULATE: return finish<SIMCSE_EPILOGUE_ACCUMULATE>(context, a);
    case SIMCSE_EPILOGUE_BIAS: return finish<SIMCSE_EPILOGUE_BIAS>(context, a);
    case SIMCSE_EPILOGUE_BIAS_GELU: return finish<SIMCSE_EPILOGUE_BIAS_GELU>(context, a);
    case SIMCSE_EPILOGUE_BIAS_TANH: return finish<SIMCSE_EPILOGUE_BIAS_TANH>(context, a);
    case SIMCSE_EPILOGUE_BIAS_RESIDUAL: return finish<SIMCSE_EPILOGUE_BIAS_RESIDUAL>(context, a);
    case SIMCSE_EPILOGUE_GELU_BACKWARD: return finish<SIMCSE_EPILOGUE_GELU_BACKWARD>(context, a);
    default: return finish<SIMCSE_EPILOGUE_STORE>(context, a);
  }
}

}  // namespace simcse::cpu::SIMCSE_TIER
