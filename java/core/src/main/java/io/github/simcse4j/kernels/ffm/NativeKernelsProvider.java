package io.github.simcse4j.kernels.ffm;

import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.kernels.KernelsProvider;
import io.github.simcse4j.tensor.DType;
import java.util.Optional;

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
  public Optional<String> obstacle() {
    if (LoadedLibrary.ONCE.library() == null) {
      return Optional.of(LoadedLibrary.ONCE.obstacle());
    }
    try {
      open(1).close();
      return Optional.empty();
    } catch (IllegalStateException | IllegalArgumentException | OutOfMemoryError e) {
      return Optional.of(e.getMessage());
    }
  }

  @Override
  public boolean supports(DType dtype) {
    return dtype == DType.F32 || dtype == DType.BF16;
  }

  @Override
  public Kernels open(int threads) {
    return new NativeKernels(LoadedLibrary.ONCE.required(), threads);
  }
}
