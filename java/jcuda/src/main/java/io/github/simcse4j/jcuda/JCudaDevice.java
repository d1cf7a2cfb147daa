package io.github.simcse4j.jcuda;

import io.github.simcse4j.kernels.DeviceException;
import java.util.function.Supplier;
import jcuda.driver.CUcontext;
import jcuda.driver.CUdevice;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.CUresult;
import jcuda.driver.CUstream;
import jcuda.driver.CUstream_flags;
import jcuda.driver.JCudaDriver;

/**
 * A GPU by JCuda's driver API: a context, a stream and memory. A context and a stream that a
 * program lends are never destroyed here. Used by one thread at a time.
 */
final class JCudaDevice implements AutoCloseable {

  private final int number;
  private final CUcontext context;
  private final CUstream stream;
  private final boolean lent;

  private JCudaDevice(int number, CUcontext context, CUstream stream, boolean lent) {
    this.number = number;
    this.context = context;
    this.stream = stream;
    this.lent = lent;
  }

  /** The primary context of a GPU, which is that of the CUDA run time too, and a new stream. */
  static JCudaDevice open(int number) {
    check("cuInit", JCudaDriver.cuInit(0));
    CUdevice device = device(number);
    CUcontext context = new CUcontext();
    check("cuDevicePrimaryCtxRetain", JCudaDriver.cuDevicePrimaryCtxRetain(context, device));
    CUstream stream = new CUstream();
    int created =
        within(
            context,
            () -> JCudaDriver.cuStreamCreate(stream, CUstream_flags.CU_STREAM_NON_BLOCKING));
    if (created != CUresult.CUDA_SUCCESS) {
      JCudaDriver.cuDevicePrimaryCtxRelease(device);
    }
    check("cuStreamCreate", created);
    return new JCudaDevice(number, context, stream, false);
  }

  /** What a program already has. */
  static JCudaDevice over(CUcontext context, CUstream stream) {
    CUdevice device = new CUdevice();
    check("cuCtxGetDevice", within(context, () -> JCudaDriver.cuCtxGetDevice(device)));
    return new JCudaDevice(Math.toIntExact(Addresses.of(device)), context, stream, true);
  }

  private static CUdevice device(int number) {
    CUdevice device = new CUdevice();
    check("cuDeviceGet", JCudaDriver.cuDeviceGet(device, number));
    return device;
  }

  /** As the kernels name it. */
  String location() {
    return "cuda:" + number;
  }

  CUcontext context() {
    return context;
  }

  CUstream stream() {
    return stream;
  }

  /** Zeroed memory, which any stream may use at once. */
  CUdeviceptr allocate(long bytes) {
    CUdeviceptr memory = new CUdeviceptr();
    int allocated = within(() -> JCudaDriver.cuMemAlloc(memory, bytes));
    if (allocated == CUresult.CUDA_ERROR_OUT_OF_MEMORY) {
      throw outOfMemory(bytes);
    }
    check("cuMemAlloc", allocated);
    within(() -> {
      check("cuMemsetD8Async", JCudaDriver.cuMemsetD8Async(memory, (byte) 0, bytes, stream));
      check("cuStreamSynchronize", JCudaDriver.cuStreamSynchronize(stream));
      return memory;
    });
    return memory;
  }

  private OutOfMemoryError outOfMemory(long bytes) {
    long[] free = new long[1];
    long[] total = new long[1];
    within(() -> JCudaDriver.cuMemGetInfo(free, total));
    return new OutOfMemoryError(
        ("out of device memory: %d bytes were asked for, %d of %d are free on %s; take a smaller"
                + " batch")
            .formatted(bytes, free[0], total[0], location()));
  }

  void free(CUdeviceptr memory) {
    check("cuMemFree", within(() -> JCudaDriver.cuMemFree(memory)));
  }

  /** With the context as the calling thread's, and afterwards what was the thread's before. */
  <T> T within(Supplier<T> body) {
    return within(context, body);
  }

  private static <T> T within(CUcontext context, Supplier<T> body) {
    check("cuCtxPushCurrent", JCudaDriver.cuCtxPushCurrent(context));
    try {
      return body.get();
    } finally {
      JCudaDriver.cuCtxPopCurrent(new CUcontext());
    }
  }

  /** Gives back what was not lent; work of the stream was waited for. */
  @Override
  public void close() {
    if (!lent) {
      check("cuStreamDestroy", within(() -> JCudaDriver.cuStreamDestroy(stream)));
      check("cuDevicePrimaryCtxRelease", JCudaDriver.cuDevicePrimaryCtxRelease(device(number)));
    }
  }

  private static void check(String call, int result) {
    if (result != CUresult.CUDA_SUCCESS) {
      throw new DeviceException(
          call + ": CUDA error " + CUresult.stringFor(result) + " (" + result + ")");
    }
  }
}
