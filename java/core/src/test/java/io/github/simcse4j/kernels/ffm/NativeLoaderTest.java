package io.github.simcse4j.kernels.ffm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.github.simcse4j.kernels.UsableKernels;
import java.io.IOException;
import java.io.OutputStream;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Where libsimcse is looked for, and what is said of files that are not it. */
@EnabledOnOs(OS.LINUX)
class NativeLoaderTest {

  private static final byte[] GARBAGE = "no library".getBytes(StandardCharsets.UTF_8);

  /** A library of the next version of simcse.h. */
  private static final String NEWER =
      """
      const void *simcse_get_api(unsigned version) { return version == 2 ? "" : 0; }
      """;

  /** One that answers with a table of another version. */
  private static final String OTHER =
      """
      static const struct { unsigned long long size; unsigned version; char more[512]; } table = {
        16, 7, ""
      };
      const void *simcse_get_api(unsigned version) { return &table; }
      """;

  private static final String INCOMPLETE =
      """
      extern const void *nobody_defines_this(void);
      const void *simcse_get_api(unsigned version) { return nobody_defines_this(); }
      """;

  @TempDir private Path folder;

  private Platform platform;
  private Path library;

  @BeforeEach
  void namePlatform() throws LibraryException {
    platform = Platform.ofThisJvm();
    library = folder.resolve(platform.libraryFile());
  }

  @Test
  void anExplicitFolderIsTheOnlyOne() throws IOException {
    Path own = Files.createDirectory(folder.resolve("own"));
    Files.write(own.resolve(platform.libraryFile()), GARBAGE);
    String message = refusal(new NativeLoader(folder, own, jars(), Map.of()));
    assertContains(message, library.toString(), NativeLoader.PROPERTY);
  }

  @Test
  void theOwnFolderComesBeforeJars() throws IOException {
    Files.write(library, GARBAGE);
    Path jar = jar(GARBAGE);
    assertContains(
        refusal(new NativeLoader(null, folder, jars(jar), Map.of())),
        library.toString(),
        "not a shared library");
    Files.delete(library);
    assertContains(refusal(new NativeLoader(null, folder, jars(jar), Map.of())), jar.toString());
  }

  @ParameterizedTest
  @ValueSource(strings = {"", " ", "\0"})
  void aPropertyThatNamesNoFolderIsRefused(String property) {
    LibraryException e =
        assertThrows(LibraryException.class, () -> NativeLoader.explicitFolder(property));
    assertContains(e.getMessage(), NativeLoader.PROPERTY);
  }

  @Test
  void theRemedyIsNamedWhereThereIsNone() throws IOException {
    String message = refusal(new NativeLoader(null, folder, jars(), Map.of()));
    assertContains(message, folder.toString(), "make native", NativeLoader.PROPERTY);
    assertContains(refusal(new NativeLoader(null, null, jars(), Map.of())), "make native");
  }

  @Test
  void filesThatAreNoLibraryAreRefused() throws IOException {
    assertContains(refusalOf(new byte[0]), "not a shared library");
    assertContains(refusalOf(GARBAGE), "not a shared library");
    Files.createDirectory(library);
    NativeLoader loader = new NativeLoader(folder, null, jars(), Map.of());
    assertContains(refusal(loader), library.toString(), "cannot be read");
  }

  @Test
  void librariesOfAnotherArchitectureAreRefused() throws IOException {
    boolean arm = platform.architecture().equals("aarch64");
    byte[] other = header().putShort(18, (short) (arm ? 62 : 183)).array();
    assertContains(refusalOf(other), "not a shared library for " + platform.architecture());
    byte[] program = header().putShort(16, (short) 2).array();
    assertContains(refusalOf(program), "not a shared library");
  }

  @Test
  void librariesThatAreCutShortAreRefused() throws IOException {
    assertContains(refusalOf(header().putLong(40, 4096).array()), "cut short");
    assertContains(refusalOf(header().putLong(32, Long.MAX_VALUE).array()), "cut short");
    assertContains(refusalOf(header().putLong(40, -1).array()), "cut short");
    byte[] whole = Files.readAllBytes(javaLibrary());
    for (int length : new int[] {whole.length - 1, whole.length / 2, 4096, 64, 63}) {
      String message = refusalOf(Arrays.copyOf(whole, length));
      assertTrue(message.contains("cut short") || length < 64, message);
    }
  }

  @Test
  void librariesOfOtherPeopleAreRefused() throws IOException {
    String message = refusalOf(Files.readAllBytes(javaLibrary()));
    assertContains(message, "simcse_get_api", "not libsimcse");
  }

  @Test
  void otherVersionsAreRefused() throws Exception {
    assertContains(refusalOf(compiled(NEWER)), "version 1 of simcse.h", "one release");
    assertContains(refusalOf(compiled(OTHER)), "version 7", "one release");
  }

  @Test
  void whatTheSystemSaysIsPassedOn() throws Exception {
    assertContains(refusalOf(compiled(INCOMPLETE)), "nobody_defines_this");
  }

  @Test
  void aChangedLibraryInAJarIsRefused() throws Exception {
    byte[] built = compiled(NEWER);
    Map<String, String> digests = Map.of(platform.name(), NativeLoader.sha256(built));
    Path sound = jar(built);
    String message = refusal(new NativeLoader(null, null, jars(sound), digests));
    assertContains(message, sound.toString(), "version 1 of simcse.h");

    built[built.length - 1] ^= 1;
    Path changed = jar(built);
    message = refusal(new NativeLoader(null, null, jars(changed), digests));
    assertContains(message, changed.toString(), "SHA-256", NativeLoader.sha256(built));
    message = refusal(new NativeLoader(null, null, jars(changed), Map.of()));
    assertContains(message, changed.toString(), "trusts none");
    assertEquals(List.of(), leftovers());
  }

