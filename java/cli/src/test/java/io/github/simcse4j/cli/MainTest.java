package io.github.simcse4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.simcse4j.files.InputException;
import io.github.simcse4j.kernels.DeviceException;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.util.concurrent.Callable;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;

final class MainTest {

  private final StringWriter out = new StringWriter();
  private final StringWriter err = new StringWriter();

  @Test
  void namesItsVersion() {
    assertEquals(0, execute(Main.commandLine(), "--version"));
    assertTrue(
        out.toString().startsWith("simcse " + BuildInfo.load() + System.lineSeparator()),
        out.toString());
    assertFalse(out.toString().contains("${"), "a placeholder was not filled in: " + out);
  }

  @Test
  void helpIsOnStandardOutput() {
    assertEquals(0, execute(Main.commandLine(), "--help"));
    assertTrue(out.toString().startsWith("Usage: simcse"), out.toString());
    assertEquals("", err.toString());
  }

  @Test
  void nothingAskedIsAFaultOfUse() {
    assertEquals(2, execute(Main.commandLine()));
    assertTrue(err.toString().startsWith("Usage: simcse"), err.toString());
    assertEquals("", out.toString());
  }

  @Test
  void anUnknownOptionIsOneSentence() {
    assertEquals(2, execute(Main.commandLine(), "--speed"));
    assertEquals("simcse: Unknown option: '--speed'; see 'simcse --help'.", err.toString().strip());
  }

  @Test
  void aFaultyInputIsItsMessageAlone() {
    CommandLine line =
        failing(() -> {
          throw new InputException("a.txt, line 3: it is empty; write a sentence there.");
        });
    assertEquals(2, execute(line, "fail"));
    assertEquals(
        "simcse: a.txt, line 3: it is empty; write a sentence there.", err.toString().strip());
  }

  @Test
  void aFailedDiskIsOneLine() {
    CommandLine line =
        failing(() -> {
          throw new UncheckedIOException(new IOException("No space left on device"));
        });
    assertEquals(1, execute(line, "fail"));
    assertEquals(
        "simcse: reading or writing failed: java.io.IOException: No space left on device",
        err.toString().strip());
  }

  @Test
  void aFailedDeviceIsOneLine() {
    CommandLine line =
        failing(() -> {
          throw new DeviceException("gemm: CUDA error 700 (bf16, 64 x 768 x 768)");
        });
    assertEquals(1, execute(line, "fail"));
    assertEquals(
        "simcse: the device failed: gemm: CUDA error 700 (bf16, 64 x 768 x 768)",
        err.toString().strip());
  }

  @Test
  void aFaultOfTheProgramShowsItsTrace() {
    CommandLine line =
        failing(() -> {
          throw new IllegalStateException("broken");
        });
    assertEquals(1, execute(line, "fail"));
    assertTrue(err.toString().contains("internal fault"), err.toString());
    assertTrue(err.toString().contains("IllegalStateException: broken"), err.toString());
  }

  private static CommandLine failing(Callable<Integer> work) {
    CommandLine line = Main.commandLine();
    var fail = new CommandLine(CommandSpec.wrapWithoutInspection(work));
    return line.addSubcommand("fail", fail)
        .setParameterExceptionHandler(line.getParameterExceptionHandler())
        .setExecutionExceptionHandler(line.getExecutionExceptionHandler());
  }

  private int execute(CommandLine line, String... arguments) {
    return line.setOut(new PrintWriter(out, true))
        .setErr(new PrintWriter(err, true))
        .execute(arguments);
  }
}
