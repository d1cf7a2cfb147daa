package io.github.simcse4j.kernels;

import io.github.simcse4j.tensor.DType;
import java.util.Optional;

/** A way to get {@link Kernels}, found by {@link java.util.ServiceLoader}. */
public interface KernelsProvider {

  /** The name that {@code --kernels} takes. */
  String name();

  /** The name that {@code --device} takes for where these kernels compute. */
  String device();

  /** This provider for a device as {@code --device} names it; empty where that is another kind. */
  default Optional<KernelsProvider> on(String device) {
    return device.equals(device()) ? Optional.of(this) : Optional.empty();
  }

  /** {@code auto} takes the usable provider of the highest rank; one below 0 must be asked for. */
  int rank();

  /** Whether the opened kernels compute in this type, as {@link Kernels#supports} will say. */
  boolean supports(DType dtype);

  /**
   * Opens the kernels.
   *
   * @param threads host threads to compute with, at least 1
   * @throws UnusableKernelsException where they cannot be used here, whatever is missing
   */
  Kernels open(int threads);
}
