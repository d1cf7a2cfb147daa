/* Devices, their memory, streams and events; handles that are not open; tiers; texts and devices of several threads. */
#define _GNU_SOURCE
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <unistd.h>

#include "check.h"

static const simcse_api *api(void) { return simcse_get_api(SIMCSE_API_VERSION); }

static simcse_device *opened(int threads) {
  simcse_device_options options = {.struct_size = sizeof options, .threads = threads};
  simcse_device *device = NULL;
  CHECK_OK(api()->device_open("cpu", &options, &device));
  return device;
}

static void table(void) {
  CHECK(simcse_get_api(0) == NULL && simcse_get_api(SIMCSE_API_VERSION + 1) == NULL, "a table of another version");
  CHECK(api()->struct_size == sizeof(simcse_api) && api()->version == SIMCSE_API_VERSION, "size or version");
  void *entries[(sizeof(simcse_api) - 16) / sizeof(void *)];
  memcpy(entries, (const char *)api() + 16, sizeof entries);
  for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) CHECK(entries[i] != NULL, "entry %zu is null", i);
  CHECK(strncmp(api()->build(), "simcse ", 7) == 0, "build is %s", api()->build());
  CHECK(api()->last_error()[0] == 0, "an error before any: %s", api()->last_error());
}

static void opening(void) {
  simcse_device *const untouched = (simcse_device *)&checks_done;
  simcse_device *device = untouched;
  simcse_device_options options = {.struct_size = sizeof options};
  CHECK_FAILS(api()->device_open(NULL, NULL, &device), SIMCSE_INVALID_ARGUMENT, "device_open: name is null");
  CHECK_FAILS(api()->device_open("cpu", NULL, NULL), SIMCSE_INVALID_ARGUMENT, "device_open: device is null");
  const char *unknown[] = {"", "CPU", "cpu:0", "cuda", "cuda:", "cuda:x", "cuda:-1", "cuda:12345", "tpu:0"};
  for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
    CHECK_FAILS(api()->device_open(unknown[i], NULL, &device), SIMCSE_NO_DEVICE, "there is no device");
  }
  options.struct_size = 8;
  CHECK_FAILS(api()->device_open("cpu", &options, &device), SIMCSE_INVALID_ARGUMENT, "options.struct_size is 8");
  options.struct_size = sizeof options;
  options.threads = -1;
  CHECK_FAILS(api()->device_open("cpu", &options, &device), SIMCSE_INVALID_ARGUMENT, "options.threads is -1");
  options.threads = 1 << 30;
  CHECK_FAILS(api()->device_open("cpu", &options, &device), SIMCSE_INVALID_ARGUMENT, "options.threads");
  options.threads = 0;
  options.reserved = 1;
  CHECK_FAILS(api()->device_open("cpu", &options, &device), SIMCSE_INVALID_ARGUMENT, "options.reserved is 1");
  options.reserved = 0;
  options.context = &options;
  CHECK_FAILS(api()->device_open("cpu", &options, &device), SIMCSE_INVALID_ARGUMENT, "options.context must be null");
  options.context = NULL;
  options.stream = &options;
  CHECK_FAILS(api()->device_open("cpu", &options, &device), SIMCSE_INVALID_ARGUMENT, "options.stream must be null");
  CHECK(device == untouched, "a failed device_open wrote a handle");
}

