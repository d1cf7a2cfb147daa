package io.github.simcse4j.kernels.ffm;

import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.kernels.KernelsProvider;
import io.github.simcse4j.tensor.DType;
import java.util.Optional;

/** Offers {@link NativeKernels} where libsimcse loads. */
public final class NativeKernelsProvider implements KernelsProvider {

  /** What the loader found, once for this JVM: a library, or what stands against it. */
  private record Loaded(SimcseLibrary library, String obstacle) {

    static final Loaded ONCE = load();

    private static Loaded load() {
      try {
        return new Loaded(NativeLoader.ofThisJvm().load(), null);
      } catch (LibraryException e) {
        return new Loaded(null, e.getMessage());
      }
    }
  }

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
    if (Loaded.ONCE.obstacle() != null) {
      return Optional.of(Loaded.ONCE.obstacle());
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
    if (Loaded.ONCE.library() == null) {
      throw new IllegalStateException(Loaded.ONCE.obstacle());
    }
    return new NativeKernels(Loaded.ONCE.library(), threads);
  }
}
