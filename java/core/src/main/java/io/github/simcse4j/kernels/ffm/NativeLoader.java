package io.github.simcse4j.kernels.ffm;

import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.MemorySegment;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.CodeSource;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Map;

/**
 * Finds libsimcse, in this order and nowhere else:
 *
 * <ol>
 *   <li>in the folder that {@code -Dsimcse.library.path} names, and then only there;
 *   <li>beside the jar of this class, as the distribution has it;
 *   <li>in a jar for this platform, when it has the SHA-256 that this build of simcse4j knows. It
 *       is loaded from a fresh folder that only this user can enter, and removed at once.
 * </ol>
 *
 * @param explicitFolder or null
 * @param ownFolder of the jar of this class, or null where it is in none
 * @param jars where platform jars are looked for
 * @param digests SHA-256 in hexadecimal of the library for each platform, as this build knows it
 */
record NativeLoader(
    Path explicitFolder, Path ownFolder, ClassLoader jars, Map<String, String> digests) {

  /** Names the explicit folder. */
  static final String PROPERTY = "simcse.library.path";

  static final String FOLDER_PREFIX = "simcse-native-";

  /** Where a jar has the library of a platform. */
  private static final String IN_JAR = "META-INF/native/%s/%s";

  /** As a running simcse4j looks for it. */
  static NativeLoader ofThisJvm() throws LibraryException {
    return new NativeLoader(
        explicitFolder(System.getProperty(PROPERTY)),
        folderOfJar(),
        NativeLoader.class.getClassLoader(),
        NativeDigests.ofThisBuild());
  }

  static Path explicitFolder(String property) throws LibraryException {
    if (property == null) {
      return null;
    }
    try {
      if (!property.isBlank()) {
        return Path.of(property);
      }
    } catch (InvalidPathException e) {
      throw new LibraryException("-D" + PROPERTY + "=" + property + " is no folder", e);
    }
    throw new LibraryException("-D" + PROPERTY + " names no folder");
  }

  private static Path folderOfJar() throws LibraryException {
    CodeSource source = NativeLoader.class.getProtectionDomain().getCodeSource();
    if (source == null || !source.getLocation().getProtocol().equals("file")) {
      return null;
    }
    try {
      Path jar = Path.of(source.getLocation().toURI());
      return Files.isRegularFile(jar) ? jar.getParent() : null;
    } catch (URISyntaxException | IllegalArgumentException e) {
      throw new LibraryException("its own folder " + source.getLocation() + " is no path", e);
    }
  }

  /**
   * Loads the library.
   *
   * @throws LibraryException where there is none, or it cannot be used
   */
  SimcseLibrary load() throws LibraryException {
    Platform platform = Platform.ofThisJvm();
    requireNativeAccess();
    if (explicitFolder != null) {
      Path file = explicitFolder.resolve(platform.libraryFile());
      if (!Files.exists(file)) {
        throw new LibraryException(
            "there is no " + file + ", and -D" + PROPERTY + " asks for it; mend the folder");
      }
      return loadFile(file, platform);
    }
    if (ownFolder != null && Files.exists(ownFolder.resolve(platform.libraryFile()))) {
      return loadFile(ownFolder.resolve(platform.libraryFile()), platform);
    }
    URL inJar = jars.getResource(IN_JAR.formatted(platform.name(), platform.libraryFile()));
    if (inJar != null) {
      return loadFromJar(inJar, platform);
    }
    throw new LibraryException(
        "there is no "
            + platform.libraryFile()
            + (ownFolder == null ? "" : " in " + ownFolder)
            + " and no jar brings it; `make native` builds it, and -D"
            + PROPERTY
            + "=FOLDER tells where it is");
  }

  /** The JVM may have been told to refuse code that loads libraries. */
  private static void requireNativeAccess() throws LibraryException {
    try {
      MemorySegment.NULL.reinterpret(0);
    } catch (IllegalCallerException e) {
      throw new LibraryException(
          "the JVM refuses native code; start it with --enable-native-access=ALL-UNNAMED", e);
    }
  }

  private static SimcseLibrary loadFile(Path file, Platform platform) throws LibraryException {
    try {
      platform.check(Files.readAllBytes(file));
      return SimcseLibrary.load(file);
    } catch (IOException e) {
      throw new LibraryException(file + " cannot be read (" + e + ")", e);
    } catch (LibraryException e) {
      throw new LibraryException(file + " cannot be used: " + e.getMessage(), e);
    }
  }

  private SimcseLibrary loadFromJar(URL library, Platform platform) throws LibraryException {
    try {
      byte[] bytes;
      try (InputStream in = library.openStream()) {
        bytes = in.readAllBytes();
      }
      requireDigest(bytes, platform);
      platform.check(bytes);
      return loadCopy(bytes, platform);
    } catch (IOException e) {
      throw new LibraryException(library + " cannot be loaded from a private folder: " + e, e);
    } catch (LibraryException e) {
      throw new LibraryException(library + " cannot be used: " + e.getMessage(), e);
    }
  }

  private void requireDigest(byte[] bytes, Platform platform) throws LibraryException {
    String expected = digests.get(platform.name());
    if (expected == null) {
      throw new LibraryException(
          "this simcse4j was built without a library for "
              + platform.name()
              + ", so it trusts none");
    }
    String found = sha256(bytes);
    if (!found.equals(expected)) {
      throw new LibraryException(
          "its SHA-256 is %s, and this simcse4j was built with %s; take both jars from one release"
              .formatted(found, expected));
    }
  }

  /** Loads a copy that exists for as long as the system needs to map it. */
  private static SimcseLibrary loadCopy(byte[] bytes, Platform platform)
      throws IOException, LibraryException {
    Path folder = createPrivateFolder();
    Path file = folder.resolve(platform.libraryFile());
    try {
      Files.createFile(file, permissions("rw-------"));
      Files.write(file, bytes);
      return SimcseLibrary.load(file);
    } finally {
      Files.deleteIfExists(file);
      Files.delete(folder);
    }
  }

  static Path createPrivateFolder() throws IOException {
    return Files.createTempDirectory(FOLDER_PREFIX, permissions("rwx------"));
  }

  private static FileAttribute<?> permissions(String text) {
    return PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString(text));
  }

  static String sha256(byte[] bytes) {
    try {
      return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java has SHA-256", e);
    }
  }
}
