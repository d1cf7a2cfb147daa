package io.github.simcse4j.cli;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.OptionalLong;

/**
 * How much the resident memory of this process has grown at its peak, as Linux counts it; nothing
 * on other systems.
 */
final class PeakMemory {

  private static final Path STATUS = Path.of("/proc/self/status");
  private static final Path CLEAR = Path.of("/proc/self/clear_refs");

  private final OptionalLong before = read("VmRSS:");

  /**
   * Begins a new peak. Where the kernel does not allow that, the old one stays, which is right as
   * long as sizes rise.
   */
  void restart() {
    try {
      Files.write(CLEAR, "5".getBytes(StandardCharsets.US_ASCII), StandardOpenOption.WRITE);
    } catch (IOException e) {
      return;
    }
  }

  /** Bytes by which the peak exceeds what there was when this object was made. */
  OptionalLong growth() {
    OptionalLong peak = read("VmHWM:");
    return before.isPresent() && peak.isPresent()
        ? OptionalLong.of(Math.max(0, peak.getAsLong() - before.getAsLong()))
        : OptionalLong.empty();
  }

  private static OptionalLong read(String name) {
    try {
      for (String line : Files.readAllLines(STATUS)) {
        if (line.startsWith(name)) {
          return OptionalLong.of(1024 * Long.parseLong(line.replaceAll("\\D", "")));
        }
      }
    } catch (IOException e) {
      // Another system.
    }
    return OptionalLong.empty();
  }
}
