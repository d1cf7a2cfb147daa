// The tests of libsimcse's operations, with "cuda:0" in place of the CPU's tiers: every operation through the plug-in
// at odd shapes, in f32 and bf16, against the same formula in double, with all arrays in memory of the device.
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

bool asked_for(int count, char **words, const char *family) {
  bool asked = count <= 2;
  for (int i = 2; i < count; i++) asked = asked || std::strcmp(words[i], family) == 0;
  return asked;
}

}  // namespace

int main(int count, char **words) {
  if (count < 2) return 2;
  report_faults();
  Target target = {"cuda:0", api_of(words[1]), {}, true, "heads of 32, 64 or 128"};
  for (simcse_device *&device : target.devices) {
    if (target.api->device_open("cuda:0", nullptr, &device) == SIMCSE_OK) continue;
    std::printf("FAILED %s\n", target.api->last_error());
    return 1;
  }
  simcse_device_properties properties = {};
  properties.struct_size = sizeof properties;
  if (target.api->device_properties(target.devices[0], &properties) != SIMCSE_OK) return 1;
  std::printf("cuda:0 is %s: %s\n", properties.tier, properties.description);
  int failures = 0;
  for (const Family &family : kFamilies) {
    if (!asked_for(count, words, family.name)) continue;
    Suite suite;
    suite.targets.push_back(target);
    suite.seed = 20240229;
    family.run(suite);
    std::printf("%-12s %4d cases, %d refused for their head size, %d failures\n", family.name, suite.cases,
                suite.refused, suite.failures);
    std::fflush(stdout);
    failures += suite.failures;
  }
  for (simcse_device *device : target.devices) failures += target.api->device_close(device) != SIMCSE_OK;
  std::printf("suite of cuda:0: %s\n", failures == 0 ? "all good" : "FAILED");
  return failures == 0 ? 0 : 1;
}
