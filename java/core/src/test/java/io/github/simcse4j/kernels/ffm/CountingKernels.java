package io.github.simcse4j.kernels.ffm;

import java.util.ArrayList;
import java.util.List;

/** The first GPU, which remembers how much of its memory was asked for at a time. */
public class CountingKernels extends CudaKernels {

  private final List<Long> allocations = new ArrayList<>();

  public CountingKernels() {
    super(LoadedLibrary.ONCE.required(), "cuda:0", 1);
  }

  /** The bytes of every block, in the order in which they were allocated. */
  public final List<Long> allocations() {
    return allocations;
  }

  @Override
  protected final DeviceMemory allocateMemory(long bytes) {
    allocations.add(bytes);
    return super.allocateMemory(bytes);
  }
}
