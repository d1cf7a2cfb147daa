/*
 * plugin_test: "cuda:0" through the table of libsimcse, over the emulated plug-in that lies beside it: handles, memory,
 * copies, streams, events, and some operations against plain loops.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../../native/tests/check.h"

static const simcse_api *api(void) { return simcse_get_api(SIMCSE_API_VERSION); }

static uint64_t state = 7;

static float uniform(void) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (float)((double)(state >> 33) * 0x1p-30 - 1);
}

static uint16_t to_bf16(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static float of_bf16(uint16_t x) {
  uint32_t bits = (uint32_t)x << 16;
  float y;
  memcpy(&y, &bits, 4);
  return y;
}

/* An array on the device, of floats or BF16, as floats here. */
struct array {
  simcse_dtype dtype;
  int64_t count;
  float *host;
  void *device;
};

static simcse_device *device;

static void send(struct array *a) {
  int64_t bytes = a->count * (a->dtype == SIMCSE_BF16 ? 2 : 4);
  uint16_t *narrow = malloc((size_t)a->count * 2);
  for (int64_t i = 0; i < a->count; i++) {
    narrow[i] = to_bf16(a->host[i]);
    if (a->dtype == SIMCSE_BF16) a->host[i] = of_bf16(narrow[i]);
  }
  CHECK_OK(api()->copy_to_device(device, NULL, a->device, a->dtype == SIMCSE_BF16 ? (void *)narrow : a->host, bytes));
  free(narrow);
}

static void fetch(struct array *a) {
  int64_t bytes = a->count * (a->dtype == SIMCSE_BF16 ? 2 : 4);
  uint16_t *narrow = malloc((size_t)a->count * 2);
  CHECK_OK(api()->copy_to_host(device, NULL, a->dtype == SIMCSE_BF16 ? (void *)narrow : a->host, a->device, bytes));
  CHECK_OK(api()->stream_synchronize(device, NULL));
  for (int64_t i = 0; a->dtype == SIMCSE_BF16 && i < a->count; i++) a->host[i] = of_bf16(narrow[i]);
  free(narrow);
}

static struct array array(simcse_dtype dtype, int64_t count) {
  struct array a = {dtype, count, malloc((size_t)count * 4), NULL};
  for (int64_t i = 0; i < count; i++) a.host[i] = uniform();
  CHECK_OK(api()->memory_allocate(device, count * (dtype == SIMCSE_BF16 ? 2 : 4), &a.device));
  send(&a);
  return a;
}

static void give_back(struct array *a) {
  CHECK_OK(api()->memory_free(device, a->device));
  free(a->host);
}

static void handles(void) {
  simcse_device_properties p = {.struct_size = sizeof p};
  CHECK_OK(api()->device_properties(device, &p));
  printf("%s: %s\n", p.name, p.description);
  CHECK(strcmp(p.name, "cuda:0") == 0 && strcmp(p.tier, "emulated") == 0, "%s, %s", p.name, p.tier);
  bool library = getenv("SIMCSE_EMULATED_CUBLASLT") != NULL;
  CHECK((strstr(p.description, "cuBLASLt 13.1.2") != NULL) == library, "%s", p.description);
  CHECK(p.alignment == 256 && p.memory_total > 0 && p.memory_free > 0, "alignment %d", p.alignment);
  simcse_device *none = NULL;
  CHECK_FAILS(api()->device_open("cuda:1", NULL, &none), SIMCSE_NO_DEVICE, "device_open: there is no cuda:1");

  simcse_stream *stream = NULL;
  simcse_event *from = NULL, *to = NULL;
  float time = -1;
  CHECK_OK(api()->stream_open(device, &stream));
  CHECK_OK(api()->event_open(device, &from));
  CHECK_OK(api()->event_open(device, &to));
  CHECK_FAILS(api()->event_elapsed(device, from, to, &time), SIMCSE_INVALID_ARGUMENT, "from was never recorded");
  CHECK_OK(api()->event_record(device, stream, from));
  CHECK_FAILS(api()->event_elapsed(device, from, to, &time), SIMCSE_INVALID_ARGUMENT, "to was never recorded");
  CHECK_OK(api()->event_wait(device, NULL, from));
  CHECK_OK(api()->event_record(device, NULL, to));
  CHECK_OK(api()->event_synchronize(device, to));
  CHECK_OK(api()->event_elapsed(device, from, to, &time));
  CHECK(time >= 0, "%g ms", (double)time);
  CHECK_OK(api()->stream_synchronize(device, stream));
  CHECK_OK(api()->event_close(device, from));
  CHECK_OK(api()->stream_close(device, stream));
  CHECK_FAILS(api()->stream_synchronize(device, stream), SIMCSE_INVALID_HANDLE, "closed");
}

