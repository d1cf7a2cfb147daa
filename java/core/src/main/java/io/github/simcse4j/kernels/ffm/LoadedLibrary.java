package io.github.simcse4j.kernels.ffm;

import io.github.simcse4j.kernels.UnusableKernelsException;

/**
 * What the loader found, once for this JVM: a library, or what stands against it.
 *
 * @param library or null
 * @param obstacle or null
 */
record LoadedLibrary(SimcseLibrary library, String obstacle) {

  static final LoadedLibrary ONCE = load();

  private static LoadedLibrary load() {
    try {
      return new LoadedLibrary(NativeLoader.ofThisJvm().load(), null);
    } catch (LibraryException e) {
      return new LoadedLibrary(null, e.getMessage());
    }
  }

  /**
   * @throws UnusableKernelsException where there is none
   */
  SimcseLibrary required() {
    if (library == null) {
      throw new UnusableKernelsException(obstacle);
    }
    return library;
  }
}
