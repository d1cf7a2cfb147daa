// NVIDIA's driver, opened at run time so that the plug-in loads where there is none.
#pragma once

#include <cuda.h>

#include <string>

namespace simcse::cuda::plugin {

// Entry points by the names they have in the library: those of old signatures keep their plain names there.
#define SIMCSE_DRIVER(each)                                                                         \
  each(cuInit, CUresult(unsigned))                                                                  \
  each(cuDriverGetVersion, CUresult(int *))                                                         \
  each(cuGetErrorName, CUresult(CUresult, const char **))                                           \
  each(cuGetErrorString, CUresult(CUresult, const char **))                                         \
  each(cuDeviceGetCount, CUresult(int *))                                                           \
  each(cuDeviceGet, CUresult(CUdevice *, int))                                                      \
  each(cuDeviceGetName, CUresult(char *, int, CUdevice))                                            \
  each(cuDeviceGetAttribute, CUresult(int *, CUdevice_attribute, CUdevice))                         \
  each(cuDevicePrimaryCtxRetain, CUresult(CUcontext *, CUdevice))                                   \
  each(cuDevicePrimaryCtxRelease_v2, CUresult(CUdevice))                                            \
  each(cuCtxPushCurrent_v2, CUresult(CUcontext))                                                    \
  each(cuCtxPopCurrent_v2, CUresult(CUcontext *))                                                   \
  each(cuMemGetInfo_v2, CUresult(size_t *, size_t *))                                               \
  each(cuMemAlloc_v2, CUresult(CUdeviceptr *, size_t))                                              \
  each(cuMemFree_v2, CUresult(CUdeviceptr))                                                         \
  each(cuMemHostAlloc, CUresult(void **, size_t, unsigned))                                         \
  each(cuMemFreeHost, CUresult(void *))                                                             \
  each(cuMemsetD8Async, CUresult(CUdeviceptr, unsigned char, size_t, CUstream))                     \
  each(cuMemcpyHtoDAsync_v2, CUresult(CUdeviceptr, const void *, size_t, CUstream))                 \
  each(cuMemcpyDtoHAsync_v2, CUresult(void *, CUdeviceptr, size_t, CUstream))                       \
  each(cuStreamCreate, CUresult(CUstream *, unsigned))                                              \
  each(cuStreamDestroy_v2, CUresult(CUstream))                                                      \
  each(cuStreamSynchronize, CUresult(CUstream))                                                     \
  each(cuStreamWaitEvent, CUresult(CUstream, CUevent, unsigned))                                    \
  each(cuEventCreate, CUresult(CUevent *, unsigned))                                                \
  each(cuEventDestroy_v2, CUresult(CUevent))                                                        \
  each(cuEventRecord, CUresult(CUevent, CUstream))                                                  \
  each(cuEventSynchronize, CUresult(CUevent))                                                       \
  each(cuEventElapsedTime, CUresult(float *, CUevent, CUevent))

// cuda.h gives some of them other names by macro.
#undef cuEventElapsedTime

struct Driver {
#define SIMCSE_MEMBER(name, ...) __VA_ARGS__ type_of_##name; type_of_##name *name;
#undef SIMCSE_MEMBER
};

}  // namespace simcse::cuda::plugin
