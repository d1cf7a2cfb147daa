package io.github.simcse4j.cli;

import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.kernels.KernelsSelection;
import java.io.PrintWriter;
import picocli.CommandLine.Option;

/** The options that choose where the numbers are computed. */
final class KernelsOptions {

  @Option(
      names = "--device",
      paramLabel = "NAME",
      defaultValue = KernelsSelection.AUTO,
      description = "Where to compute: auto or cpu (default: ${DEFAULT-VALUE}).")
  private String device;

  @Option(
      names = "--kernels",
      paramLabel = "NAME",
      defaultValue = KernelsSelection.AUTO,
      description =
          "Which implementation: auto, vector (Vector API) or reference (plain loops in double, slow)"
              + " (default: ${DEFAULT-VALUE}).")
  private String kernels;

  @Option(
      names = "--threads",
      paramLabel = "N",
      description = "Threads to compute with; they change no result (default: one per processor).")
  private int threads = Runtime.getRuntime().availableProcessors();

  /** Opens what was chosen and says so in one line. */
  Kernels open(PrintWriter err) {
    KernelsSelection selection = KernelsSelection.select(device, kernels, threads);
    err.println(selection.line());
    err.flush();
    return selection.kernels();
  }
}
