/*
 * device_plugin FOLDER: "cuda:N" through the library beside a plug-in, FOLDER/plugin/libsimcse.so, and beside none,
 * FOLDER/libsimcse.so. Both are opened at run time, since each looks for its plug-in in the folder it lies in.
 */
#define _GNU_SOURCE
#include <dlfcn.h>

#include "check.h"

static const simcse_api *table;

static const simcse_api *api(void) { return table; }

static void load(const char *folder, const char *name) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  const simcse_api *(*get_api)(uint32_t) = NULL;
  if (library != NULL) *(void **)&get_api = dlsym(library, "simcse_get_api");
  if (get_api == NULL) {
    printf("%s\n", dlerror());
    exit(1);
  }
  table = get_api(SIMCSE_API_VERSION);
}

static void without(const char *folder) {
  simcse_device *device = NULL;
  load(folder, "libsimcse.so");
  CHECK_FAILS(api()->device_open("cuda:0", NULL, &device), SIMCSE_NO_DEVICE, "no CUDA plug-in: /");
  CHECK(strstr(api()->last_error(), "libsimcse_cuda.so is not there") != NULL, "%s", api()->last_error());
  CHECK_OK(api()->device_open("cpu", NULL, &device));
  CHECK_OK(api()->device_close(device));
}

static void of_another_version(void) {
  simcse_device *device = NULL;
  setenv("FAKE_PLUGIN_VERSION", "7", 1);
  CHECK_FAILS(api()->device_open("cuda:0", NULL, &device), SIMCSE_NO_DEVICE, "has no table of version 1");
  unsetenv("FAKE_PLUGIN_VERSION");
}

static void operation(simcse_device *device, simcse_stream *stream) {
  /* The plug-in's arrays lie in its own memory: nothing of them may be read here. */
  int32_t *far = (int32_t *)64;
  float *memory = (float *)128;
  simcse_batch batch = {sizeof batch, far, 9, (const int64_t *)far, far, far, 2, 9, 5, 1, 0, 0};
  simcse_attention_forward attention = {sizeof attention, &batch, SIMCSE_BF16, 64, 2, 0, memory, {0, 0, 0, 1}, memory,
                                        NULL};
  CHECK_OK(api()->attention_forward(device, stream, &attention));
  CHECK_OK(api()->attention_forward(device, NULL, &attention));
  simcse_gradient_norm norm = {sizeof norm, 1, memory, memory};
  CHECK_FAILS(api()->gradient_norm(device, NULL, &norm), SIMCSE_UNSUPPORTED, "this device does not have it");
  attention.heads = 3;
  CHECK_FAILS(api()->attention_forward(device, NULL, &attention), SIMCSE_INVALID_ARGUMENT, "3 heads do not divide");
  attention.heads = 4;
  attention.hidden = 128;
  CHECK_FAILS(api()->attention_forward(device, NULL, &attention), SIMCSE_UNSUPPORTED, "the fake plug-in has hidden 64");
}

static void with(const char *folder) {
  simcse_device *device = NULL, *cpu = NULL;
  simcse_stream *stream = NULL, *cpu_stream = NULL;
  simcse_event *event = NULL;
  load(folder, "plugin/libsimcse.so");
  of_another_version();
  CHECK_FAILS(api()->device_open("cuda:1", NULL, &device), SIMCSE_NO_DEVICE, "the fake plug-in has cuda:0 alone");
  CHECK(device == NULL, "a failed device_open wrote a handle");
  CHECK_OK(api()->device_open("cuda:0", NULL, &device));
  CHECK_OK(api()->device_open("cpu", NULL, &cpu));
  simcse_device_properties properties = {.struct_size = sizeof properties};
  CHECK_OK(api()->device_properties(device, &properties));
  CHECK(strcmp(properties.tier, "fake") == 0, "tier %s", properties.tier);
  CHECK_OK(api()->stream_open(device, &stream));
  CHECK_OK(api()->stream_open(cpu, &cpu_stream));
  CHECK_OK(api()->stream_synchronize(device, stream));
  CHECK_FAILS(api()->stream_synchronize(device, cpu_stream), SIMCSE_INVALID_HANDLE, "was not opened from this device");
  CHECK_OK(api()->event_open(device, &event));
  CHECK_OK(api()->event_record(device, stream, event));
  operation(device, stream);
  CHECK_OK(api()->stream_close(device, stream));
  CHECK_FAILS(api()->stream_synchronize(device, stream), SIMCSE_INVALID_HANDLE, "stream is closed");
  CHECK_OK(api()->device_close(device));
  CHECK_FAILS(api()->device_close(device), SIMCSE_INVALID_HANDLE, "device is closed");
  CHECK_OK(api()->device_close(cpu));
}

int main(int count, char **arguments) {
  if (count != 2) return 2;
  without(arguments[1]);
  with(arguments[1]);
  return checks_ended("device_plugin");
}
