package io.github.simcse4j.jcuda;

import io.github.simcse4j.kernels.ffm.DeviceMemory;
import jcuda.driver.CUdeviceptr;

/**
 * Memory of a GPU as JCuda has it: what {@link JCudaKernels} allocate, or a {@code CUdeviceptr}
 * that a program lends, of which closing gives nothing back.
 */
public final class JCudaMemory extends DeviceMemory {

  private final CUdeviceptr pointer;

  JCudaMemory(JCudaKernels owner, CUdeviceptr pointer, long bytes) {
    super(owner, Addresses.of(pointer), bytes);
    this.pointer = pointer;
  }

  /** Where it starts; not to be freed by others where it was allocated here. */
  public CUdeviceptr pointer() {
    return pointer;
  }
}
