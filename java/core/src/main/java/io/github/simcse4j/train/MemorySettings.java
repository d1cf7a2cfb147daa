package io.github.simcse4j.train;

import io.github.simcse4j.files.InputException;

/**
 * What may be said about memory; it changes no result beyond rounding.
 *
 * @param maxTokensPerChunk most tokens that are encoded at once, every view counted; 0 to choose
 * @param maxKeptChunks most chunks of a batch to keep for the backward pass, at least the one that
 *     is encoded last; the others are run again
 * @param activations what of a kept chunk is computed again
 * @param memoryBytes most memory to use; 0 for a share of what is free
 */
public record MemorySettings(
    int maxTokensPerChunk, int maxKeptChunks, Activations activations, long memoryBytes) {

  /** Everything is chosen. */
  public static final MemorySettings AUTO = new MemorySettings(0, 0);

  /** As many chunks kept as there is room for. */
  public MemorySettings(int maxTokensPerChunk, long memoryBytes) {
    this(maxTokensPerChunk, Integer.MAX_VALUE, Activations.AUTO, memoryBytes);
  }

  public MemorySettings {
    require("--max-tokens-per-chunk", maxTokensPerChunk);
    require("--memory", memoryBytes);
    if (maxKeptChunks < 1) {
      throw new InputException(
          "--max-kept-chunks must be at least 1, found " + maxKeptChunks + ".");
    }
  }

  private static void require(String option, long value) {
    if (value < 0) {
      throw new InputException(option + " must be above 0, found " + value + ".");
    }
  }
}
