package io.github.simcse4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class FindJdkTest {

  @TempDir private Path temporary;

  private Path folder;
  private Path onPath;
  private final Map<String, String> environment = new HashMap<>();

  @BeforeEach
  void putAJdkOnThePath() throws IOException {
    folder = temporary.toRealPath();
    onPath = Shell.jdk(folder.resolve("on path"), "26");
    environment.put("PATH", onPath.resolve("bin") + ":/usr/bin:/bin");
    environment.put("HOME", folder.toString());
  }

  @Test
  void takesJavaHomeFirst() throws Exception {
    Path home = Shell.jdk(folder.resolve("home"), "25");
    environment.put("JAVA_HOME", home.toString());
    assertEquals(new Shell.Result(0, List.of(home.toString()), List.of()), find());
  }

  @Test
  void takesTheJavaOnThePathWithoutJavaHome() throws Exception {
    assertEquals(new Shell.Result(0, List.of(onPath.toString()), List.of()), find());
  }

  @Test
  void passesOverAnOldJavaHomeAndSaysSo() throws Exception {
    Path old = Shell.jdk(folder.resolve("old"), "17");
    environment.put("JAVA_HOME", old.toString());
    String note =
        "simcse4j: JAVA_HOME (" + old + ") is not a JDK 25 or newer; using " + onPath + ".";
    assertEquals(new Shell.Result(0, List.of(onPath.toString()), List.of(note)), find());
  }

  @Test
  void passesOverAMissingJavaHome() throws Exception {
    environment.put("JAVA_HOME", "/no/such/folder");
    assertEquals(List.of(onPath.toString()), find().out());
  }

  @Test
  void passesOverAnAncientVersionNumber() throws Exception {
    environment.put("JAVA_HOME", Shell.jdk(folder.resolve("eight"), "1.8").toString());
    assertEquals(List.of(onPath.toString()), find().out());
  }

  @Test
  void aJavaWithoutACompilerIsEnoughOnlyToRun() throws Exception {
    Path bare = Shell.jdk(folder.resolve("bare"), "25");
    Files.delete(bare.resolve("bin/javac"));
    environment.put("JAVA_HOME", bare.toString());
    assertEquals(List.of(onPath.toString()), find().out());
    assertEquals(List.of(bare.toString()), find("--runtime").out());
  }

  @Test
  void looksIntoTheUsualFolders() throws Exception {
    environment.put("PATH", "/usr/bin:/bin");
    Path home = Shell.jdk(folder.resolve(".jdks/some-25"), "25");
    Shell.Result result = find();
    assertEquals(0, result.status());
    // One that is installed for all users of this machine comes before it.
    assertTrue(
        result.out().equals(List.of(home.toString()))
            || !result.out().getFirst().startsWith(folder.toString()),
        result.toString());
  }

  private Shell.Result find(String... options) throws Exception {
    String script = Shell.FIND_JDK.toRealPath().toString();
    return options.length == 0
        ? Shell.run(environment, folder, script)
        : Shell.run(environment, folder, script, options[0]);
  }
}
