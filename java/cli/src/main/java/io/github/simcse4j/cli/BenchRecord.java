package io.github.simcse4j.cli;

import io.github.simcse4j.files.AtomicFile;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.List;

/**
 * What a benchmark leaves in its folder: where and how it was measured, its table, and its plot.
 *
 * @param theme name of the files
 * @param title first line of the table's file
 * @param kernels the line of the selected kernels
 * @param settings what was measured, a line each
 * @param columns what the columns mean, a line each
 * @param left sizes that were left out and why, a line each
 * @param profiles where the time went at some sizes
 */
record BenchRecord(
    String theme,
    String title,
    String kernels,
    List<String> settings,
    BenchTable table,
    List<String> columns,
    List<String> left,
    List<BenchProfile> profiles,
    ScalingPlot plot) {

  private static final Path PROCESSORS = Path.of("/proc/cpuinfo");

  /** Writes both files, each whole or not at all. */
  void write(BenchOptions options) throws IOException {
    List<String> lines = new ArrayList<>();
    lines.add("# " + title);
    lines.add("");
    lines.add("- machine: " + processor());
    lines.add("- system: " + system());
    lines.add("- simcse: " + BuildInfo.load() + ", " + LocalDate.now());
    lines.add("- " + kernels);
    settings.forEach(setting -> lines.add("- " + setting));
    lines.add("");
    lines.addAll(table.markdown());
    lines.add("");
    columns.forEach(column -> lines.add("- " + column));
    left.forEach(size -> lines.add("- left out: " + size));
    lines.add("");
    lines.add("![time and memory against the size](" + theme + ".svg)");
    if (!profiles.isEmpty()) {
      addProfiles(lines);
    }
    write(options.table(theme), String.join("\n", lines) + "\n");
    write(options.plot(theme), plot.svg());
  }

  private void addProfiles(List<String> lines) {
    lines.addAll(List.of("", "## Where the time goes", ""));
    BenchProfile.COLUMNS.forEach(column -> lines.add("- " + column));
    lines.add("- copy: " + CopyRate.description());
    for (BenchProfile profile : profiles) {
      lines.addAll(List.of("", profile.title(), ""));
      lines.addAll(profile.table().markdown());
    }
  }

  private static void write(Path file, String text) throws IOException {
    AtomicFile.write(file, text.getBytes(StandardCharsets.UTF_8));
  }

  private static String processor() {
    return "%s, %d processors"
        .formatted(processorName(), Runtime.getRuntime().availableProcessors());
  }

  private static String processorName() {
    try {
      for (String line : Files.readAllLines(PROCESSORS)) {
        if (line.startsWith("model name")) {
          return line.substring(line.indexOf(':') + 1).strip();
        }
      }
    } catch (IOException e) {
      // Another system.
    }
    return System.getProperty("os.arch");
  }

  private static String system() {
    return "%s %s, Java %s"
        .formatted(
            System.getProperty("os.name"), System.getProperty("os.version"), Runtime.version());
  }
}
