// What happens to a tile of the product P on its way into C.
#pragma once

#include "../src/epilogues.hpp"
#include "gemm_block.hpp"
#include "vmath.hpp"

namespace simcse::cpu::SIMCSE_TIER {

// A part of C, and where P lies for it.
struct TileOfC {
  const float *product;
  int64_t ld;
  int64_t row, column;
  int rows, columns;
};

template <typename T>
SIMCSE_INLINE F load_lanes(const T *p, int n) {
  return n == kLanes ? load(p) : load_n(p, n);
}

template <typename T>
SIMCSE_INLINE void store_lanes(T *p, F x, int n) {
  if (n == kLanes) {
    store(p, x);
  } else {
    store_n(p, x, n);
  }
}

// P + bias, for the backward pass of GELU.
template <typename T>
static void keep_pre_activation(const Output &output, const TileOfC &tile) {
  for (int i = 0; i < tile.rows; i++) {
    T *to = (T *)output.pre_activation + (tile.row + i) * output.ldc + tile.column;
    for (int j = 0; j < tile.columns; j += kLanes) {
      int n = tile.columns - j < kLanes ? tile.columns - j : kLanes;
      store_lanes(to + j, load(tile.product + i * tile.ld + j) + load_lanes(output.bias + tile.column + j, n), n);
    }
  }
}

template <simcse_epilogue kEpilogue, typename T, typename Operand>
static void finish_as(const Output &output, const TileOfC &tile) {
  for (int j = 0; j < tile.columns; j += kLanes) {
    int n = tile.columns - j < kLanes ? tile.columns - j : kLanes;
    F bias = zero();
    if constexpr (adds_bias(kEpilogue)) bias = load_lanes(output.bias + tile.column + j, n);
    for (int i = 0; i < tile.rows; i++) {
      int64_t at = (tile.row + i) * output.ldc + tile.column + j;
      T *to = (T *)output.c + at;
      F x = load(tile.product + i * tile.ld + j);
      if constexpr (kEpilogue == SIMCSE_EPILOGUE_ACCUMULATE) x = load_lanes((const T *)to, n) + x;
      if constexpr (adds_bias(kEpilogue)) x = x + bias;
      if constexpr (kEpilogue == SIMCSE_EPILOGUE_BIAS_GELU) x = gelu(x);
      if constexpr (kEpilogue == SIMCSE_EPILOGUE_BIAS_TANH) x = tanh(x);
      if constexpr (kEpilogue == SIMCSE_EPILOGUE_BIAS_RESIDUAL) {
        x = x + load_lanes((const T *)output.residual + at, n);
      }
      if constexpr (kEpilogue == SIMCSE_EPILOGUE_GELU_BACKWARD) {
        x = x * gelu_derivative(load_lanes((const Operand *)output.pre_activation + at, n));
      }
      store_lanes(to, x, n);
    }
  }
}

template <typename T, typename Operand>
static void finish_as(const Output &output, const TileOfC &tile) {
  switch (output.epilogue) {
    case SIMCSE_EPILOGUE_ACCUMULATE: return finish_as<SIMCSE_EPILOGUE_ACCUMULATE, T, Operand>(output, tile);
    case SIMCSE_EPILOGUE_BIAS: return finish_as<SIMCSE_EPILOGUE_BIAS, T, Operand>(output, tile);
    case SIMCSE_EPILOGUE_BIAS_GELU: return finish_as<SIMCSE_EPILOGUE_BIAS_GELU, T, Operand>(output, tile);
    case SIMCSE_EPILOGUE_BIAS_TANH: return finish_as<SIMCSE_EPILOGUE_BIAS_TANH, T, Operand>(output, tile);
    case SIMCSE_EPILOGUE_BIAS_RESIDUAL: return finish_as<SIMCSE_EPILOGUE_BIAS_RESIDUAL, T, Operand>(output, tile);
    case SIMCSE_EPILOGUE_GELU_BACKWARD: return finish_as<SIMCSE_EPILOGUE_GELU_BACKWARD, T, Operand>(output, tile);
    default: return finish_as<SIMCSE_EPILOGUE_STORE, T, Operand>(output, tile);
  }
}

// C = epilogue(P)
static void finish(const Output &output, bool bf16_operands, const TileOfC &tile) {
  if (output.epilogue == SIMCSE_EPILOGUE_BIAS_GELU && output.pre_activation != nullptr) {
    bf16_operands ? keep_pre_activation<bf16>(output, tile) : keep_pre_activation<float>(output, tile);
  }
  if (output.bf16_c) return finish_as<bf16, bf16>(output, tile);
  bf16_operands ? finish_as<float, bf16>(output, tile) : finish_as<float, float>(output, tile);
}

}  // namespace simcse::cpu::SIMCSE_TIER
