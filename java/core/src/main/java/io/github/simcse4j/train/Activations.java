package io.github.simcse4j.train;

import io.github.simcse4j.model.PassMode;
import java.util.Locale;

/** What is said about the activations of the chunks that are kept. */
public enum Activations {
  /**
   * All are kept on a device where that costs no chunk, else some are computed again: on the host
   * that takes little time, and its memory is shared.
   */
  AUTO,
  /** All are kept. */
  KEEP,
  /** Some are computed again. */
  REPLAY;

  /** What follows from it where nothing is known of a device. */
  PassMode mode() {
    return this == KEEP ? PassMode.KEEP : PassMode.REPLAY;
  }

  /** The name used on the command line. */
  public String label() {
    return name().toLowerCase(Locale.ROOT);
  }
}
