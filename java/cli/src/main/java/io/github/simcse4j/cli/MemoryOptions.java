package io.github.simcse4j.cli;

import io.github.simcse4j.files.InputException;
import io.github.simcse4j.train.Activations;
import io.github.simcse4j.train.MemorySettings;
import picocli.CommandLine.Option;

/** The options that bound the memory of a training. */
final class MemoryOptions {

  private static final String AUTO = "auto";
  private static final double GIGABYTE = 1e9;

  @Option(
      names = "--max-tokens-per-chunk",
      paramLabel = "N",
      defaultValue = AUTO,
      description =
          "Tokens to encode at once at most, special tokens and both views of a sentence counted. A"
              + " batch of more is encoded in chunks, which are run again for their gradients where"
              + " memory does not suffice to keep them; the result is the same. auto takes the whole"
              + " batch where it fits, else 8192 or what does (default: ${DEFAULT-VALUE}).")
  private String maxTokensPerChunk;

  @Option(
      names = "--max-kept-chunks",
      paramLabel = "N",
      description =
          "Chunks to keep for their gradients at most; the others are run again. 1 takes least memory"
              + " (default: as many as there is room for).")
  private Integer maxKeptChunks;

  @Option(
      names = "--activations",
      paramLabel = "HOW",
      defaultValue = AUTO,
      converter = ActivationsConverter.class,
      completionCandidates = ActivationsConverter.Labels.class,
      description =
          "What a chunk keeps for its gradients: keep for all that they read, replay for about half,"
              + " with attention, layer norms and GELU computed again; no result changes beyond"
              + " rounding. auto keeps on a GPU where that fits with as many chunks, else replays"
              + " (default: ${DEFAULT-VALUE}).")
  private Activations activations;

  @Option(
      names = "--memory",
      paramLabel = "GB",
      description =
          "Memory to use at most where it is computed, in 10^9 bytes (default: 80 percent of what is"
              + " free there).")
  private Double memory;

  /** What was said. */
  MemorySettings settings() {
    int kept = TrainOptions.or(maxKeptChunks, Integer.MAX_VALUE);
    return new MemorySettings(tokens(), kept, activations, bytes());
  }

  private int tokens() {
    if (maxTokensPerChunk.equals(AUTO)) {
      return 0;
    }
    try {
      int tokens = Integer.parseInt(maxTokensPerChunk);
      if (tokens > 0) {
        return tokens;
      }
    } catch (NumberFormatException e) {
      // Refused below, as a number that is too small is.
    }
    throw new InputException(
        "--max-tokens-per-chunk must be auto or a number above 0, found "
            + maxTokensPerChunk
            + ".");
  }

  private long bytes() {
    if (memory == null) {
      return 0;
    }
    // Written so that NaN is refused too.
    if (!(memory * GIGABYTE >= 1 && memory < 1e9)) {
      throw new InputException("--memory must be above 0, found " + memory + ".");
    }
    return (long) (memory * GIGABYTE);
  }
}
