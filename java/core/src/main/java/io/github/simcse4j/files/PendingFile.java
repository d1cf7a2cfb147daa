package io.github.simcse4j.files;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;

/**
 * A file that is being written beside its target, for content that comes piece by piece. {@link
 * #commit} makes it the target; {@link #close} without that, or an end of the JVM, leaves nothing
 * behind, and the target as it was.
 */
public final class PendingFile implements AutoCloseable {

  private final Path target;
  private final Path beside;
  private final FileChannel channel;
  private final AtExit removal;

  private PendingFile(Path target, Path beside) throws IOException {
    this.target = target;
    this.beside = beside;
    this.removal = new AtExit(this::remove);
    try {
      this.channel =
          FileChannel.open(
              beside,
              StandardOpenOption.CREATE_NEW,
              StandardOpenOption.READ,
              StandardOpenOption.WRITE);
    } catch (IOException e) {
      removal.close();
      throw e;
    }
  }

  /**
   * Starts a file; folders on the way to it are made. Where the target is a link, the file that it
   * leads to is written.
   */
  public static PendingFile begin(Path target) throws IOException {
    boolean exists = Files.exists(target);
    if (exists && !Files.isRegularFile(target)) {
      throw new FileSystemException(target.toString(), null, "is there and is no plain file");
    }
    Path absolute = exists ? target.toRealPath() : target.toAbsolutePath();
    Files.createDirectories(absolute.getParent());
    Path beside =
        absolute.resolveSibling(
            "."
                + absolute.getFileName()
                + "."
                + ProcessHandle.current().pid()
                + "."
                + Long.toHexString(System.nanoTime())
                + ".part");
    return new PendingFile(absolute, beside);
  }

  /** Open for reading and writing, at position 0 in the beginning. */
  public FileChannel channel() {
    return channel;
  }

  /** Forces the content to the disk and renames it to the target: readers see all or nothing. */
  public void commit() throws IOException {
    channel.force(true);
    channel.close();
    try {
      Files.move(beside, target, StandardCopyOption.ATOMIC_MOVE);
    } catch (AtomicMoveNotSupportedException e) {
      Files.move(beside, target, StandardCopyOption.REPLACE_EXISTING);
    }
    // The rename itself lasts only once its directory is on the disk; not every system can open
    // one.
    try (FileChannel directory = FileChannel.open(target.getParent(), StandardOpenOption.READ)) {
      directory.force(true);
    } catch (IOException e) {
      return;
    }
  }

  @Override
  public void close() throws IOException {
    removal.close();
    channel.close();
    Files.deleteIfExists(beside);
  }

  private void remove() {
    try {
      Files.deleteIfExists(beside);
    } catch (IOException e) {
      // The JVM is ending; there is nobody left to tell.
      return;
    }
  }
}
