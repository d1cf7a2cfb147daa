package io.github.simcse4j.kernels.ffm;

import io.github.simcse4j.tensor.Memory;
import java.lang.foreign.MemorySegment;

/**
 * Memory of a device: an address that only the device can read. Closing gives back what its owner
 * has allocated.
 */
public class DeviceMemory implements Memory {

  private final CudaKernels owner;
  private final MemorySegment address;
  private final long bytes;
  private boolean open = true;

  /**
   * @param owner in whose context it lies
   */
  protected DeviceMemory(CudaKernels owner, long address, long bytes) {
    this.owner = owner;
    this.address = MemorySegment.ofAddress(address);
    this.bytes = bytes;
  }

  /** Whose memory it is. */
  CudaKernels owner() {
    return owner;
  }

  /** Where byte {@code offset} of it lies. */
  long address(long offset) {
    if (!open) {
      throw new IllegalStateException("memory on " + location() + " is closed");
    }
    return address.address() + offset;
  }

  MemorySegment address() {
    return address;
  }

  @Override
  public long byteSize() {
    return bytes;
  }

  @Override
  public String location() {
    return owner.location();
  }

  @Override
  public void close() {
    if (open) {
      open = false;
      owner.free(this);
    }
  }
}