static void tiers(void) {
  simcse_device *device = NULL;
  char *forced = getenv("SIMCSE_TIER");
  forced = forced == NULL ? NULL : strdup(forced);
  setenv("SIMCSE_TIER", "sse9", 1);
  CHECK_FAILS(api()->device_open("cpu", NULL, &device), SIMCSE_NO_DEVICE, "SIMCSE_TIER is \"sse9\"");
  CHECK(strstr(api()->last_error(), "portable") != NULL, "the text does not list the tiers: %s", api()->last_error());
  const char *names[] = {"portable", "avx2", "avx512", "avx512_bf16", "amx"};
  for (int i = 0; i < 5; i++) {
    setenv("SIMCSE_TIER", names[i], 1);
    simcse_status status = api()->device_open("cpu", NULL, &device);
    if (status != SIMCSE_OK) {
      CHECK(status == SIMCSE_NO_DEVICE && i > 0, "status %d for %s", (int)status, names[i]);
      CHECK(strstr(api()->last_error(), names[i]) != NULL, "%s", api()->last_error());
      continue;
    }
    simcse_device_properties properties = {.struct_size = sizeof properties};
    CHECK_OK(api()->device_properties(device, &properties));
    CHECK(strcmp(properties.tier, names[i]) == 0, "tier %s instead of %s", properties.tier, names[i]);
    CHECK_OK(api()->device_close(device));
  }
  if (forced == NULL) {
    unsetenv("SIMCSE_TIER");
  } else {
    setenv("SIMCSE_TIER", forced, 1);
  }
  free(forced);
}

static void properties(void) {
  int threads[] = {0, 1, 2, 3, 7};
  for (int i = 0; i < 5; i++) {
    simcse_device *device = opened(threads[i]);
    simcse_device_properties p = {.struct_size = sizeof p};
    CHECK_OK(api()->device_properties(device, &p));
    CHECK(strcmp(p.name, "cpu") == 0 && strstr(p.description, p.tier) != NULL, "%s: %s", p.name, p.description);
    CHECK(threads[i] == 0 ? p.threads >= 1 : p.threads == threads[i], "%d threads", (int)p.threads);
    CHECK(p.alignment == 64 && p.memory_total > 0 && p.memory_free > 0 && p.struct_size == sizeof p, "numbers");
    p.struct_size--;
    CHECK_FAILS(api()->device_properties(device, &p), SIMCSE_INVALID_ARGUMENT, "properties.struct_size");
    CHECK_FAILS(api()->device_properties(device, NULL), SIMCSE_INVALID_ARGUMENT, "properties is null");
    CHECK_OK(api()->device_close(device));
  }
}

static void host_memory(simcse_device *device) {
  int64_t sizes[] = {0, 1, 65, (2 << 20) + 3};
  for (int i = 0; i < 4; i++) {
    unsigned char *block = NULL, last = 7, copied = 0;
    CHECK_OK(api()->host_allocate(device, sizes[i], (void **)&block));
    CHECK(block != NULL && (uintptr_t)block % 64 == 0, "%p", (void *)block);
    int64_t dirty = 0;
    for (int64_t j = 0; j < sizes[i]; j++) dirty += block[j] != 0;
    CHECK(dirty == 0, "%d bytes of %d are not 0", (int)dirty, (int)sizes[i]);
    if (sizes[i] > 0) {
      block[sizes[i] - 1] = last;
      CHECK_OK(api()->copy_to_device(device, NULL, &copied, block + sizes[i] - 1, 1));
      CHECK(copied == last, "copied %d", copied);
    }
    CHECK_FAILS(api()->memory_free(device, block), SIMCSE_INVALID_ARGUMENT, "memory_free: memory is not from");
    CHECK_OK(api()->host_free(device, block));
    CHECK_FAILS(api()->host_free(device, block), SIMCSE_INVALID_ARGUMENT, "host_free: memory is not from");
  }
  void *block = NULL;
  CHECK_FAILS(api()->host_free(device, NULL), SIMCSE_INVALID_ARGUMENT, "host_free: memory is null");
  CHECK_FAILS(api()->host_allocate(device, -1, &block), SIMCSE_INVALID_ARGUMENT, "host_allocate: bytes is -1");
  CHECK_FAILS(api()->host_allocate(device, 8, NULL), SIMCSE_INVALID_ARGUMENT, "host_allocate: memory is null");
  CHECK_FAILS(api()->host_allocate(device, INT64_MAX, &block), SIMCSE_OUT_OF_MEMORY, "9223372036854775807 bytes");
  CHECK(block == NULL, "a failed host_allocate wrote a pointer");
  CHECK_OK(api()->host_allocate(device, 300, &block));
}