static void memory(void) {
  /* More than the pieces that copies go through hold together. */
  int64_t bytes = (17 << 20) + 12345;
  unsigned char *out = malloc((size_t)bytes), *in = malloc((size_t)bytes);
  for (int64_t i = 0; i < bytes; i++) out[i] = (unsigned char)(i * 7 + (i >> 12));
  void *far = NULL;
  CHECK_OK(api()->memory_allocate(device, bytes, &far));
  memset(in, 0xff, (size_t)bytes);
  CHECK_OK(api()->copy_to_host(device, NULL, in, far, bytes));
  CHECK_OK(api()->stream_synchronize(device, NULL));
  int64_t wrong = 0;
  for (int64_t i = 0; i < bytes; i++) wrong += in[i] != 0;
  CHECK(wrong == 0, "%d bytes are not zero", (int)wrong);
  CHECK_OK(api()->copy_to_device(device, NULL, far, out, bytes));
  CHECK_OK(api()->memory_zero(device, NULL, (char *)far + 5, 10));
  CHECK_OK(api()->copy_to_host(device, NULL, in, far, bytes));
  CHECK_OK(api()->stream_synchronize(device, NULL));
  for (int64_t i = 0; i < bytes; i++) wrong += in[i] != (i >= 5 && i < 15 ? 0 : out[i]);
  CHECK(wrong == 0, "%d bytes are wrong", (int)wrong);

  CHECK_OK(api()->weights_hold(device, (char *)far + 256, 1024));
  CHECK_FAILS(api()->weights_hold(device, far, 257), SIMCSE_INVALID_ARGUMENT, "overlaps weights");
  CHECK_FAILS(api()->memory_free(device, far), SIMCSE_INVALID_ARGUMENT, "call weights_release first");
  CHECK_OK(api()->weights_release(device, (char *)far + 256));
  CHECK_FAILS(api()->weights_release(device, far), SIMCSE_INVALID_ARGUMENT, "weights_release: memory holds no weights");
  CHECK_OK(api()->memory_free(device, far));
  CHECK_FAILS(api()->memory_free(device, far), SIMCSE_INVALID_ARGUMENT, "memory_free: memory is not from");
  CHECK_OK(api()->memory_allocate(device, 0, &far));
  CHECK_OK(api()->memory_free(device, far));
  CHECK_FAILS(api()->memory_allocate(device, INT64_C(1) << 60, &far), SIMCSE_OUT_OF_MEMORY,
              "memory_allocate: out of device memory: 1152921504606846976 bytes were asked for, ");
  free(out);
  free(in);
}

/* Copies from and to memory of host_allocate are the stream's: the emulated GPU does them when it is waited for. */
static void host_memory(void) {
  enum { kBytes = 4096, kOffset = 100 };
  unsigned char *out = NULL, *in = NULL, *far = NULL, pageable[kBytes];
  simcse_stream *copies = NULL;
  simcse_event *copied = NULL;
  CHECK_OK(api()->host_allocate(device, kBytes, (void **)&out));
  CHECK_OK(api()->host_allocate(device, kBytes, (void **)&in));
  CHECK_OK(api()->memory_allocate(device, kBytes, (void **)&far));
  CHECK_OK(api()->stream_open(device, &copies));
  CHECK_OK(api()->event_open(device, &copied));
  CHECK(out[0] == 0 && out[kBytes - 1] == 0, "not zeroed");
  memset(pageable, 1, kBytes);
  CHECK_OK(api()->copy_to_device(device, copies, far, pageable, kBytes));
  memset(pageable, 9, kBytes);
  memset(out, 2, kBytes);
  CHECK_OK(api()->copy_to_device(device, copies, far + kOffset, out + kOffset, kBytes - kOffset));
  memset(out, 3, kBytes);
  CHECK_OK(api()->event_record(device, copies, copied));
  memset(in, 4, kBytes);
  CHECK_OK(api()->event_wait(device, NULL, copied));
  CHECK_OK(api()->copy_to_host(device, NULL, in, far, kBytes));
  CHECK(in[0] == 4 && in[kBytes - 1] == 4, "copy_to_host did not return at once");
  CHECK_OK(api()->stream_synchronize(device, NULL));
  CHECK(in[0] == 1 && in[kOffset - 1] == 1, "%d from pageable memory, which is free on return", in[0]);
  CHECK(in[kOffset] == 3 && in[kBytes - 1] == 3, "%d from pinned memory, which is not", in[kOffset]);
  CHECK_FAILS(api()->host_free(device, far), SIMCSE_INVALID_ARGUMENT, "host_free: memory is not from host_allocate");
  CHECK_FAILS(api()->memory_free(device, out), SIMCSE_INVALID_ARGUMENT, "memory_free: memory is not from");
  CHECK_OK(api()->host_free(device, out));
  CHECK_FAILS(api()->host_free(device, out), SIMCSE_INVALID_ARGUMENT, "host_free: memory is not from");
  /* The others are left for device_close. */
}

