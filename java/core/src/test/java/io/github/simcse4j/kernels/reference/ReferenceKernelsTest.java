package io.github.simcse4j.kernels.reference;

import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.kernels.KernelsSuite;
import io.github.simcse4j.tensor.DType;
import org.junit.jupiter.api.Nested;

class ReferenceKernelsTest {

  @Nested
  class InF64 extends KernelsSuite {

    @Override
    protected Kernels open() {
      return new ReferenceKernels();
    }

    @Override
    public DType dtype() {
      return DType.F64;
    }
  }

  @Nested
  class InBf16 extends KernelsSuite {

    @Override
    protected Kernels open() {
      return new ReferenceKernels();
    }

    @Override
    public DType dtype() {
      return DType.BF16;
    }
  }

  @Nested
  class InF32 extends KernelsSuite {

    @Override
    protected Kernels open() {
      return new ReferenceKernels();
    }

    @Override
    public DType dtype() {
      return DType.F32;
    }
  }
}
