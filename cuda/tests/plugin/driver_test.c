/*
 * driver_test LIBRARY CASE: libsimcse_cuda.so as it is shipped, through the libsimcse.so beside it, on a machine
 * without a GPU: with no driver ("missing"), and with a pretended one (fake_driver.c) in the path of the loader.
 */
#define _GNU_SOURCE
#include <dlfcn.h>

#include "../../../native/tests/check.h"

static const simcse_api *table;

static const simcse_api *api(void) { return table; }

struct refusal {
  const char *name, *text;
};

static const struct refusal kRefusals[] = {
    {"missing", "device_open: no CUDA driver: libcuda.so.1 is not there; install the NVIDIA driver"},
    {"old", "device_open: the NVIDIA driver is too old: it knows CUDA 11.8, "},
    {"none", "device_open: the NVIDIA driver finds no GPU; "},
    {"broken", "device_open: the NVIDIA driver cannot be used: "},
    {"volta", "Tesla V100 has compute capability 7.0; it takes 8.0 (Ampere) or newer, or open \"cpu\""},
};

/* The first time a key comes, its work runs as it is called; then it is recorded, made executable once, and updated. */
static void graphs(simcse_device *device, simcse_stream *stream, char *memory) {
  int (*count)(const char *) = NULL;
  *(int (**)(const char *))&count = dlsym(dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD), "fake_driver_count");
  static const int kMade[] = {0, 1, 1, 1, 2}, kUpdated[] = {0, 0, 1, 2, 2}, kLaunched[] = {0, 1, 2, 3, 4};
  for (int step = 0; step < 5; step++) {
    /* The last has another operation than the ones before. */
    int operations = step == 4 ? 2 : 1;
    memset(memory, step + 1, 10);
    CHECK_OK(api()->graph_begin(device, stream, 3));
    for (int i = 0; i < operations; i++) CHECK_OK(api()->memory_zero(device, stream, memory + 5 * i, 3 + step % 2));
    CHECK(memory[0] == (step == 0 ? 0 : step + 1), "step %d ran as it was called", step);
    CHECK_OK(api()->graph_end(device, stream));
    CHECK(memory[2] == 0 && memory[3] == (step % 2 ? 0 : step + 1), "step %d: %d %d", step, memory[2], memory[3]);
    CHECK(count("made") == kMade[step] && count("updated") == kUpdated[step] && count("launched") == kLaunched[step],
          "step %d: %d made, %d updated, %d launched", step, count("made"), count("updated"), count("launched"));
  }
  /* Left for device_close to drop. */
  CHECK_OK(api()->graph_begin(device, stream, 3));
  CHECK_OK(api()->memory_zero(device, stream, memory, 10));
}

static void whole(simcse_device *device) {
  simcse_device_properties p = {.struct_size = sizeof p};
  CHECK_OK(api()->device_properties(device, &p));
  printf("%s\n", p.description);
  CHECK(strcmp(p.tier, "sm_90") == 0 && strcmp(p.name, "cuda:0") == 0, "%s, %s", p.tier, p.name);
  CHECK(strstr(p.description, "NVIDIA H200, 132 multiprocessors, driver for CUDA 13.1") != NULL, "%s", p.description);
  simcse_device *none = NULL;
  CHECK_FAILS(api()->device_open("cuda:1", NULL, &none), SIMCSE_NO_DEVICE,
              "there is no cuda:1: the driver finds 1 GPU, from cuda:0 on");
  void *memory = NULL;
  simcse_stream *stream = NULL;
  simcse_event *event = NULL;
  float time = 0;
  unsigned char out[1000], in[1000], *pinned = NULL;
  for (int i = 0; i < 1000; i++) out[i] = (unsigned char)i;
  CHECK_OK(api()->memory_allocate(device, 1000, &memory));
  CHECK_OK(api()->stream_open(device, &stream));
  CHECK_OK(api()->copy_to_device(device, stream, (char *)memory + 100, out, 900));
  CHECK_OK(api()->event_open(device, &event));
  CHECK_OK(api()->event_record(device, stream, event));
  CHECK_OK(api()->event_wait(device, NULL, event));
  CHECK_OK(api()->copy_to_host(device, NULL, in, memory, 1000));
  CHECK_OK(api()->stream_synchronize(device, NULL));
  CHECK(in[0] == 0 && in[99] == 0 && memcmp(in + 100, out, 900) == 0, "copied bytes");
  CHECK_OK(api()->host_allocate(device, 1000, (void **)&pinned));
  CHECK(pinned[0] == 0 && pinned[999] == 0, "pinned memory is not zeroed");
  CHECK_OK(api()->copy_to_host(device, stream, pinned, memory, 1000));
  CHECK(memcmp(pinned + 100, out, 900) == 0, "copied bytes");
  graphs(device, stream, memory);
  CHECK_OK(api()->event_elapsed(device, event, event, &time));
  CHECK(time == 1.5f, "%g", (double)time);
}

/* The driver itself, as a program that uses CUDA calls it. */
static void *entry(const char *name) {
  void *driver = dlopen("libcuda.so.1", RTLD_NOW);
  void *found = driver == NULL ? NULL : dlsym(driver, name);
  CHECK(found != NULL, "%s is not there", name);
  return found;
}

