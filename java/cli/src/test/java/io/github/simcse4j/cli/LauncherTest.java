package io.github.simcse4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class LauncherTest {

  @TempDir private Path temporary;

  private Path folder;
  private Path home;

  @BeforeEach
  void layOut() throws IOException {
    folder = temporary.toRealPath();
    home = folder.resolve("a home");
    Shell.script(home.resolve("bin/simcse"), Files.readString(Shell.LAUNCHER));
    Shell.script(home.resolve("lib/find-jdk"), Files.readString(Shell.FIND_JDK));
    Shell.jdk(home.resolve("runtime"), "25");
  }

  @Test
  void passesArgumentsAndExitStatusThrough() throws Exception {
    Shell.Result result = simcse(Map.of(), "train", "--out", "two words", "*");
    assertEquals(7, result.status());
    assertEquals(
        List.of("-cp", home + "/lib/*", Main.class.getName(), "train", "--out", "two words", "*"),
        result.out().subList(result.out().indexOf("-cp"), result.out().size()));
    assertTrue(result.out().contains("jdk.incubator.vector"), result.out().toString());
  }

  @Test
  void runsFromALinkInAnotherFolder() throws Exception {
    Path bin = Files.createDirectories(folder.resolve("usr/bin"));
    Files.createSymbolicLink(folder.resolve("usr/link"), home.resolve("bin/simcse"));
    Files.createSymbolicLink(bin.resolve("simcse"), Path.of("../link"));
    Shell.Result result = Shell.run(Map.of(), folder, bin.resolve("simcse").toString());
    assertTrue(result.out().contains(home + "/lib/*"), result.toString());
  }

  @Test
  void putsFurtherOptionsAfterItsOwn() throws Exception {
    List<String> out = simcse(Map.of("SIMCSE_JAVA_OPTIONS", "-Xmx8g -Dname=*")).out();
    int at = out.indexOf("-Xmx8g");
    assertEquals(List.of("-Xmx8g", "-Dname=*", "-cp"), out.subList(at, at + 3));
  }

  @Test
  void putsFurtherJarsBehindItsOwn() throws Exception {
    List<String> out = simcse(Map.of("SIMCSE_CLASSPATH", "/opt/more jars/*")).out();
    assertEquals(home + "/lib/*:/opt/more jars/*", out.get(out.indexOf("-cp") + 1));
  }

  @Test
  void takesAnInstalledJavaWhereNoRuntimeLiesBeside() throws Exception {
    Path java = Shell.jdk(folder.resolve("java"), "25");
    Files.delete(home.resolve("runtime/bin/java"));
    Shell.Result result = simcse(Map.of("JAVA_HOME", java.toString()), "doctor");
    assertEquals("doctor", result.out().getLast());
  }

  private Shell.Result simcse(Map<String, String> environment, String... arguments)
      throws Exception {
    var command = new ArrayList<String>();
    command.add(home.resolve("bin/simcse").toString());
    command.addAll(List.of(arguments));
    return Shell.run(environment, folder, command.toArray(String[]::new));
  }
}
