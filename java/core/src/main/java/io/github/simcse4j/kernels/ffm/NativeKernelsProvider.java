package io.github.simcse4j.kernels.ffm;

import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.kernels.KernelsProvider;
import io.github.simcse4j.kernels.UnusableKernelsException;
import io.github.simcse4j.tensor.DType;

/** Offers {@link NativeKernels} where libsimcse loads. */
public final class NativeKernelsProvider implements KernelsProvider {

  @Override
  public String name() {
    return "native";
  }

  @Override
  public String device() {
    return "cpu";
  }

  @Override
  public int rank() {
    return 20;
  }

  @Override
  public boolean supports(DType dtype) {
    return dtype == DType.F32 || dtype == DType.BF16;
  }

  @Override
  public Kernels open(int threads) {
    SimcseLibrary library = LoadedLibrary.ONCE.required();
    try {
      return new NativeKernels(library, threads);
    } catch (IllegalStateException | IllegalArgumentException | OutOfMemoryError e) {
      throw new UnusableKernelsException(e.getMessage(), e);
    }
  }
}
