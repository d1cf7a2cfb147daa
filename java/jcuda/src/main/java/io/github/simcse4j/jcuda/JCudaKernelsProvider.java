package io.github.simcse4j.jcuda;

import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.kernels.KernelsProvider;
import io.github.simcse4j.tensor.DType;
import java.util.Optional;

/**
 * Offers {@link JCudaKernels} where JCuda, a GPU and the plug-in of libsimcse are there. It must be
 * asked for: {@code auto} takes the kernels of the same plug-in that need no JNI.
 */
public final class JCudaKernelsProvider implements KernelsProvider {

  @Override
  public String name() {
    return "jcuda";
  }

  @Override
  public String device() {
    return "cuda";
  }

  @Override
  public int rank() {
    return -1;
  }

  @Override
  public Optional<String> obstacle() {
    return JCudaNatives.obstacle().or(() -> {
      try {
        open(1).close();
        return Optional.empty();
      } catch (RuntimeException | OutOfMemoryError e) {
        return Optional.of(e.getMessage());
      }
    });
  }

  @Override
  public boolean supports(DType dtype) {
    return dtype == DType.F32 || dtype == DType.BF16;
  }

  @Override
  public Kernels open(int threads) {
    return JCudaKernels.of(0, threads);
  }
}
