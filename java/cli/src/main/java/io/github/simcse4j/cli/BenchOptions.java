package io.github.simcse4j.cli;

import io.github.simcse4j.files.AtomicFile;
import io.github.simcse4j.files.InputException;
import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.tensor.DType;
import java.nio.file.Path;
import picocli.CommandLine.Option;

/** The options of the benchmarks that go through sizes. */
final class BenchOptions {

  @Option(
      names = "--seconds",
      paramLabel = "X",
      defaultValue = "60",
      description =
          "Time for each size; sizes of which a single pass would take longer are left out"
              + " (default: ${DEFAULT-VALUE}).")
  private double seconds;

  @Option(
      names = "--repetitions",
      paramLabel = "N",
      defaultValue = "5",
      description =
          "Passes to take the median of, after one or more to warm up; fewer where time is short"
              + " (default: ${DEFAULT-VALUE}).")
  private int repetitions;

  @Option(
      names = "--out",
      paramLabel = "FOLDER",
      description = "Folder for the table as Markdown and a plot as SVG (default: none).")
  private Path out;

  /** Measures matrix products of a width. */
  GemmRate gemm(Kernels kernels, DType dtype, long hidden) {
    return new GemmRate(kernels, dtype, hidden, seconds);
  }

  /** Most seconds for a size. */
  double seconds() {
    return seconds;
  }

  /** Times operations within these bounds. */
  BenchClock clock(GemmRate gemm) {
    return new BenchClock(seconds, repetitions, gemm);
  }

  /**
   * Refuses bounds that leave nothing to measure and a folder that cannot be written to.
   *
   * @param theme what the files will be called
   */
  void require(String theme) {
    // Written so that NaN is refused too.
    if (!(seconds > 0 && seconds < 1e9)) {
      throw new InputException("--seconds must be above 0, found " + seconds + ".");
    }
    if (repetitions < 1) {
      throw new InputException("--repetitions must be at least 1, found " + repetitions + ".");
    }
    if (out != null) {
      AtomicFile.requireWritable(table(theme));
      AtomicFile.requireWritable(plot(theme));
    }
  }

  /** Whether files are to be written. */
  boolean writes() {
    return out != null;
  }

  Path table(String theme) {
    return out.resolve(theme + ".md");
  }

  Path plot(String theme) {
    return out.resolve(theme + ".svg");
  }
}
