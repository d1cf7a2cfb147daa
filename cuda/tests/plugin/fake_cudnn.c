/*
 * Stands in for libcudnn.so.9 where JCudnn is tested without a GPU: softmax over the channels of a row and dropout, in
 * plain loops over host memory. What it does not know it refuses.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

enum { SUCCESS = 0, BAD_PARAM = 2000, NOT_SUPPORTED = 3000 };

struct shape {
  int rows, channels;
};
struct dropout {
  float probability;
  uint64_t state;
};

static int make(void **made, size_t bytes) {
  *made = calloc(1, bytes);
  return *made == NULL ? BAD_PARAM : SUCCESS;
}

static int drop(void *made) {
  free(made);
  return SUCCESS;
}

int cudnnCreate(void **handle) { return make(handle, 1); }
int cudnnDestroy(void *handle) { return drop(handle); }
int cudnnSetStream(void *handle, void *stream) { return handle == NULL || stream == NULL ? BAD_PARAM : SUCCESS; }
int cudnnCreateTensorDescriptor(void **shape) { return make(shape, sizeof(struct shape)); }
int cudnnDestroyTensorDescriptor(void *shape) { return drop(shape); }
int cudnnCreateDropoutDescriptor(void **dropout) { return make(dropout, sizeof(struct dropout)); }
int cudnnDestroyDropoutDescriptor(void *dropout) { return drop(dropout); }

int cudnnSetTensor4dDescriptor(struct shape *shape, int format, int type, int n, int c, int h, int w) {
  *shape = (struct shape){n, c};
  return format == 0 && type == 0 && h == 1 && w == 1 ? SUCCESS : NOT_SUPPORTED;
}

int cudnnSoftmaxForward(void *handle, int algorithm, int mode, const float *alpha, const struct shape *x_shape,
                        const float *x, const float *beta, const struct shape *y_shape, float *y) {
  if (handle == NULL || *alpha != 1 || *beta != 0 || x_shape->channels != y_shape->channels) return BAD_PARAM;
  if (mode != 1 || algorithm < 1 || algorithm > 2) return NOT_SUPPORTED;
  for (int row = 0; row < x_shape->rows; row++, x += x_shape->channels, y += x_shape->channels) {
    double largest = x[0], sum = 0;
    for (int i = 1; i < x_shape->channels; i++) largest = fmax(largest, x[i]);
    for (int i = 0; i < x_shape->channels; i++) sum += exp(x[i] - largest);
    for (int i = 0; i < x_shape->channels; i++) {
      const double log_of = x[i] - largest - log(sum);
      y[i] = (float)(algorithm == 2 ? log_of : exp(log_of));
    }
  }
  return SUCCESS;
}

int cudnnDropoutGetStatesSize(void *handle, size_t *bytes) {
  *bytes = 8;
  return handle == NULL ? BAD_PARAM : SUCCESS;
}

int cudnnDropoutGetReserveSpaceSize(const struct shape *shape, size_t *bytes) {
  *bytes = (size_t)shape->rows * (size_t)shape->channels;
  return SUCCESS;
}

int cudnnSetDropoutDescriptor(struct dropout *dropout, void *handle, float probability, void *states, size_t bytes,
                              unsigned long long seed) {
  *dropout = (struct dropout){probability, seed};
  return handle == NULL || states == NULL || bytes != 8 ? BAD_PARAM : SUCCESS;
}

int cudnnDropoutForward(void *handle, struct dropout *dropout, const struct shape *x_shape, const float *x,
                        const struct shape *y_shape, float *y, unsigned char *kept, size_t bytes) {
  const size_t count = (size_t)x_shape->rows * (size_t)x_shape->channels;
  if (handle == NULL || bytes != count || x_shape->channels != y_shape->channels) return BAD_PARAM;
  for (size_t i = 0; i < count; i++) {
    dropout->state = dropout->state * 6364136223846793005u + 1442695040888963407u;
    kept[i] = (double)(dropout->state >> 33) * 0x1p-31 >= dropout->probability;
    y[i] = kept[i] ? x[i] / (1 - dropout->probability) : 0;
  }
  return SUCCESS;
}