static void memory(void) {
  simcse_device *device = opened(1);
  int64_t sizes[] = {0, 1, 63, 64, 4097, (2 << 20) - 1, 2 << 20, (5 << 20) + 3};
  for (int i = 0; i < 8; i++) {
    unsigned char *block = NULL;
    CHECK_OK(api()->memory_allocate(device, sizes[i], (void **)&block));
    CHECK(block != NULL && (uintptr_t)block % 64 == 0, "%p", (void *)block);
    int64_t dirty = 0;
    for (int64_t j = 0; j < sizes[i]; j++) dirty += block[j] != 0;
    CHECK(dirty == 0, "%d bytes of %d are not 0", (int)dirty, (int)sizes[i]);
    if (sizes[i] > 0) {
      block[0] = 1;
      block[sizes[i] - 1] = 2;
      unsigned char first = 0, last = 7;
      CHECK_OK(api()->copy_to_host(device, NULL, &first, block, 1));
      CHECK_OK(api()->copy_to_device(device, NULL, block + sizes[i] - 1, &last, 1));
      CHECK(first == (sizes[i] == 1 ? 2 : 1) && block[sizes[i] - 1] == 7, "copies");
      CHECK_OK(api()->memory_zero(device, NULL, block, sizes[i]));
      CHECK(block[0] == 0 && block[sizes[i] - 1] == 0, "memory_zero");
    }
    CHECK_OK(api()->memory_free(device, block));
    CHECK_FAILS(api()->memory_free(device, block), SIMCSE_INVALID_ARGUMENT, "memory_free: memory is not from");
  }
  int foreign = 0;
  void *block = &foreign;
  CHECK_FAILS(api()->memory_free(device, &foreign), SIMCSE_INVALID_ARGUMENT, "memory_free: memory is not from");
  CHECK_FAILS(api()->memory_free(device, NULL), SIMCSE_INVALID_ARGUMENT, "memory_free: memory is null");
  CHECK_FAILS(api()->memory_allocate(device, -1, &block), SIMCSE_INVALID_ARGUMENT, "memory_allocate: bytes is -1");
  CHECK_FAILS(api()->memory_allocate(device, 8, NULL), SIMCSE_INVALID_ARGUMENT, "memory_allocate: memory is null");
  CHECK_FAILS(api()->memory_allocate(device, INT64_MAX, &block), SIMCSE_OUT_OF_MEMORY, "9223372036854775807 bytes");
  CHECK_FAILS(api()->memory_allocate(device, (int64_t)1 << 60, &block), SIMCSE_OUT_OF_MEMORY, "1152921504606846976");
  CHECK(block == &foreign, "a failed memory_allocate wrote a pointer");
  CHECK_FAILS(api()->memory_zero(device, NULL, NULL, 4), SIMCSE_INVALID_ARGUMENT, "memory_zero: memory is null");
  CHECK_FAILS(api()->memory_zero(device, NULL, &foreign, -4), SIMCSE_INVALID_ARGUMENT, "memory_zero: bytes is -4");
  CHECK_FAILS(api()->copy_to_device(device, NULL, NULL, &foreign, 4), SIMCSE_INVALID_ARGUMENT, ": to is null");
  CHECK_FAILS(api()->copy_to_device(device, NULL, &foreign, NULL, 4), SIMCSE_INVALID_ARGUMENT, ": host is null");
  CHECK_FAILS(api()->copy_to_host(device, NULL, NULL, &foreign, 4), SIMCSE_INVALID_ARGUMENT, ": host is null");
  CHECK_FAILS(api()->copy_to_host(device, NULL, &foreign, NULL, 4), SIMCSE_INVALID_ARGUMENT, ": from is null");
  CHECK_OK(api()->copy_to_host(device, NULL, NULL, NULL, 0));
  host_memory(device);
  /* Left for device_close to give back. */
  CHECK_OK(api()->memory_allocate(device, 3 << 20, &block));
  CHECK_OK(api()->memory_allocate(device, 300, &block));
  CHECK_OK(api()->device_close(device));
}

