// Faults that a tool of compute-sanitizer must find, to show that it does: `faults NAME` plants one, `faults none` the
// same kernel without any.
#include <cstdio>
#include <cstring>

#include "../../simt.hpp"

namespace simcse::cuda {

namespace {

constexpr int kThreads = 64;

enum class Planted { none, outside, race, unwritten, divergent };

// Reverses the block's numbers through shared memory, and adds one of `more`.
SIMT_KERNEL(kThreads) reverse(const float *from, const float *more, float *to, Planted planted) {
  SIMT_SHARED(float, tile, kThreads);
  tile[thread()] = from[thread() + (planted == Planted::outside ? 1 : 0)];
  if (planted == Planted::divergent) {
    if (thread() < kThreads / 4) sync_block();
  } else if (planted != Planted::race) {
    sync_block();
  }
  to[thread()] = tile[kThreads - 1 - thread()] + (planted == Planted::unwritten ? more[thread()] : 0.0f);
}

int run(Planted planted) {
  constexpr size_t kBytes = kThreads * sizeof(float);
  float host[kThreads] = {};
  float *from = nullptr, *more = nullptr, *to = nullptr;
  for (float **memory : {&from, &more, &to}) {
    const cudaError_t error = cudaMalloc(memory, kBytes);
    if (error == cudaSuccess) continue;
    std::printf("FAILED: no memory on the GPU: %s\n", cudaGetErrorString(error));
    return 1;
  }
  cudaMemcpy(from, host, kBytes, cudaMemcpyHostToDevice);
  Geometry geometry;
  geometry.threads = kThreads;
  const Fault fault = launch("reverse", reverse, geometry, nullptr, from, more, to, planted);
  const cudaError_t ended = fault != 0 ? static_cast<cudaError_t>(fault) : cudaDeviceSynchronize();
  std::printf("%s\n", cudaGetErrorString(ended));
  return ended == cudaSuccess ? 0 : 1;
}

}  // namespace

}  // namespace simcse::cuda

int main(int count, char **words) {
  using simcse::cuda::Planted;
  const struct {
    const char *name;
    Planted planted;
  } kAll[] = {{"none", Planted::none},
              {"outside", Planted::outside},
              {"race", Planted::race},
              {"unwritten", Planted::unwritten},
              {"divergent", Planted::divergent}};
  for (const auto &each : kAll) {
    if (count == 2 && std::strcmp(words[1], each.name) == 0) return simcse::cuda::run(each.planted);
  }
  std::printf("usage: faults none|outside|race|unwritten|divergent\n");
  return 2;
}
