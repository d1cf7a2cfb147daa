package io.github.simcse4j.kernels.vector;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.kernels.UnusableKernelsException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What stands against the Vector API's kernels in a JVM that lacks something. */
class VectorKernelsProviderTest {

  private static final String VECTORS = "--add-modules=jdk.incubator.vector";

  /** Prints the obstacle of the JVM that it runs in, as the whole output. */
  static final class Obstacle {

    public static void main(String[] arguments) {
      try (Kernels kernels = new VectorKernelsProvider().open(1)) {
        kernels.synchronize();
      } catch (UnusableKernelsException e) {
        System.out.print(e.getMessage());
      }
    }
  }

  @Test
  void aJvmThatDeniesNativeAccessIsToldTheFlag() throws IOException, InterruptedException {
    String obstacle = obstacle(VECTORS, "--illegal-native-access=deny");
    assertTrue(obstacle.endsWith("start it with --enable-native-access=ALL-UNNAMED"), obstacle);
    assertEquals(1, obstacle.lines().count(), obstacle);
    assertEquals(
        "",
        obstacle(VECTORS, "--illegal-native-access=deny", "--enable-native-access=ALL-UNNAMED"));
  }

  @Test
  void aJvmWithoutTheVectorApiIsToldTheFlag() throws IOException, InterruptedException {
    String obstacle = obstacle("--illegal-native-access=deny");
    assertTrue(obstacle.endsWith("start it with --add-modules jdk.incubator.vector"), obstacle);
  }

  private static String obstacle(String... flags) throws IOException, InterruptedException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(List.of(flags));
    command.add("-cp");
    command.add(
        folder(Kernels.class) + System.getProperty("path.separator") + folder(Obstacle.class));
    command.add(Obstacle.class.getName());
    Process process =
        new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.DISCARD).start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(0, process.waitFor(), String.join(" ", command));
    return output;
  }

  /** The folder or jar that a class comes from. */
  private static String folder(Class<?> type) {
    return Path.of(type.getProtectionDomain().getCodeSource().getLocation().getPath()).toString();
  }
}