static void weights(void) {
  simcse_device *device = opened(1);
  float *block = NULL;
  CHECK_OK(api()->memory_allocate(device, 4096, (void **)&block));
  CHECK_FAILS(api()->weights_hold(device, NULL, 8), SIMCSE_INVALID_ARGUMENT, "weights_hold: memory is null");
  CHECK_FAILS(api()->weights_hold(device, block, 0), SIMCSE_INVALID_ARGUMENT, "weights_hold: bytes is 0");
  CHECK_FAILS(api()->weights_hold(device, block, -1), SIMCSE_INVALID_ARGUMENT, "weights_hold: bytes is -1");
  CHECK_FAILS(api()->weights_release(device, block), SIMCSE_INVALID_ARGUMENT, "weights_release: memory holds no");
  CHECK_OK(api()->weights_hold(device, block, 4096));
  CHECK_FAILS(api()->weights_hold(device, block + 8, 64), SIMCSE_INVALID_ARGUMENT, "overlaps");
  CHECK_FAILS(api()->memory_free(device, block), SIMCSE_INVALID_ARGUMENT, "weights_release first");
  /* A product with held weights follows what memory_zero and copy_to_device put there. */
  float a[4] = {1, 2, 3, 4}, b[4] = {1, 0, 0, 1}, c[4];
  simcse_gemm gemm = {.struct_size = sizeof gemm, .dtype = SIMCSE_F32, .c_dtype = SIMCSE_F32, .m = 2, .n = 2, .k = 2,
                      .a = a, .b = block, .c = c};
  for (int round = 0; round < 3; round++) {
    CHECK_OK(api()->copy_to_device(device, NULL, block, b, sizeof b));
    CHECK_OK(api()->gemm(device, NULL, &gemm));
    CHECK(c[0] == b[0] && c[3] == 4 * b[3], "round %d: %g %g", round, c[0], c[3]);
    CHECK_OK(api()->memory_zero(device, NULL, block, sizeof b));
    CHECK_OK(api()->gemm(device, NULL, &gemm));
    CHECK(c[0] == 0 && c[3] == 0, "round %d: %g %g", round, c[0], c[3]);
    b[0] += 1;
    b[3] += 2;
  }
  CHECK_OK(api()->weights_release(device, block));
  CHECK_OK(api()->memory_free(device, block));
  CHECK_OK(api()->device_close(device));
}

