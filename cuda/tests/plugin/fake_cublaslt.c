/*
 * The part of cuBLASLt that the plug-in uses, in plain loops over host memory, so that the emulated plug-in can be
 * tested with what it says to the real one: layouts by columns, transpositions, epilogues, alignments, biases. It
 * refuses a float bias beside a BF16 result, pointers less aligned than was said, and some epilogues at some shapes; its
 * GELU is the tanh form, in BF16 alone. fake_calls says how often an epilogue was done.
 */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

enum { OK = 0, INVALID = 7, NOT_SUPPORTED = 15, FLOAT = 0, BF16 = 14 };
enum { PLAIN = 1, BIAS = 4, GELU = 32, KEEPS = 128, DGELU = 192, SUMS = 512 }; /* GELU with BIAS, and KEEPS or not */

static int calls[1024];
EXPORT int fake_calls(uint32_t epilogue) { return calls[epilogue]; }

struct operation {
  int32_t transpose_a, transpose_b;
  uint32_t epilogue;
  void *bias;
  int32_t bias_type;
  void *kept;
  int64_t kept_leading;
  int32_t kept_type;
};
struct layout {
  int32_t type;
  uint64_t rows, columns;
  int64_t leading;
};
struct preference {
  uint64_t workspace;
  uint32_t reductions, alignments[4];
};
struct algorithm {
  uint64_t data[8];
};
struct choice {
  struct algorithm algorithm;
  size_t workspace;
  int status;
  float waves;
  int reserved[4];
};

EXPORT int cublasLtCreate(void **handle) {
  *handle = malloc(1);
  return OK;
}
EXPORT int cublasLtDestroy(void *handle) {
  free(handle);
  return OK;
}
EXPORT size_t cublasLtGetVersion(void) { return 130102; }
EXPORT const char *cublasLtGetStatusName(int status) { return status == INVALID ? "INVALID_VALUE" : "A_STATUS"; }

EXPORT int cublasLtMatmulDescCreate(struct operation **operation, int32_t compute, int32_t scale) {
  if (compute != 68 || scale != FLOAT) return INVALID;
  *operation = calloc(1, sizeof **operation);
  (*operation)->epilogue = 1;
  (*operation)->bias_type = -1;
  return OK;
}
EXPORT int cublasLtMatmulDescDestroy(struct operation *operation) {
  free(operation);
  return OK;
}
EXPORT int cublasLtMatmulDescSetAttribute(struct operation *operation, int attribute, const void *value, size_t bytes) {
  struct {
    int attribute;
    void *to;
    size_t bytes;
  } const known[] = {{3, &operation->transpose_a, 4}, {4, &operation->transpose_b, 4}, {7, &operation->epilogue, 4},
                     {8, &operation->bias, 8},        {26, &operation->bias_type, 4},  {11, &operation->kept, 8},
                     {12, &operation->kept_leading, 8}, {22, &operation->kept_type, 4}};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    if (known[i].attribute != attribute) continue;
    if (bytes != known[i].bytes) return INVALID;
    memcpy(known[i].to, value, bytes);
    return OK;
  }
  return INVALID;
}

EXPORT int cublasLtMatrixLayoutCreate(struct layout **layout, int32_t type, uint64_t rows, uint64_t columns,
                                      int64_t leading) {
  if (leading < (int64_t)rows) return INVALID;
  *layout = malloc(sizeof **layout);
  **layout = (struct layout){type, rows, columns, leading};
  return OK;
}
EXPORT int cublasLtMatrixLayoutDestroy(struct layout *layout) {
  free(layout);
  return OK;
}

