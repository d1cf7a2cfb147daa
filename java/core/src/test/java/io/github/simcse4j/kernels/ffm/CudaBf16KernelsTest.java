package io.github.simcse4j.kernels.ffm;

import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.kernels.KernelsSuite;
import io.github.simcse4j.kernels.TestDevice;
import io.github.simcse4j.tensor.DType;
import org.junit.jupiter.api.Tag;

/** CUDA in BF16, and byte for byte the same when it is opened again. */
@Tag("cuda")
class CudaBf16KernelsTest extends KernelsSuite {

  @Override
  protected Kernels open() {
    return TestDevice.open(dtype());
  }

  @Override
  public boolean checksContent() {
    return false;
  }

  /** What changes from call to call in Java does not on a device, and the emulated one is slow. */
  @Override
  public int lateCalls() {
    return TestDevice.isReal() ? 150 : 3;
  }

  @Override
  public DType dtype() {
    return DType.BF16;
  }
}
