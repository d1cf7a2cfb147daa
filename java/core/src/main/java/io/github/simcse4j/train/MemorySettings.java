package io.github.simcse4j.train;

import io.github.simcse4j.files.InputException;

/**
 * What may be said about memory; it changes no result beyond rounding.
 *
 * @param maxTokensPerChunk most tokens that are encoded at once, every view counted; 0 to choose
 * @param memoryBytes most memory to use; 0 for a share of what is free
 */
public record MemorySettings(int maxTokensPerChunk, long memoryBytes) {

  /** Everything is chosen. */
  public static final MemorySettings AUTO = new MemorySettings(0, 0);

  public MemorySettings {
    require("--max-tokens-per-chunk", maxTokensPerChunk);
    require("--memory", memoryBytes);
  }

  private static void require(String option, long value) {
    if (value < 0) {
      throw new InputException(option + " must be above 0, found " + value + ".");
    }
  }
}