EXPORT int cublasLtMatmulPreferenceCreate(struct preference **preference) {
  *preference = calloc(1, sizeof **preference);
  return OK;
}
EXPORT int cublasLtMatmulPreferenceDestroy(struct preference *preference) {
  free(preference);
  return OK;
}
EXPORT int cublasLtMatmulPreferenceSetAttribute(struct preference *preference, int attribute, const void *value,
                                                size_t bytes) {
  if (attribute == 1 && bytes == 8) {
    memcpy(&preference->workspace, value, 8);
  } else if (attribute == 3 && bytes == 4) {
    memcpy(&preference->reductions, value, 4);
  } else if (attribute >= 5 && attribute <= 8 && bytes == 4) {
    memcpy(&preference->alignments[attribute - 5], value, 4);
  } else {
    return INVALID;
  }
  return OK;
}

static uint64_t rows_of(const struct layout *layout, int32_t transposed) {
  return transposed ? layout->columns : layout->rows;
}
static uint64_t columns_of(const struct layout *layout, int32_t transposed) {
  return transposed ? layout->rows : layout->columns;
}
static uintptr_t alignment_of(const void *pointer) { return (uintptr_t)pointer & (~(uintptr_t)pointer + 1); }

static int fused(uint32_t epilogue) { return epilogue != PLAIN && epilogue != BIAS; }
static int has_vector(uint32_t epilogue) { return (epilogue & BIAS) != 0 || epilogue == SUMS; }

/* What the documentation asks of an epilogue, and what this library does not have. */
static int epilogue_taken(const struct operation *o, const struct layout *d) {
  if (has_vector(o->epilogue) && o->bias == NULL) return INVALID;
  if (has_vector(o->epilogue) && o->bias_type != d->type) return NOT_SUPPORTED;
  if (o->epilogue == PLAIN || o->epilogue == BIAS) return OK;
  if (o->epilogue == SUMS) return d->rows % 16 == 8 ? NOT_SUPPORTED : OK;
  if (o->epilogue != (GELU | BIAS) && o->epilogue != (GELU | BIAS | KEEPS) && o->epilogue != DGELU) return INVALID;
  if (d->type != BF16) return NOT_SUPPORTED;
  if ((o->epilogue & KEEPS) != 0) {
    if (o->kept == NULL || o->kept_type != d->type) return INVALID;
    if (o->kept_leading % 8 != 0 || o->kept_leading < (int64_t)d->rows) return INVALID;
  }
  return d->rows % 16 == 8 ? INVALID : OK;
}

EXPORT int cublasLtMatmulAlgoGetHeuristic(void *handle, struct operation *o, struct layout *a, struct layout *b,
                                          struct layout *c, struct layout *d, struct preference *preference,
                                          int wanted, struct choice *choices, int *found) {
  *found = 0;
  if (handle == NULL || wanted < 1 || preference->workspace == 0 || preference->reductions != 2) return INVALID;
  if (rows_of(a, o->transpose_a) != d->rows || columns_of(b, o->transpose_b) != d->columns) return INVALID;
  if (columns_of(a, o->transpose_a) != rows_of(b, o->transpose_b) || memcmp(c, d, sizeof *c) != 0) return INVALID;
  if (a->type != b->type) return NOT_SUPPORTED;
  /* As if it had nothing for a single row. */
  if (d->columns == 1) return NOT_SUPPORTED;
  int taken = epilogue_taken(o, d);
  if (taken != OK) return taken;
  memset(choices, 0, sizeof *choices);
  for (int i = 0; i < 4; i++) choices->algorithm.data[i] = preference->alignments[i];
  choices->algorithm.data[4] = alignment_of(o->bias);
  choices->algorithm.data[5] = preference->workspace;
  choices->algorithm.data[6] = d->columns;
  choices->algorithm.data[7] = alignment_of(o->kept);
  *found = 1;
  return OK;
}

