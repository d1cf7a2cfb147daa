package io.github.simcse4j.kernels.ffm;

import io.github.simcse4j.tensor.HostMemory;
import io.github.simcse4j.tensor.Memory;
import io.github.simcse4j.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** The backend in C and C++, on the host's processors and memory. */
public final class NativeKernels extends DeviceOperations {

  private final NativeDevice device;

  /** Of the memory that is in use, by address. */
  private final Map<Long, Arena> arenas = new HashMap<>();

  /**
   * @param threads how many host threads compute, the caller among them
   */
  NativeKernels(SimcseLibrary library, int threads) {
    this(new NativeDevice(library, "cpu", threads));
  }

  private NativeKernels(NativeDevice device) {
    super(device);
    this.device = device;
  }

  @Override
  public String name() {
    return "native";
  }

  @Override
  public String description() {
    return device.description();
  }

  /** In large pages where the system has them, and taken from it only as it is written. */
  @Override
  public Memory allocate(long bytes) {
    if (bytes < 0) {
      throw new IllegalArgumentException("memory of " + bytes + " bytes cannot be");
    }
    MemorySegment memory = device.allocate(Math.max(bytes, 1));
    Arena arena = Arena.ofShared();
    arenas.put(memory.address(), arena);
    return HostMemory.owning(memory.reinterpret(bytes, arena, this::free), arena);
  }

  private void free(MemorySegment memory) {
    arenas.remove(memory.address());
    device.free(memory);
  }

  /** Closes the device and all memory that is left; later calls do nothing. */
  @Override
  public void close() {
    List.copyOf(arenas.values()).forEach(Arena::close);
    super.close();
  }

  @Override
  long address(Tensor tensor) {
    return Arguments.hostAddress(tensor);
  }

  @Override
  public void upload(Tensor host, Tensor tensor) {
    requireFit("upload", host, tensor);
    device.copyToDevice(tensor.segment(), host.segment());
  }

  @Override
  public void download(Tensor tensor, Tensor host) {
    requireFit("download", tensor, host);
    device.copyToHost(host.segment(), tensor.segment());
    device.synchronize();
  }

  @Override
  public void holdWeights(Tensor weights) {
    device.holdWeights(weights.segment());
  }

  @Override
  public void releaseWeights(Tensor weights) {
    device.releaseWeights(weights.segment());
  }

  @Override
  public void zero(Tensor tensor) {
    device.zero(tensor.segment());
  }

  @Override
  public void iota(Tensor tensor) {
    requireCounted(tensor);
    MemorySegment segment = tensor.segment();
    for (int i = 0; i < tensor.elements(); i++) {
      segment.setAtIndex(ValueLayout.JAVA_INT_UNALIGNED, i, i);
    }
  }
}