/* ||out - want|| / ||want|| */
static double error_of(const struct array *out, const double *want) {
  double difference = 0, size = 0;
  for (int64_t i = 0; i < out->count; i++) {
    difference += (out->host[i] - want[i]) * (out->host[i] - want[i]);
    size += want[i] * want[i];
  }
  return sqrt(difference / size);
}

static double tolerance(simcse_dtype dtype) { return dtype == SIMCSE_BF16 ? 4e-3 : 1e-5; }

static double slope(double x) { return erfc(-x * sqrt(0.5)) / 2 + x * exp(-x * x / 2) / sqrt(2 * acos(-1)); }

static double activated(simcse_epilogue epilogue, double x) {
  if (epilogue == SIMCSE_EPILOGUE_BIAS_GELU) return x / 2 * erfc(-x * sqrt(0.5));
  return epilogue == SIMCSE_EPILOGUE_BIAS_TANH ? tanh(x) : x;
}

static void product(int64_t m, int64_t n, int64_t k, simcse_dtype dtype, simcse_dtype c_dtype, int transposed,
                    simcse_epilogue epilogue, bool keeps) {
  struct array a = array(dtype, m * k), b = array(dtype, k * n), c = array(c_dtype, m * n), bias = array(SIMCSE_F32, n),
               pre = array(dtype, m * n), residual = array(c_dtype, m * n), sum = array(SIMCSE_F32, m);
  simcse_gemm g = {.struct_size = sizeof g, .dtype = dtype, .c_dtype = c_dtype, .epilogue = epilogue};
  g.transpose_a = transposed % 2;
  g.transpose_b = transposed / 2;
  g.m = m, g.n = n, g.k = k;
  g.a = a.device, g.b = b.device, g.c = c.device;
  bool multiplies = epilogue == SIMCSE_EPILOGUE_GELU_BACKWARD;
  bool sums = epilogue == SIMCSE_EPILOGUE_ACCUMULATE && g.transpose_a;
  if (epilogue >= SIMCSE_EPILOGUE_BIAS && !multiplies) g.bias = bias.device;
  if (keeps || multiplies) g.pre_activation = pre.device;
  if (epilogue == SIMCSE_EPILOGUE_BIAS_RESIDUAL) g.residual = residual.device;
  if (sums) g.bias_gradient = sum.device;
  double *want = malloc((size_t)(m * n) * sizeof *want), *kept = malloc((size_t)(m * n) * sizeof *kept);
  double *summed = malloc((size_t)m * sizeof *summed);
  for (int64_t i = 0; i < m; i++) {
    summed[i] = sum.host[i];
    for (int64_t l = 0; sums && l < k; l++) summed[i] += a.host[l * m + i];
  }
  for (int64_t i = 0; i < m; i++) {
    for (int64_t j = 0; j < n; j++) {
      double x = 0;
      for (int64_t l = 0; l < k; l++) {
        x += (double)a.host[g.transpose_a ? l * m + i : i * k + l] * b.host[g.transpose_b ? j * k + l : l * n + j];
      }
      if (g.bias != NULL) x += bias.host[j];
      if (epilogue == SIMCSE_EPILOGUE_ACCUMULATE) x += c.host[i * n + j];
      if (epilogue == SIMCSE_EPILOGUE_BIAS_RESIDUAL) x += residual.host[i * n + j];
      kept[i * n + j] = multiplies ? pre.host[i * n + j] : x;
      want[i * n + j] = multiplies ? x * slope(pre.host[i * n + j]) : activated(epilogue, x);
    }
  }
  CHECK_OK(api()->gemm(device, NULL, &g));
  fetch(&c);
  fetch(&pre);
  fetch(&sum);
  simcse_dtype coarsest = c_dtype == SIMCSE_BF16 || keeps ? dtype : c_dtype;
  /* A BF16 bias beside a BF16 result is the library's. */
  CHECK(error_of(&c, want) <= tolerance(coarsest), "%d x %d x %d, epilogue %d, transposed %d: error %g", (int)m, (int)n,
        (int)k, epilogue, transposed, error_of(&c, want));
  CHECK(!keeps || error_of(&pre, kept) <= tolerance(dtype), "pre_activation: error %g", error_of(&pre, kept));
  CHECK(error_of(&sum, summed) <= 1e-5, "bias_gradient: error %g", error_of(&sum, summed));
  free(want);
  free(kept);
  free(summed);
  struct array *all[] = {&a, &b, &c, &bias, &pre, &residual, &sum};
  for (int i = 0; i < 7; i++) give_back(all[i]);
}

