package io.github.simcse4j.jcuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/**
 * JCuda's libraries come from its jars, whatever lies elsewhere. That of the run-time API needs no
 * driver and loads everywhere, which tells one library from another.
 */
@EnabledOnOs(value = OS.LINUX, architectures = "amd64")
class JCudaNativesTest {

  private static final String RUNTIME = "jcuda.runtime.JCuda";
  private static final String DRIVER = "jcuda.driver.JCudaDriver";

  @TempDir private Path temporary;

  @Test
  void aPlantedFileIsLoadedByJCudaAlone() throws Exception {
    plant(temporary, "JCudaRuntime");
    String report = String.join("\n", probe("plain", RUNTIME));
    assertTrue(report.contains("file too short") || report.contains("invalid ELF"), report);
  }

  @Test
  void aPlantedFileIsNotLoadedFromAPrivateFolder() throws Exception {
    Path planted = plant(temporary, "JCudaRuntime");
    assertEquals(List.of("loaded", temporary.toString()), probe("private", RUNTIME));
    try (Stream<Path> left = Files.list(temporary)) {
      assertEquals(List.of(planted), left.toList());
    }
  }

  @Test
  void aFileWhereTheJvmLooksFirstIsRefused() throws Exception {
    Path folder = Files.createDirectory(temporary.resolve("searched"));
    Path planted = plant(folder, "JCudaRuntime");
    List<String> out = probe(List.of("-Djava.library.path=/usr/lib:" + folder), "private", RUNTIME);
    assertTrue(out.getFirst().startsWith(planted + " lies where the JVM looks first"), out + "");
  }

  @Test
  void anEmptyEntryOfTheSearchedFoldersIsTheCurrentOne() throws Exception {
    Path planted = plant(temporary, "JCudaRuntime");
    List<String> out = probe(List.of("-Djava.library.path=/usr/lib:"), "private", RUNTIME);
    assertTrue(out.getFirst().startsWith(planted + " lies where the JVM looks first"), out + "");
  }

  @Test
  void withoutAFolderForItNothingIsLoaded() throws Exception {
    Path absent = temporary.resolve("absent");
    List<String> out = probe(List.of("-Djava.io.tmpdir=" + absent), "private", RUNTIME);
    String obstacle = out.get(out.size() - 2);
    assertTrue(obstacle.startsWith("there can be no private folder in " + absent), out + "");
    assertEquals(absent.toString(), out.getLast());
  }

  @Test
  void withoutADriverThatIsSaid() throws Exception {
    List<String> out = probe("private", DRIVER);
    Assumptions.assumeFalse(out.getFirst().equals("loaded"), "there is a driver here");
    assertEquals(
        List.of(
            "no CUDA driver: libcuda.so.1 is not there; install the NVIDIA driver",
            temporary.toString()),
        out);
    try (Stream<Path> left = Files.list(temporary)) {
      assertEquals(List.of(), left.toList());
    }
  }

  @Test
  void aReportBecomesOneSentence() {
    String report =
        """
        Error while loading native library "JCublas2-12.6.0-linux-x86_64"
        Operating system name: Linux
        ---(start of nested stack traces)---
        java.lang.UnsatisfiedLinkError: no JCublas2-12.6.0-linux-x86_64 in java.library.path: /usr/lib
        \tat java.base/java.lang.ClassLoader.loadLibrary(ClassLoader.java)
        java.lang.UnsatisfiedLinkError: /tmp/x/libJCublas2-12.6.0-linux-x86_64.so: %s
        \tat java.base/jdk.internal.loader.NativeLibraries.load(Native Method)
        """;
    assertEquals(
        "libcublas.so.12 is not found; install cuBLAS of CUDA 12 and name its folder in"
            + " LD_LIBRARY_PATH",
        JCudaNatives.reason(
            report.formatted("libcublas.so.12: cannot open shared object file: No such file")));
    assertEquals(
        "libodd.so is not found, which JCuda needs; install it or name its folder in"
            + " LD_LIBRARY_PATH",
        JCudaNatives.reason(report.formatted("libodd.so: cannot open shared object file: No")));
    assertEquals(
        "JCuda's native libraries cannot be loaded:"
            + " /tmp/x/libJCublas2-12.6.0-linux-x86_64.so: wrong ELF class; install the NVIDIA"
            + " driver and CUDA 12",
        JCudaNatives.reason(report.formatted("wrong ELF class")));
  }

  /** A file under the name that JCuda gives a library, which is none. */
  private static Path plant(Path folder, String library) throws IOException {
    return Files.writeString(
        folder.resolve("lib" + library + "-12.6.0-linux-x86_64.so"), "not a library");
  }

  private List<String> probe(String... arguments) throws Exception {
    return probe(List.of(), arguments);
  }

  private List<String> probe(List<String> options, String... arguments) throws Exception {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin/java").toString());
    command.add("--enable-native-access=ALL-UNNAMED");
    command.add("-Djava.io.tmpdir=" + temporary);
    command.addAll(options);
    command.addAll(List.of("-cp", System.getProperty("java.class.path")));
    command.add(LoadProbe.class.getName());
    command.addAll(List.of(arguments));
    ProcessBuilder builder = new ProcessBuilder(command).directory(temporary.toFile());
    builder.environment().remove("LD_LIBRARY_PATH");
    Process process = builder.redirectErrorStream(true).start();
    List<String> out = process.inputReader().lines().toList();
    process.waitFor();
    return out;
  }
}
