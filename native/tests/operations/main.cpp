// Every operation of libsimcse through its table, at odd shapes, in f32 and bf16, on every tier that this machine has.
//
//     operations LIBRARY [--emulated LIBRARY] [--tier NAME] [--seed NUMBER] [FAMILY ...]
//
// Each family runs in a process of its own, so that a fault in one does not hide the others. --emulated names a build
// whose AMX instructions are emulated; its tier "amx" is tested beside the tiers of LIBRARY.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "batch.hpp"
#include "harness.hpp"

using namespace simcse_test;

namespace {

const char *const kTiers[] = {"portable", "avx2", "avx512", "avx512_bf16", "amx"};

struct Family {
  const char *name;
  void (*run)(Suite &);
};
const Family kFamilies[] = {
    {"gemm", test_gemm},           {"elementwise", test_elementwise}, {"layer_norm", test_layer_norm},
    {"embedding", test_embedding}, {"attention", test_attention},     {"pooling", test_pooling},
    {"similarity", test_similarity}, {"optimiser", test_optimiser},   {"masks", test_masks},
    {"convert", test_convert},     {"weights", test_weights},
};

struct Options {
  const char *library = nullptr;
  const char *emulated = nullptr;
  const char *tier = nullptr;
  uint64_t seed = 20240229;
  std::vector<std::string> families;
};

// What the processor says of itself; whether the system lets AMX be used is the library's to find out.
bool processor_has(const std::string &tier) {
  if (tier == "portable") return true;
#if defined(__x86_64__)
  __builtin_cpu_init();
  bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  if (tier == "avx2") return avx2;
  if (tier == "avx512") return avx512;
  if (tier == "avx512_bf16") return avx512 && __builtin_cpu_supports("avx512bf16");
#endif
  return false;
}

const simcse_api *api_of(const char *library) {
  void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    std::printf("%s\n", dlerror());
    std::exit(1);
  }
  using GetApi = const simcse_api *(*)(uint32_t);
  auto get_api = reinterpret_cast<GetApi>(dlsym(handle, "simcse_get_api"));
  const simcse_api *api = get_api == nullptr ? nullptr : get_api(SIMCSE_API_VERSION);
  if (api == nullptr || api->struct_size != sizeof(simcse_api)) {
    std::printf("%s has no table of version %d\n", library, SIMCSE_API_VERSION);
    std::exit(1);
  }
  return api;
}

// Opens a tier with 1, 2 and 3 threads. Returns why it cannot be had, or "".
std::string open_tier(const simcse_api *api, const char *tier, Target *target) {
  setenv("SIMCSE_TIER", tier, 1);
  target->api = api;
  for (int threads = 1; threads <= 3; threads++) {
    simcse_device_options options = {sizeof options, threads, 0, nullptr, nullptr};
    simcse_device *device = nullptr;
    if (api->device_open("cpu", &options, &device) != SIMCSE_OK) return api->last_error();
    simcse_device_properties properties = {};
    properties.struct_size = sizeof properties;
    if (api->device_properties(device, &properties) != SIMCSE_OK) return api->last_error();
    if (std::strcmp(properties.tier, tier) != 0 || properties.threads != threads) {
      return format("opened as tier %s with %d threads instead", properties.tier, properties.threads);
    }
    target->devices[threads - 1] = device;
  }
  return "";
}

