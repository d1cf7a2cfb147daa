package io.github.simcse4j.train;

import com.sun.management.OperatingSystemMXBean;
import io.github.simcse4j.kernels.Kernels;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalLong;

/**
 * The memory that a training may use for its tensors.
 *
 * @param bytes of it
 * @param source where the number comes from, as an appositive
 * @param ofDevice whether it is a device's own, which is there for nothing else
 */
public record MemoryBudget(long bytes, String source, boolean ofDevice) {

  /**
   * What is left over is for the Java heap, evaluation and the backend's own tables, on a device
   * for what operations compute in and for its libraries.
   */
  private static final double SHARE = 0.8;

  /**
   * The budget of the settings, or a share of what is free now where the kernels compute: to be
   * asked before anything large is taken.
   */
  public static MemoryBudget of(MemorySettings settings, Kernels kernels) {
    OptionalLong device = kernels.deviceMemoryFree();
    if (settings.memoryBytes() > 0) {
      return new MemoryBudget(settings.memoryBytes(), "as --memory says", device.isPresent());
    }
    if (device.isPresent()) {
      long share = (long) (SHARE * device.getAsLong());
      return new MemoryBudget(share, "80 % of what is free on the device", true);
    }
    return new MemoryBudget((long) (SHARE * freeBytes()), "80 % of what is free", false);
  }

  /** Free memory of the machine or, where it is less, of the container. */
  private static long freeBytes() {
    var system = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    long total = memoryInfo("MemTotal:");
    long available = memoryInfo("MemAvailable:");
    if (total == 0 || available == 0) {
      return system.getFreeMemorySize();
    }
    // The JDK sees a container's limit and counts cached files as used; the kernel does neither.
    boolean limited = system.getTotalMemorySize() < total;
    return limited ? Math.min(available, system.getFreeMemorySize()) : available;
  }

  /** A line of Linux's table of memory in bytes, or 0 where there is none. */
  private static long memoryInfo(String name) {
    try {
      for (String line : Files.readAllLines(Path.of("/proc/meminfo"))) {
        if (line.startsWith(name)) {
          return 1024 * Long.parseLong(line.replaceAll("\\D", ""));
        }
      }
    } catch (IOException e) {
      // Another system, which the JDK knows.
    }
    return 0;
  }
}
