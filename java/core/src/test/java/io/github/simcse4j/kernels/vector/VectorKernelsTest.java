package io.github.simcse4j.kernels.vector;

import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.kernels.KernelsSuite;
import io.github.simcse4j.tensor.DType;

/** The pure-Java backend on one thread, and byte for byte the same on two. */
class VectorKernelsTest extends KernelsSuite {

  @Override
  protected Kernels open() {
    return new VectorKernels(1);
  }

  @Override
  protected Kernels openTwin() {
    return new VectorKernels(2);
  }

  @Override
  public DType dtype() {
    return DType.F32;
  }
}
