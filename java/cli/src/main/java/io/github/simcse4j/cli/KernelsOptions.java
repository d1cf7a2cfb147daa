package io.github.simcse4j.cli;

import io.github.simcse4j.files.InputException;
import io.github.simcse4j.kernels.KernelsSelection;
import picocli.CommandLine.Option;

/** The options that choose where the numbers are computed. */
final class KernelsOptions {

  /** More than any machine has, and few enough to start. */
  private static final int MOST_THREADS = 1024;

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

  /**
   * Opens what was chosen. A command prints its {@link KernelsSelection#line} once everything else
   * is open too, so that a fault in what it was given is the only thing said.
   */
  KernelsSelection select() {
    if (threads > MOST_THREADS) {
      throw new InputException(
          "--threads must be at most " + MOST_THREADS + ", found " + threads + ".");
    }
    return KernelsSelection.select(device, kernels, threads);
  }
}
