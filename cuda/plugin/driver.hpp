// The entry points of NVIDIA's driver, opened at run time so that the plug-in loads where there is none.
#pragma once

#include <cuda.h>

namespace simcse::cuda::plugin {

struct Driver {
  CUresult (*init)(unsigned);
  CUresult (*version)(int *);
  CUresult (*error_name)(CUresult, const char **);
  CUresult (*error_string)(CUresult, const char **);
  CUresult (*device_count)(int *);
  CUresult (*device_get)(CUdevice *, int);
  CUresult (*device_name)(char *, int, CUdevice);
  CUresult (*device_attribute)(int *, CUdevice_attribute, CUdevice);
  CUresult (*context_retain)(CUcontext *, CUdevice);
  CUresult (*context_release)(CUdevice);
  CUresult (*context_push)(CUcontext);
  CUresult (*context_pop)(CUcontext *);
  CUresult (*context_device)(CUdevice *);
  CUresult (*memory_info)(size_t *, size_t *);
  CUresult (*allocate)(CUdeviceptr *, size_t);
  CUresult (*free)(CUdeviceptr);
  CUresult (*allocate_pinned)(void **, size_t, unsigned);
  CUresult (*free_pinned)(void *);
  CUresult (*set_bytes)(CUdeviceptr, unsigned char, size_t, CUstream);
  CUresult (*copy_to_device)(CUdeviceptr, const void *, size_t, CUstream);
  CUresult (*copy_to_host)(void *, CUdeviceptr, size_t, CUstream);
  CUresult (*stream_create)(CUstream *, unsigned);
  CUresult (*stream_destroy)(CUstream);
  CUresult (*stream_context)(CUstream, CUcontext *);
  CUresult (*stream_synchronize)(CUstream);
  CUresult (*stream_wait)(CUstream, CUevent, unsigned);
  CUresult (*event_create)(CUevent *, unsigned);
  CUresult (*event_destroy)(CUevent);
  CUresult (*event_record)(CUevent, CUstream);
  CUresult (*event_synchronize)(CUevent);
  CUresult (*event_elapsed)(float *, CUevent, CUevent);
  CUresult (*capture_begin)(CUstream, CUstreamCaptureMode);
  CUresult (*capture_end)(CUstream, CUgraph *);
  CUresult (*graph_destroy)(CUgraph);
  CUresult (*graph_instantiate)(CUgraphExec *, CUgraph, unsigned long long);
  CUresult (*graph_update)(CUgraphExec, CUgraph, CUgraphExecUpdateResultInfo *);
  CUresult (*graph_launch)(CUgraphExec, CUstream);
  CUresult (*graph_close)(CUgraphExec);
};

// The driver, opened and initialised once; throws a Failure of SIMCSE_NO_DEVICE where it is missing, too old, or finds
// no GPU, and tries again at the next call.
const Driver &driver();

// Throws a Failure of SIMCSE_DEVICE_FAULT with the driver's name for the error and its text.
void driver_checked(CUresult result);

}  // namespace simcse::cuda::plugin
