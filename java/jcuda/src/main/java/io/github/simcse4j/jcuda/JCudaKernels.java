package io.github.simcse4j.jcuda;

import io.github.simcse4j.kernels.ffm.CudaKernels;
import io.github.simcse4j.kernels.ffm.DeviceMemory;
import io.github.simcse4j.kernels.ffm.MatrixProduct;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Shape;
import io.github.simcse4j.tensor.Tensor;
import java.util.function.Supplier;
import jcuda.driver.CUcontext;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.CUstream;
import jcuda.runtime.cudaStream_t;

/**
 * The kernels of {@link CudaKernels} inside JCuda: in its context, on its stream, in its memory,
 * with matrix products by JCublas2.
 *
 * <p>A program that uses JCuda hands over what it has, and nothing is copied:
 *
 * <pre>{@code
 * try (JCudaKernels kernels = JCudaKernels.over(context, stream)) {
 *   Tensor queries = kernels.tensor(queryPointer, DType.F32, 512, 768);
 *   Tensor keys = kernels.tensor(keyPointer, DType.F32, 4096, 768);
 *   kernels.gemm(false, true, queries, keys, similarities, GemmEpilogue.STORE);
 * }
 * }</pre>
 *
 * <p>All work goes to that stream in the order of the calls, between what the program itself puts
 * there, and is done behind them; {@link #synchronize} waits for it. Like all kernels these are
 * used by one thread at a time; the context need not be current on it.
 */
public final class JCudaKernels extends CudaKernels {

  private final JCudaDevice device;
  private final Cublas cublas;
  private boolean open = true;

  private JCudaKernels(JCudaDevice device, Cublas cublas, int threads) {
    super(
        device.location(), threads, Addresses.of(device.context()), Addresses.of(device.stream()));
    this.device = device;
    this.cublas = cublas;
  }

  /**
   * Kernels in the context and on the stream of a program, which stay the program's: it destroys
   * them after these kernels are closed.
   *
   * @param context of a GPU of compute capability 8.0 or newer
   * @param stream of that context, and not its default stream
   * @throws IllegalStateException where JCuda or libsimcse cannot be used here
   * @throws IllegalArgumentException where the stream is no stream of the context
   */
  public static JCudaKernels over(CUcontext context, CUstream stream) {
    if (Addresses.of(context) == 0 || Addresses.of(stream) == 0) {
      throw new IllegalArgumentException(
          "JCudaKernels.over takes a context and a stream of it that is not the default one;"
              + " create one by cuStreamCreate");
    }
    requireNatives();
    return open(JCudaDevice.over(context, stream), 1);
  }

  /** Kernels in the primary context of a GPU, on a stream of their own. */
  static JCudaKernels of(int number, int threads) {
    requireNatives();
    return open(JCudaDevice.open(number), threads);
  }

  private static void requireNatives() {
    JCudaNatives.obstacle()
        .ifPresent(obstacle -> {
          throw new IllegalStateException(obstacle);
        });
  }

  private static JCudaKernels open(JCudaDevice device, int threads) {
    Cublas cublas = null;
    try {
      cublas = new JCublas(device);
      return new JCudaKernels(device, cublas, threads);
    } catch (RuntimeException | Error e) {
      if (cublas != null) {
        cublas.close();
      }
      device.close();
      throw e;
    }
  }

  @Override
  public String name() {
    return "jcuda";
  }

  @Override
  public String description() {
    return "JCuda, " + super.description();
  }

  /**
   * Memory that a program lends, for tensors in it; closing it gives nothing back.
   *
   * @param pointer to memory of the context of these kernels
   * @param bytes from there on
   */
  public JCudaMemory memory(CUdeviceptr pointer, long bytes) {
    if (bytes < 0 || bytes > 0 && Addresses.of(pointer) == 0) {
      throw new IllegalArgumentException(
          "memory of " + bytes + " bytes at " + pointer + " cannot be");
    }
    return new JCudaMemory(this, pointer, bytes);
  }

  /** A tensor over a program's memory, dense and by rows, without a copy. */
  public Tensor tensor(CUdeviceptr pointer, DType dtype, long... extents) {
    Shape shape = Shape.of(extents);
    long bytes = Math.multiplyExact(shape.elements(), (long) dtype.bytes());
    return new Tensor(memory(pointer, bytes), 0, dtype, shape);
  }

  /** Where a tensor of these kernels lies, for a program's own calls. */
  public CUdeviceptr pointer(Tensor tensor) {
    return Addresses.device(address(tensor));
  }

  /** The stream as the CUDA run time, cuBLAS and cuDNN name it. */
  public cudaStream_t runtimeStream() {
    return new cudaStream_t(device.stream());
  }

  /** Runs a program's own calls with the context of these kernels as the thread's. */
  public <T> T within(Supplier<T> body) {
    return device.within(body);
  }

  @Override
  protected DeviceMemory allocateMemory(long bytes) {
    return new JCudaMemory(this, device.allocate(Math.max(bytes, 1)), bytes);
  }

  @Override
  protected void freeMemory(DeviceMemory memory) {
    device.free(((JCudaMemory) memory).pointer());
  }

  @Override
  protected boolean multiplies() {
    return true;
  }

  @Override
  protected void multiply(MatrixProduct product) {
    Products.multiply(cublas, product);
  }

  /** Gives back all that was not lent; later calls do nothing. */
  @Override
  public void close() {
    if (open) {
      open = false;
      super.close();
      cublas.close();
      device.close();
    }
  }
}
