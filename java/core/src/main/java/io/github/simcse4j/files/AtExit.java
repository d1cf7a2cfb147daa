package io.github.simcse4j.files;

import java.io.IOException;

/**
 * Work for the end of the JVM, which comes in the middle of everything when the user presses
 * Ctrl-C. It is done only if the JVM ends while this is open.
 */
public final class AtExit implements AutoCloseable {

  private final Thread thread;

  /**
   * @param work done in a thread of its own, beside those that go on; the JVM waits for it
   * @throws IOException where the JVM is ending already, so that nothing should be begun
   */
  public AtExit(Runnable work) throws IOException {
    thread = new Thread(work, "simcse-at-exit");
    try {
      Runtime.getRuntime().addShutdownHook(thread);
    } catch (IllegalStateException e) {
      throw new IOException("the program is ending", e);
    }
  }

  @Override
  public void close() {
    try {
      Runtime.getRuntime().removeShutdownHook(thread);
    } catch (IllegalStateException e) {
      // The JVM is ending: the work is done or being done.
      return;
    }
  }
}
