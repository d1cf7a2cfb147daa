package io.github.simcse4j.kernels.ffm;

import java.util.Locale;

/**
 * A platform that libsimcse is built for: Linux, as yet.
 *
 * @param architecture x86_64 or aarch64
 */
record Platform(String architecture) {

  /** The platform of this JVM. */
  static Platform ofThisJvm() throws LibraryException {
    return of(System.getProperty("os.name"), System.getProperty("os.arch"));
  }

  /** The platform of these values of {@code os.name} and {@code os.arch}. */
  static Platform of(String osName, String osArch) throws LibraryException {
    String architecture = osArch.equals("amd64") ? "x86_64" : osArch.toLowerCase(Locale.ROOT);
    if (!osName.equals("Linux") || !architecture.matches("x86_64|aarch64")) {
      throw new LibraryException("there is no libsimcse for " + osName + " on " + osArch);
    }
    return new Platform(architecture);
  }

  /** As in the names of releases. */
  String name() {
    return "linux-" + architecture;
  }

  String libraryFile() {
    return "libsimcse.so";
  }

  /** Refuses what is no whole library of this platform. */
  void check(byte[] library) throws LibraryException {
    ElfFile.check(library, architecture);
  }
}
