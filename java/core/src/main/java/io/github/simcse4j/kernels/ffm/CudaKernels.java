package io.github.simcse4j.kernels.ffm;

import io.github.simcse4j.kernels.BatchLimits;
import io.github.simcse4j.kernels.BatchStage;
import io.github.simcse4j.kernels.DeviceTraits;
import io.github.simcse4j.kernels.GemmEpilogue;
import io.github.simcse4j.kernels.Timeline;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Memory;
import io.github.simcse4j.tensor.Tensor;
import io.github.simcse4j.tensor.Workspace;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.OptionalLong;
import java.util.Set;

/**
 * The backend in CUDA C++ on one NVIDIA GPU, in its memory. Work is asked for in the order of the
 * calls and done behind them: on one stream for operations, on another for batches on their way.
 */
public class CudaKernels extends DeviceOperations {

  private static final DeviceTraits TRAITS = new DeviceTraits(true, true, List.of(32, 64, 128));

  private final NativeDevice device;
  private final String location;
  private final Set<DeviceMemory> memory = Collections.newSetFromMap(new IdentityHashMap<>());

  private final SplitGemm products = new SplitGemm();

  /** The numbers from 0 on, which {@link #iota} copies from. */
  private MemorySegment counting = MemorySegment.NULL;

  /**
   * @param location such as {@code "cuda:0"}
   */
  CudaKernels(SimcseLibrary library, String location, int threads) {
    this(new NativeDevice(library, location, threads), location);
  }

  /**
   * Kernels in a context and on a stream that somebody else has, and keeps.
   *
   * @param location the GPU, such as {@code "cuda:0"}
   * @param context address of a CUcontext of it
   * @param stream address of a CUstream of that context
   */
  protected CudaKernels(String location, int threads, long context, long stream) {
    this(
        new NativeDevice(
            LoadedLibrary.ONCE.required(),
            location,
            threads,
            MemorySegment.ofAddress(context),
            MemorySegment.ofAddress(stream)),
        location);
  }

  private CudaKernels(NativeDevice device, String location) {
    super(device);
    this.device = device;
    this.location = location;
  }

  @Override
  public String name() {
    return "cuda";
  }

  @Override
  public String description() {
    return device.description();
  }

  @Override
  public DeviceTraits traits() {
    return TRAITS;
  }

  String location() {
    return location;
  }

  // --- memory ---

  @Override
  public OptionalLong deviceMemoryFree() {
    return OptionalLong.of(device.memoryFree());
  }

  @Override
  public final Memory allocate(long bytes) {
    if (bytes < 0) {
      throw new IllegalArgumentException("memory of " + bytes + " bytes cannot be");
    }
    DeviceMemory allocated = allocateMemory(bytes);
    memory.add(allocated);
    return allocated;
  }

  /** Work that was asked for may still use it, so that this waits. */
  void free(DeviceMemory freed) {
    if (memory.remove(freed)) {
      device.drain();
      freeMemory(freed);
    }
  }

  /** Zeroed memory of the context, from which {@link #freeMemory} will be called. */
  protected DeviceMemory allocateMemory(long bytes) {
    return new DeviceMemory(this, device.allocate(Math.max(bytes, 1)).address(), bytes);
  }

  /** Gives back what {@link #allocateMemory} gave; nothing uses it any more. */
  protected void freeMemory(DeviceMemory freed) {
    device.free(freed.address());
  }

  /** Closes the device and all memory that is left; later calls do nothing. */
  @Override
  public void close() {
    List.copyOf(memory).forEach(DeviceMemory::close);
    super.close();
  }

  /** Where a tensor in memory of these kernels lies; fails for any other. */
  @Override
  protected final long address(Tensor tensor) {
    if (tensor.memory() instanceof DeviceMemory own && own.owner() == this) {
      return own.address(tensor.byteOffset());
    }
    throw new IllegalArgumentException(
        tensor + " lies in memory of " + tensor.memory().location() + ", not of these kernels");
  }

  // --- products ---

  /** Whether {@link #multiply} does the matrix products. */
  protected boolean multiplies() {
    return false;
  }

  /** Enqueues a product on the stream of these kernels. */
  protected void multiply(MatrixProduct product) {
    throw new IllegalStateException("these kernels multiply by themselves");
  }

  @Override
  protected final void doGemm(
      boolean transposeA, boolean transposeB, Tensor a, Tensor b, Tensor c, GemmEpilogue epilogue) {
    if (multiplies()) {
      products.run(this, transposeA, transposeB, a, b, c, epilogue);
    } else {
      super.doGemm(transposeA, transposeB, a, b, c, epilogue);
    }
  }

  // --- copies ---

  /** Where a tensor lies, with its size. */
  private MemorySegment place(Tensor tensor) {
    long bytes = tensor.elements() * tensor.dtype().bytes();
    return MemorySegment.ofAddress(address(tensor)).reinterpret(bytes);
  }

  @Override
  public void upload(Tensor host, Tensor tensor) {
    requireFit("upload", host, tensor);
    device.copyToDevice(place(tensor), host.segment());
  }

  @Override
  public void download(Tensor tensor, Tensor host) {
    requireFit("download", tensor, host);
    device.copyToHost(host.segment(), place(tensor));
    device.synchronize();
  }

  @Override
  public void holdWeights(Tensor weights) {
    device.holdWeights(place(weights));
  }

  @Override
  public void releaseWeights(Tensor weights) {
    device.releaseWeights(place(weights));
  }

  @Override
  public void zero(Tensor tensor) {
    device.zero(place(tensor));
  }

  @Override
  public void iota(Tensor tensor) {
    requireCounted(tensor);
    MemorySegment to = place(tensor);
    if (counting.byteSize() < to.byteSize()) {
      count(Math.max(to.byteSize(), 2 * counting.byteSize()));
    }
    device.copyToDevice(to, counting.asSlice(0, to.byteSize()));
  }

  /** Makes longer the array that {@link #iota} copies from. */
  private void count(long bytes) {
    if (counting.byteSize() > 0) {
      device.drain();
      device.freeHost(counting);
      counting = MemorySegment.NULL;
    }
    counting = device.allocateHost(bytes);
    for (int i = 0; i < bytes / Integer.BYTES; i++) {
      counting.setAtIndex(ValueLayout.JAVA_INT, i, i);
    }
  }

  /** As one CUDA graph. */
  @Override
  public void together(long key, Runnable work) {
    device.beginGraph(key);
    try {
      work.run();
    } catch (RuntimeException | Error e) {
      device.dropGraph();
      throw e;
    }
    device.endGraph();
  }

  @Override
  public Timeline timeline() {
    return new DeviceTimeline(device);
  }

  @Override
  public long stageBytes(BatchLimits limits) {
    return Workspace.bytes(DType.U8, DeviceStage.bytes(limits));
  }

  /** The array of {@link #iota} is made long enough here, as it cannot grow in a recording. */
  @Override
  public BatchStage stage(BatchLimits limits, Workspace workspace) {
    long counted = (limits.sentences() + 1L) * Integer.BYTES;
    if (counting.byteSize() < counted) {
      count(counted);
    }
    return new DeviceStage(device, limits, workspace);
  }
}
