package io.github.simcse4j.kernels.ffm;

/** Why libsimcse cannot be used, and the remedy, in one phrase without a full stop. */
final class LibraryException extends Exception {

  private static final long serialVersionUID = 1L;

  LibraryException(String message) {
    super(message);
  }

  LibraryException(String message, Throwable cause) {
    super(message, cause);
  }
}