  @Test
  void aLibraryInAJarIsLoadedFromAPrivateFolder() throws Exception {
    Path own = NativeLoader.createPrivateFolder();
    Path another = NativeLoader.createPrivateFolder();
    assertEquals("rwx------", PosixFilePermissions.toString(Files.getPosixFilePermissions(own)));
    assertNotEquals(own, another);
    Files.delete(own);
    Files.delete(another);

    String built = System.getProperty(NativeLoader.PROPERTY);
    assumeTrue(built != null, "libsimcse was not built");
    byte[] bytes = Files.readAllBytes(Path.of(built).resolve(platform.libraryFile()));
    Map<String, String> digests = Map.of(platform.name(), NativeLoader.sha256(bytes));
    assertNotNull(new NativeLoader(null, folder, jars(jar(bytes)), digests).load().build());
    assertEquals(List.of(), leftovers());
  }

  @ParameterizedTest
  @CsvSource({"Linux, amd64, linux-x86_64", "Linux, aarch64, linux-aarch64"})
  void platformsHaveTheNamesOfReleases(String os, String arch, String name)
      throws LibraryException {
    assertEquals(name, Platform.of(os, arch).name());
  }

  @ParameterizedTest
  @CsvSource({"Windows 11, amd64", "Linux, riscv64", "Mac OS X, aarch64"})
  void otherPlatformsHaveNoLibrary(String os, String arch) {
    assertThrows(LibraryException.class, () -> Platform.of(os, arch));
  }

  @Test
  void digestsAreReadByPlatform() {
    assertEquals(Map.of(), NativeDigests.parse(""));
    assertEquals(
        Map.of("linux-x86_64", "12ab", "linux-aarch64", "34cd"),
        NativeDigests.parse(" linux-x86_64=12ab linux-aarch64=34cd "));
  }

  @Test
  void theProviderOpensItOrSaysWhatIsMissing() {
    NativeKernelsProvider provider = new NativeKernelsProvider();
    assertEquals("native", provider.name());
    assertFalse(UsableKernels.obstacle(provider).orElse("usable").isBlank());
  }

  // --- files

  /** In a folder of its own: the system loads what has the name of a loaded library only once. */
  private String refusalOf(byte[] file) throws IOException {
    Path explicit = Files.createTempDirectory(folder, "explicit");
    Path written = Files.write(explicit.resolve(platform.libraryFile()), file);
    String message = refusal(new NativeLoader(explicit, null, jars(), Map.of()));
    assertContains(message, written.toString());
    return message;
  }

  private static String refusal(NativeLoader loader) {
    return assertThrows(LibraryException.class, loader::load).getMessage();
  }

  private static void assertContains(String message, String... parts) {
    for (String part : parts) {
      assertTrue(message.contains(part), () -> part + " is not in: " + message);
    }
    assertTrue(message.lines().count() == 1, message);
  }

  /** The header of an empty library of this platform. */
  private ByteBuffer header() {
    boolean arm = platform.architecture().equals("aarch64");
    return ByteBuffer.allocate(64)
        .order(ByteOrder.LITTLE_ENDIAN)
        .putInt(0, 0x464C457F)
        .putShort(4, (short) 0x0102)
        .putShort(16, (short) 3)
        .putShort(18, (short) (arm ? 183 : 62));
  }

  /** A whole library that is on every machine with a Java. */
  private static Path javaLibrary() {
    return Path.of(System.getProperty("java.home"), "lib", "libjimage.so");
  }

  private byte[] compiled(String source) throws IOException, InterruptedException {
    Path c = Files.writeString(folder.resolve("other.c"), source);
    Path out = folder.resolve("other.so");
    assumeTrue(
        Stream.of(System.getenv("PATH").split(":")).anyMatch(p -> Files.exists(Path.of(p, "cc"))),
        "there is no C compiler cc");
    Process compiler =
        new ProcessBuilder("cc", "-shared", "-fPIC", "-o", out.toString(), c.toString())
            .inheritIO()
            .start();
    assertTrue(compiler.waitFor(60, TimeUnit.SECONDS), "the compiler does not end");
    assertEquals(0, compiler.exitValue());
    return Files.readAllBytes(out);
  }

  private Path jar(byte[] bytes) throws IOException {
    Path jar = Files.createTempFile(folder, "native", ".jar");
    try (OutputStream file = Files.newOutputStream(jar);
        ZipOutputStream zip = new ZipOutputStream(file)) {
      zip.putNextEntry(
          new ZipEntry("META-INF/native/" + platform.name() + "/" + platform.libraryFile()));
      zip.write(bytes);
    }
    return jar;
  }

  private static ClassLoader jars(Path... jars) {
    URL[] urls =
        Arrays.stream(jars)
            .map(jar -> {
              try {
                return jar.toUri().toURL();
              } catch (IOException e) {
                throw new AssertionError(e);
              }
            })
            .toArray(URL[]::new);
    return new URLClassLoader(urls, null);
  }

  private static List<Path> leftovers() throws IOException {
    try (Stream<Path> files = Files.list(Path.of(System.getProperty("java.io.tmpdir")))) {
      return files
          .filter(f -> f.getFileName().toString().startsWith(NativeLoader.FOLDER_PREFIX))
          .toList();
    }
  }
}