static float number(const void *memory, int32_t type, uint64_t i) {
  if (type == FLOAT) return ((const float *)memory)[i];
  uint32_t bits = (uint32_t)((const uint16_t *)memory)[i] << 16;
  float x;
  memcpy(&x, &bits, 4);
  return x;
}
static void store(void *memory, int32_t type, uint64_t i, float x) {
  if (type == FLOAT) {
    ((float *)memory)[i] = x;
    return;
  }
  uint32_t bits;
  memcpy(&bits, &x, 4);
  ((uint16_t *)memory)[i] = (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static float gelu(float x) { return 0.5f * x * (1 + tanhf(0.79788456f * (x + 0.044715f * x * x * x))); }
static float gelu_slope(float x) {
  float t = tanhf(0.79788456f * (x + 0.044715f * x * x * x));
  return 0.5f * (1 + t) + 0.5f * x * (1 - t * t) * 0.79788456f * (1 + 0.134145f * x * x);
}

/* The result from its product, at row i and column j. */
static float finished(const struct operation *o, uint64_t i, uint64_t j, float x) {
  uint64_t at = i + j * (uint64_t)o->kept_leading;
  if ((o->epilogue & BIAS) != 0) x += number(o->bias, o->bias_type, i);
  if (o->epilogue == DGELU) return x * gelu_slope(number(o->kept, o->kept_type, at));
  if ((o->epilogue & KEEPS) != 0) store(o->kept, o->kept_type, at, x);
  return (o->epilogue & GELU) != 0 ? gelu(x) : x;
}

static void sum_b(const struct operation *o, const void *b, const struct layout *lb, uint64_t columns, uint64_t inner) {
  for (uint64_t j = 0; j < columns; j++) {
    double sum = 0;
    for (uint64_t k = 0; k < inner; k++) {
      sum += number(b, lb->type, o->transpose_b ? j + k * lb->leading : k + j * lb->leading);
    }
    store(o->bias, o->bias_type, j, (float)sum);
  }
}

EXPORT int cublasLtMatmul(void *handle, struct operation *o, const float *alpha, const void *a, struct layout *la,
                          const void *b, struct layout *lb, const float *beta, const void *c, struct layout *lc,
                          void *d, struct layout *ld, const struct algorithm *algorithm, void *workspace, size_t bytes,
                          void *stream) {
  (void)stream;
  const void *pointers[] = {a, b, c, d};
  for (int i = 0; i < 4; i++) {
    if (algorithm->data[i] == 0 || (uintptr_t)pointers[i] % algorithm->data[i] != 0) return INVALID;
  }
  if (epilogue_taken(o, ld) != OK) return INVALID;
  if (has_vector(o->epilogue) && (uintptr_t)o->bias % algorithm->data[4] != 0) return INVALID;
  if ((o->epilogue & KEEPS) != 0 && (uintptr_t)o->kept % algorithm->data[7] != 0) return INVALID;
  if (handle == NULL || workspace == NULL || (uintptr_t)workspace % 256 != 0) return INVALID;
  if (bytes < algorithm->data[5]) return INVALID;
  /* As if the algorithm did not take a few fewer rows than it was chosen for. */
  if (algorithm->data[6] != ld->columns && ld->columns % 4 == 1) return ld->rows % 16 == 0 ? INVALID : NOT_SUPPORTED;
  uint64_t inner = columns_of(la, o->transpose_a);
  /* As if it found only now that it has no such epilogue for this. */
  if (fused(o->epilogue) && inner % 7 == 3) return INVALID;
  calls[o->epilogue]++;
  memset(workspace, 0xff, bytes);
  if (o->epilogue == SUMS) sum_b(o, b, lb, ld->columns, inner);
  for (uint64_t j = 0; j < ld->columns; j++) {
    for (uint64_t i = 0; i < ld->rows; i++) {
      double sum = 0;
      for (uint64_t k = 0; k < inner; k++) {
        uint64_t at_a = o->transpose_a ? k + i * la->leading : i + k * la->leading;
        uint64_t at_b = o->transpose_b ? j + k * lb->leading : k + j * lb->leading;
        sum += (double)number(a, la->type, at_a) * number(b, lb->type, at_b);
      }
      float x = *alpha * (float)sum;
      if (*beta != 0) x += *beta * number(c, lc->type, i + j * lc->leading);
      store(d, ld->type, i + j * ld->leading, finished(o, i, j, x));
    }
  }
  return OK;
}