// Whether all tiers are there that must be.
bool open_tiers(const Options &options, Suite *suite, bool say) {
  bool good = true;
  const simcse_api *api = api_of(options.library);
  for (const char *tier : kTiers) {
    if (options.tier != nullptr && std::strcmp(tier, options.tier) != 0) continue;
    Target target = {tier, api, {}};
    std::string obstacle = open_tier(api, tier, &target);
    if (obstacle.empty()) {
      suite->targets.push_back(target);
      if (say) std::printf("tier %s\n", tier);
      continue;
    }
    bool emulated = options.emulated != nullptr && std::strcmp(tier, "amx") == 0;
    bool missing = processor_has(tier) || (options.tier != nullptr && !emulated);
    if (say) std::printf("%s tier %s: %s\n", missing ? "FAILED" : "skipped", tier, obstacle.c_str());
    good = good && !missing;
  }
  if (options.emulated == nullptr || (options.tier != nullptr && std::strcmp(options.tier, "amx") != 0)) return good;
  Target target = {"emulated amx", nullptr, {}};
  std::string obstacle = open_tier(api_of(options.emulated), "amx", &target);
  if (obstacle.empty()) suite->targets.push_back(target);
  const char *what = obstacle.empty() ? "tier" : "FAILED tier";
  if (say) std::printf("%s %s%s%s\n", what, target.name.c_str(), obstacle.empty() ? "" : ": ", obstacle.c_str());
  return good && obstacle.empty();
}

int run_family(const Family &family, const Options &options) {
  auto start = std::chrono::steady_clock::now();
  report_faults();
  Suite suite;
  suite.seed = options.seed;
  open_tiers(options, &suite, false);
  family.run(suite);
  for (Target &target : suite.targets) {
    for (simcse_device *device : target.devices) {
      if (target.api->device_close(device) == SIMCSE_OK) continue;
      suite.fail(std::string("device_close: ") + target.api->last_error());
    }
  }
  std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  std::printf("%-12s %4d cases, %d failures, %.1f s\n", family.name, suite.cases, suite.failures, seconds.count());
  std::fflush(stdout);
  return suite.failures == 0 ? 0 : 1;
}

// In a process of its own.
template <typename Run> bool succeeds(const char *what, const Run &run) {
  std::fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    int status = run();
    std::fflush(stdout);
    _exit(status);
  }
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child) {
    std::perror("fork");
    return false;
  }
  if (WIFSIGNALED(status)) std::printf("FAILED %s: killed by signal %d\n", what, WTERMSIG(status));
  if (WIFEXITED(status) && WEXITSTATUS(status) > 1) std::printf("FAILED %s: status %d\n", what, WEXITSTATUS(status));
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool parse(int count, char **words, Options *options) {
  for (int i = 1; i < count; i++) {
    bool more = i + 1 < count;
    if (more && std::strcmp(words[i], "--emulated") == 0) {
      options->emulated = words[++i];
    } else if (more && std::strcmp(words[i], "--tier") == 0) {
      options->tier = words[++i];
    } else if (more && std::strcmp(words[i], "--seed") == 0) {
      options->seed = std::strtoull(words[++i], nullptr, 10);
    } else if (options->library == nullptr) {
      options->library = words[i];
    } else {
      options->families.push_back(words[i]);
    }
  }
  return options->library != nullptr;
}

bool asked_for(const Options &options, const char *family) {
  for (const std::string &name : options.families) {
    if (name == family) return true;
  }
  return options.families.empty();
}

}  // namespace

int main(int count, char **words) {
  Options options;
  if (!parse(count, words, &options)) {
    std::printf("operations LIBRARY [--emulated LIBRARY] [--tier NAME] [--seed NUMBER] [FAMILY ...]\n");
    return 2;
  }
  report_faults();
  std::string wrong = guards_work();
  if (!wrong.empty() || !philox_is_right()) {
    std::printf("FAILED the test's own parts: %s\n", wrong.empty() ? "Philox" : wrong.c_str());
    return 1;
  }
  bool good = succeeds("opening the tiers", [&] {
    Suite suite;
    return open_tiers(options, &suite, true) && !suite.targets.empty() ? 0 : 1;
  });
  int families = 0;
  for (const Family &family : kFamilies) {
    if (!asked_for(options, family.name)) continue;
    families++;
    good = succeeds(family.name, [&] { return run_family(family, options); }) && good;
  }
  if (families == 0) std::printf("FAILED: no such family\n");
  good = good && families > 0;
  std::printf("operations: %s, seed %llu\n", good ? "all good" : "FAILED",
              static_cast<unsigned long long>(options.seed));
  return good ? 0 : 1;
}
