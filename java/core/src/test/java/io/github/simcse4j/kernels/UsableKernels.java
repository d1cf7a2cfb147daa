package io.github.simcse4j.kernels;

import io.github.simcse4j.tensor.DType;
import java.util.Optional;
import java.util.stream.Stream;

/** The backends that work on this machine, as the program finds them. */
public final class UsableKernels {

  private UsableKernels() {}

  /**
   * All that compute in a type, each opened on two threads when it is asked for; or that of the
   * {@link TestDevice} alone, where one was named.
   */
  public static Stream<Kernels> of(DType dtype) {
    if (TestDevice.named()) {
      return Stream.of(dtype).map(TestDevice::open);
    }
    return KernelsSelection.providers().stream()
        .filter(provider -> provider.supports(dtype) && obstacle(provider).isEmpty())
        .map(provider -> provider.open(2));
  }

  /** What a provider says where its kernels cannot be used. */
  public static Optional<String> obstacle(KernelsProvider provider) {
    try {
      provider.open(1).close();
      return Optional.empty();
    } catch (UnusableKernelsException e) {
      return Optional.of(e.getMessage());
    }
  }
}