static void products(void) {
  static const int64_t shapes[][3] = {{1, 5, 3}, {33, 7, 20}, {40, 72, 65}, {46, 9, 18}, {33, 32, 20}, {34, 16, 17}};
  for (int s = 0; s < 6; s++) {
    for (int transposed = 0; transposed < 4; transposed++) {
      for (simcse_epilogue e = SIMCSE_EPILOGUE_STORE; e <= SIMCSE_EPILOGUE_GELU_BACKWARD; e++) {
        for (int types = 0; types < 3; types++) {
          simcse_dtype dtype = types == 0 ? SIMCSE_F32 : SIMCSE_BF16, c_dtype = types == 1 ? SIMCSE_BF16 : SIMCSE_F32;
          const int64_t *m = shapes[s];
          product(m[0], m[1], m[2], dtype, c_dtype, transposed, e, false);
          if (e == SIMCSE_EPILOGUE_BIAS_GELU) product(m[0], m[1], m[2], dtype, c_dtype, transposed, e, true);
        }
      }
    }
  }
}

/* Which products the library does in one piece with what follows them; it is a stand-in that counts. */
static void fused(void) {
  if (getenv("SIMCSE_EMULATED_CUBLASLT") == NULL) return;
  char path[4096];
  snprintf(path, sizeof path, "%s/lib64/libcublasLt.so.13", getenv("CUDA_HOME"));
  void *library = dlopen(path, RTLD_NOW | RTLD_NOLOAD);
  int (*calls)(uint32_t) = NULL;
  if (library != NULL) *(void **)&calls = dlsym(library, "fake_calls");
  CHECK(calls != NULL, "%s does not count", path);
  if (calls == NULL) return;
  const simcse_dtype f32 = SIMCSE_F32, bf16 = SIMCSE_BF16;
  const struct {
    int64_t m, n, k;
    simcse_dtype dtype, c_dtype;
    int transposed;
    simcse_epilogue epilogue;
    bool keeps;
    uint32_t library;
    int calls;
  } cases[] = {
      {35, 32, 20, bf16, bf16, 2, SIMCSE_EPILOGUE_BIAS_GELU, false, 36, 1},
      {35, 32, 20, bf16, bf16, 2, SIMCSE_EPILOGUE_BIAS_GELU, true, 164, 1},
      {35, 32, 20, bf16, f32, 2, SIMCSE_EPILOGUE_BIAS_GELU, true, 164, 0}, /* floats would show the tanh form */
      {35, 32, 20, f32, f32, 2, SIMCSE_EPILOGUE_BIAS_GELU, true, 164, 0},
      {35, 20, 20, bf16, bf16, 2, SIMCSE_EPILOGUE_BIAS_GELU, true, 164, 0}, /* rows of 40 bytes */
      {35, 72, 20, bf16, bf16, 2, SIMCSE_EPILOGUE_BIAS_GELU, true, 164, 0}, /* refused when it is chosen */
      {35, 32, 17, bf16, bf16, 2, SIMCSE_EPILOGUE_BIAS_GELU, true, 164, 0}, /* refused when it is called */
      {35, 32, 20, bf16, bf16, 0, SIMCSE_EPILOGUE_GELU_BACKWARD, false, 192, 1},
      {35, 32, 17, bf16, bf16, 0, SIMCSE_EPILOGUE_GELU_BACKWARD, false, 192, 0},
      {500, 272, 17, bf16, bf16, 2, SIMCSE_EPILOGUE_BIAS_GELU, true, 164, 0}, /* so many are done in two pieces */
      {500, 264, 20, bf16, bf16, 2, SIMCSE_EPILOGUE_BIAS_GELU, false, 36, 0},
      {500, 272, 17, bf16, bf16, 0, SIMCSE_EPILOGUE_GELU_BACKWARD, false, 192, 0},
      {500, 264, 20, bf16, bf16, 2, SIMCSE_EPILOGUE_BIAS_TANH, false, 4, 1},
      {35, 32, 20, bf16, f32, 0, SIMCSE_EPILOGUE_GELU_BACKWARD, false, 192, 0},
      {48, 32, 20, bf16, f32, 1, SIMCSE_EPILOGUE_ACCUMULATE, false, 512, 1},
      {48, 32, 20, f32, f32, 1, SIMCSE_EPILOGUE_ACCUMULATE, false, 512, 1},
      {48, 32, 20, bf16, f32, 0, SIMCSE_EPILOGUE_ACCUMULATE, false, 512, 0},
      {48, 32, 20, bf16, bf16, 1, SIMCSE_EPILOGUE_ACCUMULATE, false, 512, 0}, /* sums are never BF16 */
      {48, 72, 20, bf16, f32, 1, SIMCSE_EPILOGUE_ACCUMULATE, false, 512, 0},
      {48, 32, 17, bf16, f32, 1, SIMCSE_EPILOGUE_ACCUMULATE, false, 512, 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    /* Twice: what was refused is not asked for again. */
    for (int turn = 0; turn < 2; turn++) {
      int before = calls(cases[i].library);
      product(cases[i].m, cases[i].n, cases[i].k, cases[i].dtype, cases[i].c_dtype, cases[i].transposed,
              cases[i].epilogue, cases[i].keeps);
      int done = calls(cases[i].library) - before;
      CHECK(done == cases[i].calls, "case %d: epilogue %d of the library was done %d times, not %d", (int)i,
            (int)cases[i].library, done, cases[i].calls);
    }
  }
}

static void update(void) {
  enum { kCount = 5001 };
  struct array p = array(SIMCSE_F32, kCount), g = array(SIMCSE_F32, kCount), m = array(SIMCSE_F32, kCount),
               v = array(SIMCSE_F32, kCount), norm = array(SIMCSE_F32, 1), copy = array(SIMCSE_BF16, kCount);
  double want[kCount], squares = 0;
  for (int i = 0; i < kCount; i++) {
    v.host[i] = fabsf(v.host[i]);
    squares += (double)g.host[i] * g.host[i];
  }
  send(&v);
  simcse_gradient_norm n = {sizeof n, kCount, g.device, norm.device};
  CHECK_OK(api()->gradient_norm(device, NULL, &n));
  fetch(&norm);
  CHECK(fabs(norm.host[0] / sqrt(squares) - 1) < 1e-6, "norm %g", (double)norm.host[0]);
  for (int i = 0; i < kCount; i++) {
    double d = g.host[i] * (1 / (sqrt(squares) + 1e-6));
    double first = 0.9 * m.host[i] + 0.1 * d, second = 0.999 * v.host[i] + 0.001 * d * d;
    double step = first / (1 - pow(0.9, 3)) / (sqrt(second / (1 - pow(0.999, 3))) + 1e-8);
    want[i] = p.host[i] - 0.01 * (step + 0.1 * p.host[i]);
  }
  simcse_adamw a = {sizeof a, kCount,   3,        0.01,     0.9,      0.999,       1e-8,       0.1,
                    1.0,      p.device, g.device, m.device, v.device, norm.device, copy.device};
  CHECK_OK(api()->adamw(device, NULL, &a));
  fetch(&p);
  fetch(&copy);
  CHECK(error_of(&p, want) <= 1e-5, "parameters: error %g", error_of(&p, want));
  CHECK(error_of(&copy, want) <= 4e-3, "copy: error %g", error_of(&copy, want));
  struct array *all[] = {&p, &g, &m, &v, &norm, &copy};
  for (int i = 0; i < 6; i++) give_back(all[i]);
}

/* A launch that no GPU takes is a fault that names the operation and its shapes, and the device goes on. */
static void fault(void) {
  struct array x = array(SIMCSE_F32, 64);
  simcse_convert c = {sizeof c, SIMCSE_F32, SIMCSE_BF16, INT64_C(1) << 42, x.device, x.device};
  CHECK_FAILS(api()->convert(device, NULL, &c), SIMCSE_DEVICE_FAULT, "convert: ");
  CHECK(strstr(api()->last_error(), "(f32, count 4398046511104)") != NULL, "%s", api()->last_error());
  CHECK_OK(api()->memory_zero(device, NULL, x.device, 4));
  give_back(&x);
}

/* What was recorded has been done once the graph has ended, the first time of its key and later. */
static void graphs(void) {
  struct array x = array(SIMCSE_F32, 300), sum = array(SIMCSE_F32, 3);
  for (int step = 0; step < 3; step++) {
    simcse_column_sum c = {.struct_size = sizeof c, .dtype = SIMCSE_F32, .rows = 50 * (step + 1), .columns = 2};
    c.x = x.device, c.sum = sum.device;
    CHECK_OK(api()->graph_begin(device, NULL, 5));
    CHECK_OK(api()->memory_zero(device, NULL, sum.device, 8));
    CHECK_OK(api()->column_sum(device, NULL, &c));
    CHECK_FAILS(api()->copy_to_host(device, NULL, sum.host, sum.device, 8), SIMCSE_INVALID_ARGUMENT,
                "copy_to_host: a graph is being recorded on this stream; call graph_end first");
    CHECK_OK(api()->graph_end(device, NULL));
    fetch(&sum);
    double want = 0;
    for (int64_t i = 0; i < 2 * c.rows; i += 2) want += x.host[i];
    CHECK(fabs(sum.host[0] - want) < 1e-4, "step %d: %g, not %g", step, (double)sum.host[0], want);
  }
  give_back(&x);
  give_back(&sum);
}

/* What the loss multiplies by is read once in a process: each setting has a process of its own. */
static void similarity(const char *setting, const char *described, const char *refusal) {
  fflush(stdout);
  const int failed = checks_failed;
  const pid_t child = fork();
  if (child == 0) {
    setenv("SIMCSE_CUDA_SIMILARITY", setting, 1);
    if (refusal != NULL) {
      CHECK_FAILS(api()->device_open("cuda:0", NULL, &device), SIMCSE_INVALID_ARGUMENT, refusal);
      CHECK(strchr(api()->last_error(), '\n') == NULL && device == NULL, "%s", api()->last_error());
    } else {
      simcse_device_properties p = {.struct_size = sizeof p};
      CHECK_OK(api()->device_open("cuda:0", NULL, &device));
      CHECK_OK(api()->device_properties(device, &p));
      const char *of_loss = strstr(p.description, "wgmma");
      CHECK(strcmp(of_loss == NULL ? "" : of_loss, described) == 0, "%s", p.description);
      CHECK_OK(api()->device_close(device));
    }
    fflush(stdout);
    _exit(checks_failed > failed);
  }
  int status = -1;
  CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0, "%s: status %d", setting, status);
}

int main(void) {
  similarity("", "", NULL);
  similarity("mma", "", NULL);
  similarity("wgmma", "wgmma: it takes compute capability 9.0", NULL); /* the emulated GPU is an older one */
  similarity("wmma", "",
             "device_open: SIMCSE_CUDA_SIMILARITY is \"wmma\"; it takes mma or wgmma, or unset it");
  CHECK_OK(api()->device_open("cuda:0", NULL, &device));
  if (device == NULL) return checks_ended("plugin_test");
  handles();
  memory();
  host_memory();
  products();
  fused();
  update();
  graphs();
  fault();
  CHECK_OK(api()->device_close(device));
  return checks_ended("plugin_test");
}
