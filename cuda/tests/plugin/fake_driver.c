/*
 * The part of NVIDIA's driver that the plug-in calls itself, over host memory, for tests of libsimcse_cuda.so as it is
 * shipped on a machine without a GPU. It launches nothing. FAKE_DRIVER says what it pretends: "old" a driver for CUDA
 * 11.8, "none" no GPU, "broken" one that does not start, "volta" a GPU of compute capability 7.0, "full" one without
 * memory, "failed" one on which work faults; else an H200.
 */
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

enum { OK = 0, OUT_OF_MEMORY = 2, NO_DEVICE = 100, INVALID_CONTEXT = 201, ILLEGAL_ADDRESS = 700, NOT_READY = 802 };

static int pretends(const char *what) {
  const char *set = getenv("FAKE_DRIVER");
  return set != NULL && strcmp(set, what) == 0;
}

/* Of the primary context it is the address that counts, and how often it is held. */
struct context {
  int device, held;
};
struct stream {
  struct context *context;
};

static struct context primary;
static int created;
static _Thread_local struct context *stack[16];
static _Thread_local int depth;

/* Everything but the questions before it needs a context. */
static int in_context(void) { return depth > 0 ? OK : INVALID_CONTEXT; }
static int work(void) { return in_context() != OK ? in_context() : pretends("failed") ? ILLEGAL_ADDRESS : OK; }

EXPORT int cuInit(unsigned flags) {
  if (flags != 0) return 1;
  return pretends("none") ? NO_DEVICE : pretends("broken") ? NOT_READY : OK;
}
EXPORT int cuDriverGetVersion(int *version) {
  *version = pretends("old") ? 11080 : 13010;
  return OK;
}
EXPORT int cuGetErrorName(int error, const char **name) {
  *name = error == ILLEGAL_ADDRESS ? "CUDA_ERROR_ILLEGAL_ADDRESS" : "CUDA_ERROR";
  return OK;
}
EXPORT int cuGetErrorString(int error, const char **text) {
  *text = error == ILLEGAL_ADDRESS ? "an illegal memory access was encountered" : "some error";
  return OK;
}
EXPORT int cuDeviceGetCount(int *count) {
  *count = 1;
  return OK;
}
EXPORT int cuDeviceGet(int *device, int number) {
  *device = number;
  return OK;
}
EXPORT int cuDeviceGetName(char *name, int size, int device) {
  (void)device;
  strncpy(name, pretends("volta") ? "Tesla V100" : "NVIDIA H200", (size_t)size);
  return OK;
}
EXPORT int cuDeviceGetAttribute(int *value, int attribute, int device) {
  (void)device;
  *value = attribute == 75 ? (pretends("volta") ? 7 : 9) : attribute == 16 ? 132 : 0;
  return OK;
}
EXPORT int cuDevicePrimaryCtxRetain(void **context, int device) {
  (void)device;
  primary.held++;
  *context = &primary;
  return OK;
}
EXPORT int cuDevicePrimaryCtxRelease_v2(int device) {
  (void)device;
  /* Still current somewhere, or given back twice. */
  if (depth != 0 || primary.held == 0) abort();
  primary.held--;
  return OK;
}
EXPORT int cuCtxPushCurrent_v2(void *context) {
  struct context *pushed = context;
  if (pushed == NULL || pushed->held == 0) return INVALID_CONTEXT;
  stack[depth++] = pushed;
  return OK;
}
EXPORT int cuCtxPopCurrent_v2(void **context) {
  if (depth == 0) abort();
  *context = stack[--depth];
  return OK;
}
/* Leaves it current, as the real one does. */
EXPORT int cuCtxCreate_v2(void **context, unsigned flags, int device) {
  struct context *fresh = malloc(sizeof *fresh);
  (void)flags;
  *fresh = (struct context){device, 1};
  created++;
  *context = fresh;
  return cuCtxPushCurrent_v2(fresh);
}
EXPORT int cuCtxDestroy_v2(void *context) {
  if (depth > 0 && stack[depth - 1] == context) depth--;
  created--;
  free(context);
  return OK;
}
EXPORT int cuCtxGetDevice(int *device) {
  if (in_context() == OK) *device = stack[depth - 1]->device;
  return in_context();
}
EXPORT int cuMemGetInfo_v2(size_t *free, size_t *total) {
  *free = (size_t)3 << 30;
  *total = (size_t)140 << 30;
  return in_context();
}

static int blocks;

