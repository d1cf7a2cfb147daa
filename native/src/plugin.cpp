#include "plugin.hpp"

#include <dlfcn.h>
#include <unistd.h>

#include <climits>
#include <cstdlib>
#include <mutex>
#include <string>

#include "failure.hpp"

namespace simcse {

namespace {

constexpr const char *kName = "libsimcse_cuda.so";

std::string folder_of_this_library() {
  Dl_info info;
  char path[PATH_MAX];
  if (dladdr(reinterpret_cast<void *>(&simcse_get_api), &info) == 0 || info.dli_fname == nullptr) return "";
  if (realpath(info.dli_fname, path) == nullptr) return "";
  std::string whole = path;
  return whole.substr(0, whole.rfind('/'));
}

// Found out while the library is loaded, since its path may be relative to the working directory of that moment.
// Never destroyed: threads may still call while the process ends.
const std::string &folder = *new std::string(folder_of_this_library());

const simcse_api &load() {
  if (folder.empty()) fail(SIMCSE_NO_DEVICE, "no CUDA plug-in: the folder of libsimcse.so is not known");
  std::string path = folder + "/" + kName;
  if (access(path.c_str(), F_OK) != 0) {
    fail(SIMCSE_NO_DEVICE, "no CUDA plug-in: %s is not there; put it beside libsimcse.so or open \"cpu\"",
         path.c_str());
  }
  void *library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) fail(SIMCSE_NO_DEVICE, "no CUDA plug-in: it cannot be loaded: %s", dlerror());
  using GetApi = const simcse_api *(*)(uint32_t);
  GetApi get_api = reinterpret_cast<GetApi>(dlsym(library, "simcse_get_api"));
  const simcse_api *api = get_api == nullptr ? nullptr : get_api(SIMCSE_API_VERSION);
  if (api == nullptr || api->version != SIMCSE_API_VERSION || api->struct_size != sizeof(simcse_api)) {
    dlclose(library);
    fail(SIMCSE_NO_DEVICE,
         "no CUDA plug-in: %s has no table of version %d; install the one that was built with this library",
         path.c_str(), SIMCSE_API_VERSION);
  }
  return *api;
}

}  // namespace

const simcse_api &cuda_plugin() {
  static std::mutex mutex;
  static const simcse_api *loaded = nullptr;
  std::lock_guard<std::mutex> lock(mutex);
  if (loaded == nullptr) loaded = &load();
  return *loaded;
}

}  // namespace simcse
