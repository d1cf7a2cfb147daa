package io.github.simcse4j.kernels.ffm;

import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.kernels.KernelsSuite;
import io.github.simcse4j.tensor.DType;
import org.junit.jupiter.api.extension.ExtendWith;

/** libsimcse in F32 on one thread, and byte for byte the same on three. */
@ExtendWith(BuiltLibrary.class)
class NativeF32KernelsTest extends KernelsSuite {

  @Override
  protected Kernels open() {
    return BuiltLibrary.open(1);
  }

  @Override
  protected Kernels openTwin() {
    return BuiltLibrary.open(3);
  }

  @Override
  public DType dtype() {
    return DType.F32;
  }
}