EXPORT int cuMemAlloc_v2(void **memory, size_t bytes) {
  if (in_context() != OK) return in_context();
  if (pretends("full")) return OUT_OF_MEMORY;
  *memory = aligned_alloc(256, (bytes + 255) / 256 * 256);
  memset(*memory, 0xff, bytes);
  blocks++;
  return OK;
}
EXPORT int cuMemFree_v2(void *memory) {
  blocks--;
  free(memory);
  return in_context();
}
EXPORT int cuMemHostAlloc(void **memory, size_t bytes, unsigned flags) {
  (void)flags;
  return cuMemAlloc_v2(memory, bytes);
}
EXPORT int cuMemFreeHost(void *memory) { return cuMemFree_v2(memory); }
/* Graphs of what it can record: at most some stretches of memory that are set. */
struct stretch {
  void *memory;
  unsigned char byte;
  size_t bytes;
};
struct graph {
  struct stretch stretches[8];
  int count;
};
static void *recorded; /* the stream that is */
static struct graph recording;
static int made, updated, launched;

EXPORT int cuMemsetD8Async(void *memory, unsigned char byte, size_t bytes, void *stream) {
  if (stream == NULL) return 1;
  if (stream == recorded) {
    recording.stretches[recording.count++] = (struct stretch){memory, byte, bytes};
  } else {
    memset(memory, byte, bytes);
  }
  return work();
}
EXPORT int cuStreamBeginCapture_v2(void *stream, int mode) {
  if (stream == NULL || recorded != NULL || mode != 2) return 1;
  recorded = stream;
  recording.count = 0;
  return work();
}
static void *copied(void) {
  struct graph *copy = malloc(sizeof *copy);
  *copy = recording;
  blocks++;
  return copy;
}
EXPORT int cuStreamEndCapture(void *stream, void **graph) {
  if (stream != recorded) return 1;
  recorded = NULL;
  *graph = copied();
  return work();
}
EXPORT int cuGraphInstantiateWithFlags(void **executable, void *graph, unsigned long long flags) {
  if (graph == NULL || flags != 0) return 1;
  *executable = copied();
  made++;
  return work();
}
EXPORT int cuGraphExecUpdate_v2(struct graph *executable, const struct graph *graph, void *info) {
  (void)info;
  if (executable->count != graph->count) return 910; /* CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE */
  *executable = *graph;
  updated++;
  return work();
}
EXPORT int cuGraphLaunch(const struct graph *executable, void *stream) {
  if (stream == NULL || stream == recorded) return 1;
  for (int i = 0; i < executable->count; i++) {
    memset(executable->stretches[i].memory, executable->stretches[i].byte, executable->stretches[i].bytes);
  }
  launched++;
  return work();
}
EXPORT int cuGraphDestroy(void *graph) {
  blocks--;
  free(graph);
  return in_context();
}
EXPORT int cuGraphExecDestroy(void *executable) { return cuGraphDestroy(executable); }

/* For the test: how many graphs were made executable, updated, launched. */
EXPORT int fake_driver_count(const char *what) {
  return what[0] == 'm' ? made : what[0] == 'u' ? updated : launched;
}

EXPORT int cuMemcpyHtoDAsync_v2(void *to, const void *from, size_t bytes, void *stream) {
  if (stream == NULL) return 1;
  memcpy(to, from, bytes);
  return work();
}
EXPORT int cuMemcpyDtoHAsync_v2(void *to, const void *from, size_t bytes, void *stream) {
  return cuMemcpyHtoDAsync_v2(to, from, bytes, stream);
}

EXPORT int cuStreamCreate(void **stream, unsigned flags) {
  if (in_context() != OK || flags != 1) return in_context() != OK ? in_context() : 1;
  struct stream *fresh = malloc(sizeof *fresh);
  fresh->context = stack[depth - 1];
  blocks++;
  *stream = fresh;
  return OK;
}
EXPORT int cuStreamDestroy_v2(void *stream) {
  blocks--;
  free(stream);
  return in_context();
}
EXPORT int cuStreamGetCtx(void *stream, void **context) {
  *context = ((struct stream *)stream)->context;
  return OK;
}
EXPORT int cuStreamSynchronize(void *stream) { return stream == NULL || stream == recorded ? 1 : work(); }
EXPORT int cuStreamWaitEvent(void *stream, void *event, unsigned flags) {
  return stream == NULL || event == NULL || flags != 0 ? 1 : work();
}
EXPORT int cuEventCreate(void **event, unsigned flags) {
  (void)flags;
  blocks++;
  *event = malloc(1);
  return in_context();
}
EXPORT int cuEventDestroy_v2(void *event) {
  blocks--;
  free(event);
  return in_context();
}
EXPORT int cuEventRecord(void *event, void *stream) { return event == NULL || stream == NULL ? 1 : work(); }
EXPORT int cuEventSynchronize(void *event) { return event == NULL ? 1 : work(); }
EXPORT int cuEventElapsedTime(float *milliseconds, void *from, void *to) {
  (void)from;
  (void)to;
  *milliseconds = 1.5f;
  return in_context();
}

/* For the test: what was not given back. */
EXPORT int fake_driver_left(void) { return blocks + primary.held + created + depth; }
