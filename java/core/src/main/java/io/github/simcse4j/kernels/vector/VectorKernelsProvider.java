package io.github.simcse4j.kernels.vector;

import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.kernels.KernelsProvider;
import io.github.simcse4j.tensor.DType;
import java.util.Optional;

/** Offers {@link VectorKernels} where the JVM was started with the Vector API. */
public final class VectorKernelsProvider implements KernelsProvider {

  private static final String MODULE = "jdk.incubator.vector";

  @Override
  public String name() {
    return "vector";
  }

  @Override
  public String device() {
    return "cpu";
  }

  @Override
  public int rank() {
    return 10;
  }

  @Override
  public Optional<String> obstacle() {
    return ModuleLayer.boot().findModule(MODULE).isPresent()
        ? Optional.empty()
        : Optional.of("the JVM runs without its Vector API; start it with --add-modules " + MODULE);
  }

  @Override
  public boolean supports(DType dtype) {
    return dtype == DType.F32;
  }

  @Override
  public Kernels open(int threads) {
    return new VectorKernels(threads);
  }
}
