package io.github.simcse4j.files;

import java.nio.file.Path;

/**
 * A fault in what the user handed over: a file, an option, a value. The message is one sentence
 * that names the place, what was expected and what to do; the command line prints it alone and
 * exits with code 2.
 */
public final class InputException extends RuntimeException {

  private static final long serialVersionUID = 1L;

  public InputException(String message) {
    super(message);
  }

  public InputException(String message, Throwable cause) {
    super(message, cause);
  }

  /**
   * A fault at a place in a file.
   *
   * @param file the file or folder
   * @param place where in it, such as {@code "line 12"} or {@code "tensor 'x'"}; may be empty
   * @param problem what was found and what was expected
   * @param remedy what the user can do, as an imperative clause
   */
  public static InputException in(Path file, String place, String problem, String remedy) {
    String where = place.isEmpty() ? file.toString() : file + ", " + place;
    return new InputException(where + ": " + problem + "; " + remedy + ".");
  }
}
