// exp, tanh, erf and GELU with its derivative of kLanes floats at once. A NaN gives NaN; nothing branches.
//
// The polynomials are minimax fits of the functions on the ranges named beside them, with errors below an eighth of
// the last bit of the result before rounding.
#pragma once

#include "simd.hpp"

namespace simcse::cpu::SIMCSE_TIER {

// x as n log 2 + r with n whole and |r| <= log(2) / 2.
struct Exponent {
  F n;
  F r;
  U word;  // n + kExponentOrigin
};

// The bits of 1.5 * 2^23: adding that number rounds to whole numbers and leaves them in the lowest bits.
constexpr uint32_t kExponentOrigin = 0x4B400000u;

// log 2 in two parts, the first short enough for n times it to be exact without a fused multiplication.
SIMCSE_INLINE Exponent exponent(F x) {
  const F origin = splat(12582912.0f);
  F shifted = fma(x, splat(1.44269504f), origin);
  F n = shifted - origin;
  F r = fma(n, splat(-0.693359375f), x);
  return {n, fma(n, splat(2.12194440e-4f), r), as_words(shifted)};
}

// e^r - 1 for |r| <= log(2) / 2, of full relative accuracy.
SIMCSE_INLINE F exp_minus_one(F r) {
  F p = fma(splat(0.0013814465f), r, splat(0.0083687808f));
  p = fma(p, r, splat(0.041668393f));
  p = fma(p, r, splat(0.1666652f));
  p = fma(p, r, splat(0.49999994f));
  return fma(p * r, r, r);
}

// p * 2^n for n in -151 .. 128.
SIMCSE_INLINE F scale_by_power(F p, const Exponent &e) {
#if defined(__AVX512F__)
  return {_mm512_scalef_ps(p.v, e.n.v)};
#else
  // In two steps: 2^n alone need not be a float. 254 makes both halves exponents of floats.
  U half = shift_right<1>(e.word + splat_u(254u - kExponentOrigin));
  U rest = shift_right<1>(e.word + splat_u(255u - kExponentOrigin));
  return p * as_floats(shift_left<23>(half)) * as_floats(shift_left<23>(rest));
#endif
}

// 0 below -104, infinity above 88.8.
SIMCSE_INLINE F exp(F x) {
  Exponent e = exponent(min(splat(89.0f), max(splat(-104.5f), x)));
  return scale_by_power(exp_minus_one(e.r) + splat(1.0f), e);
}

// 1 / x for x of moderate size, to 1.5 units in the last place.
SIMCSE_INLINE F reciprocal(F x) {
#if defined(__AVX512F__)
  F guess = {_mm512_rcp14_ps(x.v)};
  F error = {_mm512_fnmadd_ps(x.v, guess.v, _mm512_set1_ps(1.0f))};
  return fma(guess, error, guess);
#else
  return splat(1.0f) / x;
#endif
}

// From e^(2x) - 1, which keeps the digits of small x.
SIMCSE_INLINE F tanh(F x) {
  Exponent e = exponent(min(splat(20.0f), max(splat(-20.0f), x + x)));
  F power = as_floats(shift_left<23>(e.word + splat_u(127u - kExponentOrigin)));
  F y = fma(power, exp_minus_one(e.r), power - splat(1.0f));
  return y * reciprocal(y + splat(2.0f));
}

// erf(x) / x from y = x^2, for |x| <= 3.95, beyond which erf rounds to 1.
SIMCSE_INLINE F erf_ratio(F y) {
  F p = fma(splat(2.0116734e-06f), y, splat(0.00028758691f));
  F q = fma(splat(3.7838257e-05f), y, splat(0.0011981268f));
  p = fma(p, y, splat(0.0039170804f));
  q = fma(q, y, splat(0.015270245f));
  p = fma(p, y, splat(0.053206332f));
  q = fma(q, y, splat(0.11558881f));
  p = fma(p, y, splat(0.19403134f));
  q = fma(q, y, splat(0.50528729f));
  p = fma(p, y, splat(1.1283790f));
  q = fma(q, y, splat(1.0f));
  return p * reciprocal(q);
}

SIMCSE_INLINE F erf(F x) {
  x = min(splat(3.95f), max(splat(-3.95f), x));
  return x * erf_ratio(x * x);
}

// The normal distribution function (1 + erf(x / sqrt 2)) / 2 for |x| <= 5.58.
SIMCSE_INLINE F normal(F x) {
  return fma(x * splat(0.35355339f), erf_ratio(x * x * splat(0.5f)), splat(0.5f));
}

constexpr float kNormalRange = 5.58f;

// x / 2 (1 + erf(x / sqrt 2)) (Hendrycks and Gimpel 2016). Far below 0 it is 0 at once: x times what rounding leaves
// of the distribution function would grow with x.
SIMCSE_INLINE F gelu(F x) {
  F bounded = min(splat(kNormalRange), max(splat(-kNormalRange), x));
  return select(x < splat(-kNormalRange), zero(), x * normal(bounded));
}

// gelu(x), and at *slope its derivative: the normal distribution function plus x times its density.
SIMCSE_INLINE F gelu_and_slope(F x, F *slope) {
  F bounded = min(splat(kNormalRange), max(splat(-kNormalRange), x));
  F probability = normal(bounded);
  F density = splat(0.39894228f) * exp(bounded * bounded * splat(-0.5f));
  *slope = fma(bounded, density, probability);
  return select(x < splat(-kNormalRange), zero(), x * probability);
}

SIMCSE_INLINE F gelu_derivative(F x) {
  F slope;
  gelu_and_slope(x, &slope);
  return slope;
}

}  // namespace simcse::cpu::SIMCSE_TIER
