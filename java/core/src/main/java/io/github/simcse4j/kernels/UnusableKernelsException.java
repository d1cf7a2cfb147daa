package io.github.simcse4j.kernels;

/** Why kernels cannot be used here, and the flag or package that would change it, in one phrase. */
public final class UnusableKernelsException extends IllegalStateException {

  private static final long serialVersionUID = 1L;

  /**
   * @param message the phrase, without a full stop
   */
  public UnusableKernelsException(String message) {
    super(message);
  }

  /**
   * @param message the phrase, without a full stop
   * @param cause what opening them came to
   */
  public UnusableKernelsException(String message, Throwable cause) {
    super(message, cause);
  }
}
