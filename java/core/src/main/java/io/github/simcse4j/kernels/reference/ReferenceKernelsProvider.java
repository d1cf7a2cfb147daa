package io.github.simcse4j.kernels.reference;

import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.kernels.KernelsProvider;
import io.github.simcse4j.tensor.DType;

/** Offers {@link ReferenceKernels} to those who ask for them by name. */
public final class ReferenceKernelsProvider implements KernelsProvider {

  @Override
  public String name() {
    return "reference";
  }

  @Override
  public String device() {
    return "cpu";
  }

  @Override
  public int rank() {
    return -1;
  }

  @Override
  public boolean supports(DType dtype) {
    return ReferenceKernels.TYPES.contains(dtype);
  }

  @Override
  public Kernels open(int threads) {
    return new ReferenceKernels();
  }
}
