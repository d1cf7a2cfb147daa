package io.github.simcse4j.kernels;

/**
 * A device that failed while it worked. What was computed since the last result is lost, and the
 * device is of no more use to this process.
 */
public final class DeviceException extends RuntimeException {

  private static final long serialVersionUID = 1L;

  /**
   * @param message what failed, on which operation and shapes
   */
  public DeviceException(String message) {
    super(message);
  }
}
