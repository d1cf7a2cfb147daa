package io.github.simcse4j.files;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;

/**
 * A file that is being written beside its target, for content that comes piece by piece. {@link
 * #commit} makes it the target; {@link #close} without that leaves nothing behind, and the target
 * as it was.
 */
public final class PendingFile implements AutoCloseable {

  private final Path target;
  private final Path beside;
  private final FileChannel channel;

  private PendingFile(Path target, Path beside, FileChannel channel) {
    this.target = target;
    this.beside = beside;
    this.channel = channel;
  }

  /** Starts a file; folders on the way to it are made. */
  public static PendingFile begin(Path target) throws IOException {
    Path absolute = target.toAbsolutePath();
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
    return new PendingFile(
        absolute,
        beside,
        FileChannel.open(
            beside,
            StandardOpenOption.CREATE_NEW,
            StandardOpenOption.READ,
            StandardOpenOption.WRITE));
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
    channel.close();
    Files.deleteIfExists(beside);
  }
}
