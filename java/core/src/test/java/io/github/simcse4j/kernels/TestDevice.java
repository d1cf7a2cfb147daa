package io.github.simcse4j.kernels;

import io.github.simcse4j.tensor.DType;

/**
 * The device that tests of one run on: with {@code -Dsimcse.test.device=cuda}, or {@code cuda:N}, a
 * GPU, else the emulated one. It is there, or they fail.
 */
public final class TestDevice {

  private static final String PROPERTY = "simcse.test.device";
  private static final String EMULATED = "emulated";

  private TestDevice() {}

  /** Whether a device was asked for. */
  static boolean named() {
    return System.getProperty(PROPERTY) != null;
  }

  /** Whether the device is not emulated, so that more can be asked of it in the same time. */
  public static boolean isReal() {
    return !System.getProperty(PROPERTY, EMULATED).equals(EMULATED);
  }

  /** Opens it; the caller closes it. */
  public static Kernels open(DType dtype) {
    String name = isReal() ? System.getProperty(PROPERTY) : "cuda:0";
    Kernels kernels = KernelsSelection.select(name, KernelsSelection.AUTO, 1, dtype).kernels();
    if (kernels.description().startsWith(EMULATED) == isReal()) {
      String found = kernels.description();
      kernels.close();
      throw new AssertionError(PROPERTY + " asks for another device than this: " + found);
    }
    return kernels;
  }
}
