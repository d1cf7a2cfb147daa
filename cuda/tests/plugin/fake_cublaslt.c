/*
 * The part of cuBLASLt that the plug-in uses, in plain loops over host memory, so that the emulated plug-in can be
 * tested with what it says to the real one: layouts by columns, transpositions, epilogues, alignments, biases. It
 * refuses a float bias beside a BF16 result, and pointers less aligned than was said.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

enum { OK = 0, INVALID = 7, NOT_SUPPORTED = 15, FLOAT = 0, BF16 = 14 };

struct operation {
  int32_t transpose_a, transpose_b;
  uint32_t epilogue;
  const void *bias;
  int32_t bias_type;
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
  void *to = attribute == 3   ? (void *)&operation->transpose_a
             : attribute == 4 ? (void *)&operation->transpose_b
             : attribute == 7 ? (void *)&operation->epilogue
             : attribute == 8 ? (void *)&operation->bias
                              : (void *)&operation->bias_type;
  if (attribute != 3 && attribute != 4 && attribute != 7 && attribute != 8 && attribute != 26) return INVALID;
  if (bytes != (attribute == 8 ? 8u : 4u)) return INVALID;
  memcpy(to, value, bytes);
  return OK;
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
  if (o->epilogue == 4 && o->bias_type != d->type) return NOT_SUPPORTED;
  memset(choices, 0, sizeof *choices);
  for (int i = 0; i < 4; i++) choices->algorithm.data[i] = preference->alignments[i];
  choices->algorithm.data[4] = (uintptr_t)o->bias & (~(uintptr_t)o->bias + 1);
  choices->algorithm.data[5] = preference->workspace;
  choices->algorithm.data[6] = d->columns;
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

EXPORT int cublasLtMatmul(void *handle, struct operation *o, const float *alpha, const void *a, struct layout *la,
                          const void *b, struct layout *lb, const float *beta, const void *c, struct layout *lc,
                          void *d, struct layout *ld, const struct algorithm *algorithm, void *workspace, size_t bytes,
                          void *stream) {
  (void)stream;
  const void *pointers[] = {a, b, c, d};
  for (int i = 0; i < 4; i++) {
    if (algorithm->data[i] == 0 || (uintptr_t)pointers[i] % algorithm->data[i] != 0) return INVALID;
  }
  if (o->epilogue == 4 && (o->bias == NULL || (uintptr_t)o->bias % algorithm->data[4] != 0)) return INVALID;
  if (handle == NULL || workspace == NULL || (uintptr_t)workspace % 256 != 0) return INVALID;
  if (bytes < algorithm->data[5]) return INVALID;
  /* As if the algorithm did not take a few fewer rows than it was chosen for. */
  if (algorithm->data[6] != ld->columns && ld->columns % 4 == 1) return NOT_SUPPORTED;
  memset(workspace, 0xff, bytes);
  uint64_t inner = columns_of(la, o->transpose_a);
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
      if (o->epilogue == 4) x += number(o->bias, o->bias_type, i);
      store(d, ld->type, i + j * ld->leading, x);
    }
  }
  return OK;
}