/* A device over the context and the stream of the program, which destroys them itself. */
static void lent(void) {
  int (*create)(void **, unsigned, int) = NULL, (*destroy)(void *) = NULL, (*pop)(void **) = NULL;
  int (*stream_create)(void **, unsigned) = NULL, (*stream_destroy)(void *) = NULL, (*push)(void *) = NULL;
  int (*allocate)(void **, size_t) = NULL, (*free_memory)(void *) = NULL;
  *(void **)&create = entry("cuCtxCreate_v2");
  *(void **)&destroy = entry("cuCtxDestroy_v2");
  *(void **)&push = entry("cuCtxPushCurrent_v2");
  *(void **)&pop = entry("cuCtxPopCurrent_v2");
  *(void **)&stream_create = entry("cuStreamCreate");
  *(void **)&stream_destroy = entry("cuStreamDestroy_v2");
  *(void **)&allocate = entry("cuMemAlloc_v2");
  *(void **)&free_memory = entry("cuMemFree_v2");
  void *context = NULL, *other = NULL, *stream = NULL, *elsewhere = NULL, *memory = NULL, *none = NULL;
  create(&other, 0, 1);
  stream_create(&elsewhere, 1);
  pop(&none);
  create(&context, 0, 0);
  stream_create(&stream, 1);
  allocate(&memory, 64);
  pop(&none);
  simcse_device *device = NULL;
  simcse_device_options options = {.struct_size = sizeof options, .context = other};
  CHECK_FAILS(api()->device_open("cuda:0", &options, &device), SIMCSE_INVALID_ARGUMENT,
              "device_open: options.context is one of cuda:1, not of cuda:0");
  options.context = context;
  options.stream = elsewhere;
  CHECK_FAILS(api()->device_open("cuda:0", &options, &device), SIMCSE_INVALID_ARGUMENT,
              "device_open: options.stream is no stream of options.context");
  options.stream = stream;
  CHECK_OK(api()->device_open("cuda:0", &options, &device));
  char out[64] = "from the program", in[64] = "";
  CHECK_OK(api()->copy_to_device(device, NULL, memory, out, sizeof out));
  CHECK_OK(api()->copy_to_host(device, NULL, in, memory, sizeof in));
  CHECK_OK(api()->stream_synchronize(device, NULL));
  CHECK(memcmp(in, out, sizeof in) == 0, "copied bytes");
  CHECK_FAILS(api()->memory_free(device, memory), SIMCSE_INVALID_ARGUMENT, "memory is not from memory_allocate");
  CHECK_OK(api()->device_close(device));
  push(context);
  CHECK(free_memory(memory) == 0 && stream_destroy(stream) == 0, "what the program lent was destroyed");
  pop(&none);
  push(other);
  stream_destroy(elsewhere);
  pop(&none);
  destroy(context);
  destroy(other);
}

static void full(simcse_device *device) {
  void *memory = NULL;
  CHECK_FAILS(api()->memory_allocate(device, 5000, &memory), SIMCSE_OUT_OF_MEMORY,
              "memory_allocate: out of device memory: 5000 bytes were asked for, 3221225472 of 150323855360 are free "
              "on cuda:0; take a smaller batch");
  CHECK_FAILS(api()->host_allocate(device, 5000, &memory), SIMCSE_OUT_OF_MEMORY,
              "host_allocate: out of pinned host memory: 5000 bytes were asked for; see ulimit -l");
  float x = 0;
  simcse_gradient_norm norm = {sizeof norm, 1, &x, &x};
  CHECK_FAILS(api()->gradient_norm(device, NULL, &norm), SIMCSE_OUT_OF_MEMORY, "to compute in");
  CHECK(strstr(api()->last_error(), "(f32, count 1)") != NULL, "%s", api()->last_error());
}

static void failed(simcse_device *device) {
  CHECK_FAILS(api()->stream_synchronize(device, NULL), SIMCSE_DEVICE_FAULT,
              "stream_synchronize: CUDA error CUDA_ERROR_ILLEGAL_ADDRESS (700, an illegal memory access");
}

int main(int count, char **words) {
  if (count != 3) return 2;
  const char *what = words[2];
  setenv("FAKE_DRIVER", what, 1);
  void *library = dlopen(words[1], RTLD_NOW | RTLD_LOCAL);
  const simcse_api *(*get_api)(uint32_t) = NULL;
  if (library != NULL) *(void **)&get_api = dlsym(library, "simcse_get_api");
  if (get_api == NULL) {
    printf("%s\n", dlerror());
    return 1;
  }
  table = get_api(SIMCSE_API_VERSION);
  simcse_device *device = NULL;
  for (size_t i = 0; i < sizeof kRefusals / sizeof *kRefusals; i++) {
    if (strcmp(kRefusals[i].name, what) != 0) continue;
    CHECK_FAILS(api()->device_open("cuda:0", NULL, &device), SIMCSE_NO_DEVICE, kRefusals[i].text);
    return checks_ended(what);
  }
  CHECK_OK(api()->device_open("cuda:0", NULL, &device));
  if (device == NULL) return checks_ended(what);
  if (strcmp(what, "full") == 0) full(device);
  if (strcmp(what, "failed") == 0) failed(device);
  if (strcmp(what, "whole") == 0) whole(device);
  if (strcmp(what, "whole") == 0) lent();
  CHECK_OK(api()->device_close(device));
  void *driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD);
  int (*left)(void) = NULL;
  if (driver != NULL) *(void **)&left = dlsym(driver, "fake_driver_left");
  CHECK(left != NULL && left() == 0, "%d things were not given back", left == NULL ? -1 : left());
  return checks_ended(what);
}
