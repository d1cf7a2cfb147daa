package io.github.simcse4j.jcuda;

import io.github.simcse4j.kernels.DeviceException;
import jcuda.Pointer;
import jcuda.driver.CUdeviceptr;
import jcuda.jcublas.JCublas2;
import jcuda.jcublas.cublasComputeType;
import jcuda.jcublas.cublasGemmAlgo;
import jcuda.jcublas.cublasHandle;
import jcuda.jcublas.cublasMath;
import jcuda.jcublas.cublasStatus;
import jcuda.runtime.cudaStream_t;

/**
 * {@link Cublas} by JCublas2, on the stream of a device and in memory of its own, so that nothing
 * is allocated where a product is recorded.
 */
final class JCublas implements Cublas {

  /** As much as cuBLAS takes by itself where it takes most, on compute capability 9.0. */
  private static final long WORKSPACE = 32L << 20;

  private final JCudaDevice device;
  private final CUdeviceptr workspace;
  private final cublasHandle handle = new cublasHandle();
  private final Pointer one = Pointer.to(new float[] {1});
  private final Pointer zero = Pointer.to(new float[] {0});

  JCublas(JCudaDevice device) {
    this.device = device;
    this.workspace = device.allocate(WORKSPACE);
    try {
      check("cublasCreate", device.within(() -> JCublas2.cublasCreate(handle)));
    } catch (DeviceException e) {
      device.free(workspace);
      throw e;
    }
    try {
      device.within(this::configure);
    } catch (DeviceException e) {
      close();
      throw e;
    }
  }

  private cublasHandle configure() {
    check("cublasSetStream", JCublas2.cublasSetStream(handle, new cudaStream_t(device.stream())));
    // After the stream, with which cuBLAS goes back to what it allocates by itself.
    check(
        "cublasSetWorkspace",
        JCublas2.cublasSetWorkspace(handle, Addresses.to(Addresses.of(workspace)), WORKSPACE));
    // Split sums are added up in float, as everywhere else here.
    check(
        "cublasSetMathMode",
        JCublas2.cublasSetMathMode(
            handle, cublasMath.CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION));
    return handle;
  }

  @Override
  public void gemmEx(
      int operationA,
      int operationB,
      int m,
      int n,
      int k,
      Matrix a,
      Matrix b,
      float beta,
      Matrix c) {
    int status =
        device.within(() ->
            JCublas2.cublasGemmEx_new(
                handle,
                operationA,
                operationB,
                m,
                n,
                k,
                one,
                Addresses.to(a.address()),
                a.type(),
                a.leading(),
                Addresses.to(b.address()),
                b.type(),
                b.leading(),
                beta == 0 ? zero : one,
                Addresses.to(c.address()),
                c.type(),
                c.leading(),
                cublasComputeType.CUBLAS_COMPUTE_32F,
                cublasGemmAlgo.CUBLAS_GEMM_DEFAULT));
    check("gemm (m %d, n %d, k %d): cublasGemmEx".formatted(n, m, k), status);
  }

  @Override
  public void close() {
    check("cublasDestroy", device.within(() -> JCublas2.cublasDestroy(handle)));
    device.free(workspace);
  }

  private static void check(String call, int status) {
    if (status != cublasStatus.CUBLAS_STATUS_SUCCESS) {
      throw new DeviceException(
          call + ": cuBLAS gives " + cublasStatus.stringFor(status) + " (" + status + ")");
    }
  }
}
