package io.github.simcse4j.jcuda;

import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.kernels.KernelsSuite;
import io.github.simcse4j.kernels.TestDevice;
import io.github.simcse4j.tensor.DType;
import org.junit.jupiter.api.Tag;

/** The kernels inside JCuda in BF16, and byte for byte the same when they are opened again. */
@Tag("cuda")
class JCudaBf16KernelsTest extends KernelsSuite {

  @Override
  protected Kernels open() {
    return JCudaTestDevice.open(dtype());
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
