// The tests of libsimcse's operations, with "cuda:0" in place of the CPU's tiers: every operation through the plug-in
// at odd shapes, in f32 and bf16, against the same formula in double.
//
//     suite LIBRARY [FAMILY ...]
#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "../../../native/tests/operations/harness.hpp"

using namespace simcse_test;

namespace {

struct Family {
  const char *name;
  void (*run)(Suite &);
};
const Family kFamilies[] = {
    {"gemm", test_gemm},           {"elementwise", test_elementwise}, {"layer_norm", test_layer_norm},
    {"embedding", test_embedding}, {"attention", test_attention},     {"pooling", test_pooling},
    {"similarity", test_similarity}, {"optimiser", test_optimiser},   {"masks", test_masks},
    {"convert", test_convert},
};

const simcse_api *api_of(const char *library) {
  void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
  using GetApi = const simcse_api *(*)(uint32_t);
  auto get_api = handle == nullptr ? nullptr : reinterpret_cast<GetApi>(dlsym(handle, "simcse_get_api"));
  if (get_api != nullptr) return get_api(SIMCSE_API_VERSION);
  std::printf("%s\n", dlerror());
  std::exit(1);
}

// The GPU's attention takes some head sizes and refuses others. The CPU, on which the families pass, does those.
const simcse_api *real;
simcse_device *cpu;
int done, refused;

template <typename Arguments, typename Operation>
simcse_status or_on_cpu(Operation operation, simcse_device *device, simcse_stream *stream, const Arguments *arguments) {
  const simcse_status status = (real->*operation)(device, stream, arguments);
  done++;
  const bool other_heads = std::strstr(real->last_error(), "heads of 32, 64 or 128") != nullptr;
  if (status != SIMCSE_UNSUPPORTED || !other_heads) return status;
  refused++;
  return (real->*operation)(cpu, nullptr, arguments);
}

simcse_status attention_forward(simcse_device *device, simcse_stream *stream,
                                const simcse_attention_forward *arguments) {
  return or_on_cpu(&simcse_api::attention_forward, device, stream, arguments);
}
simcse_status attention_backward(simcse_device *device, simcse_stream *stream,
                                 const simcse_attention_backward *arguments) {
  return or_on_cpu(&simcse_api::attention_backward, device, stream, arguments);
}

bool asked_for(int count, char **words, const char *family) {
  bool asked = count <= 2;
  for (int i = 2; i < count; i++) asked = asked || std::strcmp(words[i], family) == 0;
  return asked;
}

}  // namespace

int main(int count, char **words) {
  if (count < 2) return 2;
  report_faults();
  real = api_of(words[1]);
  if (real->device_open("cpu", nullptr, &cpu) != SIMCSE_OK) return 1;
  simcse_api table = *real;
  table.attention_forward = attention_forward;
  table.attention_backward = attention_backward;
  Target target = {"cuda:0", &table, {}};
  for (simcse_device *&device : target.devices) {
    if (target.api->device_open("cuda:0", nullptr, &device) == SIMCSE_OK) continue;
    std::printf("FAILED %s\n", target.api->last_error());
    return 1;
  }
  int failures = 0;
  for (const Family &family : kFamilies) {
    if (!asked_for(count, words, family.name)) continue;
    Suite suite;
    suite.targets.push_back(target);
    suite.seed = 20240229;
    family.run(suite);
    std::printf("%-12s %4d cases, %d failures\n", family.name, suite.cases, suite.failures);
    std::fflush(stdout);
    failures += suite.failures;
  }
  for (simcse_device *device : target.devices) failures += target.api->device_close(device) != SIMCSE_OK;
  if (done > 0) std::printf("%d of %d calls of attention were refused for their head size\n", refused, done);
  std::printf("suite of cuda:0: %s\n", failures == 0 ? "all good" : "FAILED");
  return failures == 0 ? 0 : 1;
}
