package io.github.simcse4j.kernels.ffm;

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

  SimcseLibrary required() {
    if (library == null) {
      throw new IllegalStateException(obstacle);
    }
    return library;
  }
}
