/*
 * Stands in for libcublas.so.12 where JCublas2 is tested without a GPU: products in plain loops over host memory, by
 * columns, with sums in float as cublasGemmEx is asked for. What it does not know it refuses, and so a handle that may be
 * used in a recording without memory to work in.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { SUCCESS = 0, NOT_INITIALIZED = 1, INVALID_VALUE = 7, NOT_SUPPORTED = 15 };
enum { PLAIN = 0, TRANSPOSED = 1, FLOAT = 0, BF16 = 14, COMPUTE_FLOAT = 68, DEFAULT = -1 };

struct handle {
  void *stream;
  char *workspace;
  size_t bytes;
  int math;
};

int cublasCreate_v2(struct handle **handle) {
  *handle = calloc(1, sizeof **handle);
  return *handle == NULL ? NOT_INITIALIZED : SUCCESS;
}

int cublasDestroy_v2(struct handle *handle) {
  free(handle);
  return SUCCESS;
}

int cublasSetStream_v2(struct handle *handle, void *stream) {
  handle->stream = stream;
  handle->workspace = NULL; /* the real one goes back to memory of its own */
  return stream == NULL ? INVALID_VALUE : SUCCESS;
}

int cublasSetWorkspace_v2(struct handle *handle, void *workspace, size_t bytes) {
  handle->workspace = workspace;
  handle->bytes = bytes;
  return workspace == NULL || (uintptr_t)workspace % 256 != 0 || bytes < (size_t)32 << 20 ? INVALID_VALUE : SUCCESS;
}

int cublasSetMathMode(struct handle *handle, int mode) {
  handle->math = mode;
  return mode == 16 ? SUCCESS : NOT_SUPPORTED; /* no split sums in BF16 */
}

static float at(const void *matrix, int type, int64_t i) {
  float x;
  if (type == FLOAT) {
    memcpy(&x, (const char *)matrix + 4 * i, 4);
  } else {
    uint16_t half;
    memcpy(&half, (const char *)matrix + 2 * i, 2);
    uint32_t bits = (uint32_t)half << 16;
    memcpy(&x, &bits, 4);
  }
  return x;
}

static void put(void *matrix, int type, int64_t i, float x) {
  if (type == FLOAT) {
    memcpy((char *)matrix + 4 * i, &x, 4);
    return;
  }
  uint32_t bits;
  memcpy(&bits, &x, 4);
  uint16_t half = (uint16_t)(x != x ? 0x7fff : (bits + 0x7fff + (bits >> 16 & 1)) >> 16);
  memcpy((char *)matrix + 2 * i, &half, 2);
}

int cublasGemmEx(struct handle *handle, int operation_a, int operation_b, int m, int n, int k, const void *alpha,
                 const void *a, int a_type, int lda, const void *b, int b_type, int ldb, const void *beta, void *c,
                 int c_type, int ldc, int compute, int algorithm) {
  if (handle->stream == NULL || handle->math != 16) return NOT_INITIALIZED;
  if (handle->workspace == NULL) return NOT_INITIALIZED; /* what it allocates in a recording would be part of it */
  handle->workspace[0] = handle->workspace[handle->bytes - 1] = 1;
  if (compute != COMPUTE_FLOAT || algorithm != DEFAULT || a_type != b_type) return NOT_SUPPORTED;
  if ((a_type != FLOAT && a_type != BF16) || (c_type != FLOAT && c_type != a_type)) return NOT_SUPPORTED;
  if (m < 0 || n < 0 || k < 0 || lda < (operation_a == PLAIN ? m : k) || ldb < (operation_b == PLAIN ? k : n) ||
      ldc < m || operation_a > TRANSPOSED || operation_b > TRANSPOSED) {
    return INVALID_VALUE;
  }
  const float scale = *(const float *)alpha, keep = *(const float *)beta;
  for (int64_t j = 0; j < n; j++) {
    for (int64_t i = 0; i < m; i++) {
      float sum = 0;
      for (int64_t l = 0; l < k; l++) {
        sum += at(a, a_type, operation_a == PLAIN ? i + l * lda : l + i * lda) *
               at(b, b_type, operation_b == PLAIN ? l + j * ldb : j + l * ldb);
      }
      put(c, c_type, i + j * ldc, scale * sum + (keep == 0 ? 0 : keep * at(c, c_type, i + j * ldc)));
    }
  }
  return SUCCESS;
}