static void streams_and_events(void) {
  simcse_device *device = opened(1), *other = opened(1);
  simcse_stream *stream = NULL, *closed = NULL, *foreign = NULL;
  simcse_event *from = NULL, *to = NULL;
  float milliseconds = -1;
  int64_t number = 0;
  CHECK_OK(api()->stream_open(device, &stream));
  CHECK_OK(api()->stream_open(device, &closed));
  CHECK_OK(api()->stream_open(other, &foreign));
  CHECK_OK(api()->stream_close(device, closed));
  CHECK_FAILS(api()->stream_close(device, closed), SIMCSE_INVALID_HANDLE, "stream_close: stream is closed");
  CHECK_FAILS(api()->stream_close(device, NULL), SIMCSE_INVALID_HANDLE, "stream_close: stream is null");
  CHECK_FAILS(api()->stream_open(device, NULL), SIMCSE_INVALID_ARGUMENT, "stream_open: stream is null");
  CHECK_OK(api()->stream_synchronize(device, NULL));
  CHECK_OK(api()->stream_synchronize(device, stream));
  simcse_stream *bad[] = {closed, foreign, (simcse_stream *)&number};
  for (int i = 0; i < 3; i++) {
    CHECK_FAILS(api()->stream_synchronize(device, bad[i]), SIMCSE_INVALID_HANDLE, "stream_synchronize: stream");
    CHECK_FAILS(api()->memory_zero(device, bad[i], &number, 8), SIMCSE_INVALID_HANDLE, "memory_zero: stream");
    CHECK_FAILS(api()->copy_to_host(device, bad[i], &number, &number, 8), SIMCSE_INVALID_HANDLE, ": stream is");
    CHECK_FAILS(api()->gemm(device, bad[i], NULL), SIMCSE_INVALID_HANDLE, "gemm: stream");
  }
  CHECK_OK(api()->event_open(device, &from));
  CHECK_OK(api()->event_open(device, &to));
  CHECK_FAILS(api()->event_open(device, NULL), SIMCSE_INVALID_ARGUMENT, "event_open: event is null");
  CHECK_FAILS(api()->event_elapsed(device, from, to, &milliseconds), SIMCSE_INVALID_ARGUMENT, "from was never");
  CHECK_OK(api()->event_record(device, stream, from));
  CHECK_FAILS(api()->event_elapsed(device, from, to, &milliseconds), SIMCSE_INVALID_ARGUMENT, "to was never");
  CHECK(milliseconds == -1, "a failed event_elapsed wrote %g", milliseconds);
  CHECK_OK(api()->event_record(device, NULL, to));
  CHECK_OK(api()->event_wait(device, stream, from));
  CHECK_OK(api()->event_synchronize(device, to));
  CHECK_OK(api()->event_elapsed(device, from, to, &milliseconds));
  CHECK(milliseconds >= 0, "%g ms", milliseconds);
  CHECK_FAILS(api()->event_elapsed(device, from, to, NULL), SIMCSE_INVALID_ARGUMENT, "milliseconds is null");
  CHECK_FAILS(api()->event_record(device, stream, NULL), SIMCSE_INVALID_HANDLE, "event_record: event is null");
  CHECK_FAILS(api()->event_wait(other, NULL, from), SIMCSE_INVALID_HANDLE, "event_wait: event is closed, or");
  CHECK_OK(api()->event_close(device, from));
  CHECK_FAILS(api()->event_close(device, from), SIMCSE_INVALID_HANDLE, "event_close: event is closed");
  CHECK_FAILS(api()->event_elapsed(device, from, to, &milliseconds), SIMCSE_INVALID_HANDLE, "event_elapsed: from is");
  CHECK_OK(api()->device_close(other));
  CHECK_OK(api()->device_close(device));
}

static void graphs(void) {
  simcse_device *device = opened(1);
  simcse_stream *stream = NULL;
  simcse_event *event = NULL;
  int host[4] = {1, 2, 3, 4};
  CHECK_OK(api()->stream_open(device, &stream));
  CHECK_OK(api()->event_open(device, &event));
  CHECK_FAILS(api()->graph_end(device, NULL), SIMCSE_INVALID_ARGUMENT, "graph_end: no graph is being recorded");
  CHECK_OK(api()->graph_begin(device, NULL, 1));
  static const char kBusy[] = "a graph is being recorded on this stream; call graph_end first";
  CHECK_FAILS(api()->graph_begin(device, NULL, 1), SIMCSE_INVALID_ARGUMENT, kBusy);
  CHECK_FAILS(api()->stream_synchronize(device, NULL), SIMCSE_INVALID_ARGUMENT, kBusy);
  CHECK_FAILS(api()->copy_to_host(device, NULL, host, host + 1, 4), SIMCSE_INVALID_ARGUMENT, kBusy);
  CHECK_FAILS(api()->event_record(device, NULL, event), SIMCSE_INVALID_ARGUMENT, kBusy);
  CHECK_FAILS(api()->event_wait(device, NULL, event), SIMCSE_INVALID_ARGUMENT, kBusy);
  /* Another stream may have a graph of its own. */
  CHECK_FAILS(api()->graph_end(device, stream), SIMCSE_INVALID_ARGUMENT, "call graph_begin first");
  CHECK_OK(api()->graph_begin(device, stream, 1));
  CHECK_FAILS(api()->stream_close(device, stream), SIMCSE_INVALID_ARGUMENT, kBusy);
  CHECK_OK(api()->memory_zero(device, stream, host, 8));
  CHECK_OK(api()->graph_end(device, stream));
  CHECK_OK(api()->stream_synchronize(device, stream));
  CHECK(host[0] == 0 && host[1] == 0 && host[2] == 3, "%d %d %d", host[0], host[1], host[2]);
  CHECK_OK(api()->graph_end(device, NULL));
  CHECK_OK(api()->stream_synchronize(device, NULL));
  CHECK_OK(api()->stream_close(device, stream));
  CHECK_OK(api()->device_close(device));
}

