package io.github.simcse4j.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/**
 * Runs the project's shell scripts in an environment that holds nothing but what a test puts in.
 */
final class Shell {

  /** The scripts, seen from the folder of this module, where its tests run. */
  static final Path LAUNCHER = Path.of("src/main/launcher/simcse");

  static final Path FIND_JDK = Path.of("../../.build/find-jdk");

  /** What a process left behind: its exit status, and the lines of its two outputs. */
  record Result(int status, List<String> out, List<String> err) {}

  private Shell() {}

  static Result run(Map<String, String> environment, Path folder, String... command)
      throws IOException, InterruptedException {
    Path out = Files.createTempFile(folder, "out", ".txt");
    Path err = Files.createTempFile(folder, "err", ".txt");
    var builder =
        new ProcessBuilder(command)
            .directory(folder.toFile())
            .redirectOutput(out.toFile())
            .redirectError(err.toFile());
    var variables = new HashMap<>(Map.of("PATH", "/usr/bin:/bin"));
    variables.putAll(environment);
    builder.environment().clear();
    builder.environment().putAll(variables);
    Process process = builder.start();
    if (!process.waitFor(60, TimeUnit.SECONDS)) {
      process.destroyForcibly();
      throw new IOException("no end after 60 s: " + String.join(" ", command));
    }
    return new Result(process.exitValue(), Files.readAllLines(out), Files.readAllLines(err));
  }

  /** Writes an executable file. */
  static void script(Path file, String text) throws IOException {
    Files.createDirectories(file.getParent());
    Files.writeString(file, text);
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
  }

  /** Makes a folder that passes for a JDK of a version to those who ask its java command. */
  static Path jdk(Path home, String version) throws IOException {
    script(
        home.resolve("bin/java"),
        """
        #!/bin/sh
        if [ "$1" = -XshowSettings:properties ]; then
          echo '    java.home = %s' >&2
          echo '    java.specification.version = %s' >&2
        else
          printf '%%s\\n' "$@"
          exit 7
        fi
        """
            .formatted(home, version));
    script(home.resolve("bin/javac"), "#!/bin/sh\n");
    script(home.resolve("bin/jlink"), "#!/bin/sh\n");
    return home;
  }
}
