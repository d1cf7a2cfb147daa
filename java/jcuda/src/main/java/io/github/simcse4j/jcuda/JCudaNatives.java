package io.github.simcse4j.jcuda;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import jcuda.JCudaVersion;
import jcuda.LibUtils;

/**
 * Loads the native libraries of JCuda from a private folder. JCuda by itself writes them under
 * fixed names into the folder that {@code java.io.tmpdir} names, and loads a file of such a name
 * where one lies there already, whoever put it there. So while its classes are initialised the
 * property names a fresh folder that only this user can enter; the folder is gone once they are
 * loaded.
 *
 * <p>A program that uses JCuda before these kernels calls {@link #obstacle} first of all, since
 * what is initialised already is not loaded again.
 */
public final class JCudaNatives {

  static final String TEMPORARY = "java.io.tmpdir";
  static final String SEARCHED = "java.library.path";

  /** The classes with native methods, and what their libraries are called. */
  private static final Map<String, String> LIBRARIES =
      Map.of(
          "jcuda.driver.JCudaDriver", "JCudaDriver",
          "jcuda.runtime.JCuda", "JCudaRuntime",
          "jcuda.jcublas.JCublas2", "JCublas2",
          "jcuda.jcudnn.JCudnn", "JCudnn");

  private static final List<String> NEEDED =
      List.of("jcuda.driver.JCudaDriver", "jcuda.runtime.JCuda", "jcuda.jcublas.JCublas2");

  /** What the system says of a library that another one needs. */
  private static final Pattern MISSING =
      Pattern.compile("(lib[^/:\\s]+): cannot open shared object file");

  private static final Map<String, String> REMEDIES =
      Map.of(
          "libcuda.so.1",
          "no CUDA driver: libcuda.so.1 is not there; install the NVIDIA driver",
          "libcublas.so.12",
          "libcublas.so.12 is not found; install cuBLAS of CUDA 12 and name its folder in"
              + " LD_LIBRARY_PATH",
          "libcudnn.so.9",
          "libcudnn.so.9 is not found; install cuDNN 9 for CUDA 12 and name its folder in"
              + " LD_LIBRARY_PATH");

  /** What came of it, once for this JVM. */
  private record Loaded(Optional<String> obstacle) {
    static final Loaded ONCE = new Loaded(load(NEEDED));
  }

  private JCudaNatives() {}

  /**
   * Loads JCuda's driver and run-time API and JCublas2, and says what stands against it, with what
   * would change it; empty where they are loaded. It must be called before any class of JCuda is
   * used.
   */
  public static Optional<String> obstacle() {
    return Loaded.ONCE.obstacle();
  }

  /** Initialises classes of JCuda, none of which was before, from a private folder. */
  static synchronized Optional<String> load(List<String> classes) {
    Path temporary = Path.of(System.getProperty(TEMPORARY));
    for (String name : classes) {
      Optional<String> obstacle = obstacleTo(libraryOf(name));
      if (obstacle.isPresent()) {
        return obstacle;
      }
    }
    try (PrivateFolder folder = PrivateFolder.in(temporary)) {
      System.setProperty(TEMPORARY, folder.path().toString());
      for (String name : classes) {
        Class.forName(name, true, JCudaNatives.class.getClassLoader());
      }
      return Optional.empty();
    } catch (IOException e) {
      return Optional.of(
          "there can be no private folder in %s for the libraries of JCuda: %s; set -D%s to one"
              .formatted(temporary, e.getMessage(), TEMPORARY));
    } catch (LinkageError e) {
      return Optional.of(reason(String.valueOf(e.getMessage())));
    } catch (ClassNotFoundException e) {
      return Optional.of(e.getMessage() + " is not on the class path; add JCuda's jars");
    } finally {
      System.setProperty(TEMPORARY, temporary.toString());
    }
  }

  private static String libraryOf(String className) {
    String name = LIBRARIES.get(className) + "-" + JCudaVersion.get();
    return LibUtils.createLibraryFileName(LibUtils.createPlatformLibraryName(name));
  }

  private static Optional<String> obstacleTo(String library) {
    if (JCudaNatives.class.getResource("/lib/" + library) == null) {
      return Optional.of("there is no " + library + " on the class path; add JCuda's native jars");
    }
    for (String folder : System.getProperty(SEARCHED, "").split(File.pathSeparator, -1)) {
      Path file = Path.of(folder.isEmpty() ? "." : folder, library);
      if (Files.exists(file)) {
        return Optional.of(
            "%s lies where the JVM looks first, and would be loaded in place of JCuda's own; take it"
                    .formatted(file.toAbsolutePath().normalize())
                + " away, or its folder out of "
                + SEARCHED);
      }
    }
    return Optional.empty();
  }

  /** One sentence out of JCuda's report with its stack traces. */
  static String reason(String report) {
    Matcher missing = MISSING.matcher(report);
    if (missing.find()) {
      String library = missing.group(1);
      return REMEDIES.getOrDefault(
          library,
          library
              + " is not found, which JCuda needs; install it or name its folder in"
              + " LD_LIBRARY_PATH");
    }
    String last =
        report
            .lines()
            .filter(line -> line.contains("UnsatisfiedLinkError: "))
            .reduce((first, second) -> second)
            .orElse(report.lines().findFirst().orElse(""));
    return "JCuda's native libraries cannot be loaded: "
        + last.substring(last.lastIndexOf("LinkError: ") < 0 ? 0 : last.indexOf("LinkError: ") + 11)
        + "; install the NVIDIA driver and CUDA 12";
  }
}