static void closed_devices(void) {
  simcse_device *device = opened(2);
  CHECK_OK(api()->device_close(device));
  simcse_device *later = opened(1);
  int64_t number = 0;
  simcse_device *bad[] = {NULL, device, (simcse_device *)&number, (simcse_device *)1};
  for (int i = 0; i < 4; i++) {
    void *memory = NULL;
    simcse_stream *stream = NULL;
    simcse_event *event = NULL;
    float elapsed;
    simcse_device_properties p = {.struct_size = sizeof p};
    CHECK_FAILS(api()->device_close(bad[i]), SIMCSE_INVALID_HANDLE, "device_close: device is");
    CHECK_FAILS(api()->device_properties(bad[i], &p), SIMCSE_INVALID_HANDLE, "device_properties: device is");
    CHECK_FAILS(api()->memory_allocate(bad[i], 8, &memory), SIMCSE_INVALID_HANDLE, "memory_allocate: device is");
    CHECK_FAILS(api()->memory_free(bad[i], &number), SIMCSE_INVALID_HANDLE, "memory_free: device is");
    CHECK_FAILS(api()->memory_zero(bad[i], NULL, &number, 8), SIMCSE_INVALID_HANDLE, "memory_zero: device is");
    CHECK_FAILS(api()->host_allocate(bad[i], 8, &memory), SIMCSE_INVALID_HANDLE, "host_allocate: device is");
    CHECK_FAILS(api()->host_free(bad[i], &number), SIMCSE_INVALID_HANDLE, "host_free: device is");
    CHECK_FAILS(api()->copy_to_device(bad[i], NULL, &number, &number, 8), SIMCSE_INVALID_HANDLE, ": device is");
    CHECK_FAILS(api()->copy_to_host(bad[i], NULL, &number, &number, 8), SIMCSE_INVALID_HANDLE, ": device is");
    CHECK_FAILS(api()->stream_open(bad[i], &stream), SIMCSE_INVALID_HANDLE, "stream_open: device is");
    CHECK_FAILS(api()->stream_close(bad[i], stream), SIMCSE_INVALID_HANDLE, "stream_close: device is");
    CHECK_FAILS(api()->stream_synchronize(bad[i], NULL), SIMCSE_INVALID_HANDLE, "stream_synchronize: device is");
    CHECK_FAILS(api()->event_open(bad[i], &event), SIMCSE_INVALID_HANDLE, "event_open: device is");
    CHECK_FAILS(api()->event_close(bad[i], event), SIMCSE_INVALID_HANDLE, "event_close: device is");
    CHECK_FAILS(api()->event_record(bad[i], NULL, event), SIMCSE_INVALID_HANDLE, "event_record: device is");
    CHECK_FAILS(api()->event_wait(bad[i], NULL, event), SIMCSE_INVALID_HANDLE, "event_wait: device is");
    CHECK_FAILS(api()->event_synchronize(bad[i], event), SIMCSE_INVALID_HANDLE, "event_synchronize: device is");
    CHECK_FAILS(api()->event_elapsed(bad[i], event, event, &elapsed), SIMCSE_INVALID_HANDLE, ": device is");
    CHECK_FAILS(api()->weights_hold(bad[i], &number, 8), SIMCSE_INVALID_HANDLE, "weights_hold: device is");
    CHECK_FAILS(api()->weights_release(bad[i], &number), SIMCSE_INVALID_HANDLE, "weights_release: device is");
    CHECK_FAILS(api()->gemm(bad[i], NULL, NULL), SIMCSE_INVALID_HANDLE, "gemm: device is");
  }
  CHECK_OK(api()->device_close(later));
}

/* --- threads --- */

