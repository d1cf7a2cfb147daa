package io.github.simcse4j.cli;

import io.github.simcse4j.files.InputException;
import io.github.simcse4j.kernels.KernelsSelection;
import io.github.simcse4j.tensor.DType;
import picocli.CommandLine.Option;

/** The options that choose where the numbers are computed. */
final class KernelsOptions {

  /** Kernels of an optional module. */
  private static final String JCUDA = "jcuda";

  /** More than any machine has, and few enough to start. */
  private static final int MOST_THREADS = 1024;

  @Option(
      names = "--device",
      paramLabel = "NAME",
      defaultValue = KernelsSelection.AUTO,
      description =
          "Where to compute: auto, cpu, or cuda for the first NVIDIA GPU and cuda:N for another"
              + " (default: ${DEFAULT-VALUE}).")
  private String device;

  @Option(
      names = "--kernels",
      paramLabel = "NAME",
      defaultValue = KernelsSelection.AUTO,
      description =
          "Which implementation: auto, cuda (CUDA C++), native (C), vector (Vector API) or reference"
              + " (plain loops in double, slow) (default: ${DEFAULT-VALUE}).")
  private String kernels;

  @Option(
      names = "--precision",
      paramLabel = "P",
      defaultValue = "fp32",
      converter = PrecisionConverter.class,
      description =
          "fp32, or bf16: products of 16-bit numbers with 32-bit sums; what is trained and what is"
              + " written is fp32 (default: ${DEFAULT-VALUE}).")
  private DType dtype;

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
    if (kernels.equals(JCUDA)
        && KernelsSelection.providers().stream().noneMatch(p -> p.name().equals(JCUDA))) {
      throw new InputException(
          "--kernels jcuda is not part of simcse: `make jcuda` builds its jars, and"
              + " SIMCSE_CLASSPATH='FOLDER/*' tells where they are.");
    }
    return KernelsSelection.select(device, kernels, threads, dtype);
  }

  /** What is computed in. */
  DType dtype() {
    return dtype;
  }
}
