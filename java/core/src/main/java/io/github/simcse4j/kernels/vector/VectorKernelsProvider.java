package io.github.simcse4j.kernels.vector;

import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.kernels.KernelsProvider;
import io.github.simcse4j.kernels.UnusableKernelsException;
import io.github.simcse4j.tensor.DType;
import java.lang.foreign.MemorySegment;

/** Offers {@link VectorKernels} where the JVM was started with what they need. */
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

  /** Whether this JVM allows what {@link Floats} does once for ever. */
  private static boolean reachesMemory() {
    try {
      return MemorySegment.NULL.reinterpret(0).isNative();
    } catch (IllegalCallerException e) {
      return false;
    }
  }

  @Override
  public boolean supports(DType dtype) {
    return dtype == DType.F32;
  }

  @Override
  public Kernels open(int threads) {
    if (ModuleLayer.boot().findModule(MODULE).isEmpty()) {
      throw new UnusableKernelsException(
          "the JVM runs without its Vector API; start it with --add-modules " + MODULE);
    }
    if (!reachesMemory()) {
      throw new UnusableKernelsException(
          "the JVM denies the memory off its heap; start it with"
              + " --enable-native-access=ALL-UNNAMED");
    }
    return new VectorKernels(threads);
  }
}