/* Threads of this process that are the library's: named so, and deaf to signals, which are for the program's own. */
static int workers(void) {
  char path[300], line[256];
  int count = 0;
  DIR *folder = opendir("/proc/self/task");
  for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
    int named = 0;
    snprintf(path, sizeof path, "/proc/self/task/%s/status", entry->d_name);
    FILE *status = entry->d_name[0] == '.' ? NULL : fopen(path, "r");
    while (status != NULL && fgets(line, sizeof line, status) != NULL) {
      unsigned long long blocked = 0;
      if (strncmp(line, "Name:\tsimcse-", 13) == 0) count += named = 1;
      if (!named || sscanf(line, "SigBlk: %llx", &blocked) != 1) continue;
      unsigned long long wanted = 1ull << (SIGTERM - 1) | 1ull << (SIGINT - 1) | 1ull << (SIGPROF - 1);
      CHECK((blocked & wanted) == wanted, "a thread of the library has %llx blocked", blocked);
    }
    if (status != NULL) fclose(status);
  }
  if (folder != NULL) closedir(folder);
  return count;
}

static void own_threads(void) {
  CHECK(workers() == 0, "%d threads without a device", workers());
  simcse_device *alone = opened(1);
  CHECK(workers() == 0, "%d threads for one that computes", workers());
  simcse_device *device = opened(4);
  CHECK(workers() == 3, "%d threads beside the caller", workers());
  CHECK_OK(api()->device_close(alone));
  CHECK_OK(api()->device_close(device));
  for (int wait = 0; wait < 100 && workers() > 0; wait++) usleep(10000);
  CHECK(workers() == 0, "%d threads after device_close", workers());
}

enum { kCount = 10007 };

struct Work {
  int threads;
  float first, second; /* the same numbers whatever the threads */
  const char *text;
};

static void *works(void *argument) {
  struct Work *work = argument;
  simcse_device_options options = {.struct_size = sizeof options, .threads = work->threads};
  simcse_device *device = NULL;
  if (api()->device_open("cpu", &options, &device) != SIMCSE_OK) return NULL;
  float *x = malloc(sizeof(float) * kCount), sums[2] = {0, 0};
  simcse_gradient_norm norm = {sizeof norm, kCount, x, &work->first};
  simcse_column_sum sum = {.struct_size = sizeof sum, .dtype = SIMCSE_F32, .rows = kCount / 2, .columns = 2, .x = x,
                           .sum = sums};
  for (int round = 0; round < 200; round++) {
    for (int i = 0; i < kCount; i++) x[i] = (float)(i % 17) - (float)round / 8;
    sums[0] = 0;
    api()->gradient_norm(device, NULL, &norm);
    api()->column_sum(device, NULL, &sum);
  }
  work->second = sums[0];
  norm.count = -work->threads;
  api()->gradient_norm(device, NULL, &norm);
  char expected[64];
  snprintf(expected, sizeof expected, "gradient_norm: count is -%d, below 0", work->threads);
  work->text = strcmp(api()->last_error(), expected) == 0 ? "" : "the text is another thread's";
  free(x);
  api()->device_close(device);
  return NULL;
}

static void several_threads(void) {
  struct Work work[] = {{1, 0, 0, NULL}, {2, 0, 0, NULL}, {3, 0, 0, NULL}, {7, 0, 0, NULL}};
  pthread_t thread[4];
  for (int i = 0; i < 4; i++) pthread_create(&thread[i], NULL, works, &work[i]);
  for (int i = 0; i < 4; i++) pthread_join(thread[i], NULL);
  for (int i = 0; i < 4; i++) {
    CHECK(work[i].text != NULL && work[i].text[0] == '\0', "%d threads: %s", work[i].threads, work[i].text);
    CHECK(memcmp(&work[i].first, &work[0].first, 4) == 0 && work[i].first > 0, "norm %.9g and %.9g", work[i].first,
          work[0].first);
    CHECK(memcmp(&work[i].second, &work[0].second, 4) == 0, "sum %.9g and %.9g", work[i].second, work[0].second);
  }
}

int main(void) {
  table();
  opening();
  tiers();
  properties();
  memory();
  weights();
  streams_and_events();
  graphs();
  closed_devices();
  own_threads();
  several_threads();
  return checks_ended("device");
}
