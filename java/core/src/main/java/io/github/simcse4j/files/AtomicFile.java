package io.github.simcse4j.files;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Writes a file beside its target, forces it to the disk and renames it: readers see all or
 * nothing.
 */
public final class AtomicFile {

  /**
   * Writes the whole content through a channel that is open for reading and writing at position 0.
   */
  @FunctionalInterface
  public interface Content {
    void writeTo(FileChannel channel) throws IOException;
  }

  private AtomicFile() {}

  /**
   * Checks, before a long run, that a file or folder can be made here, with the folders on the way
   * to it.
   *
   * @throws InputException where it cannot
   */
  public static void requirePlace(Path target) {
    Path folder = target.toAbsolutePath().normalize().getParent();
    while (folder != null && !Files.exists(folder)) {
      folder = folder.getParent();
    }
    if (folder == null || !Files.isDirectory(folder)) {
      throw InputException.in(
          target,
          "",
          "cannot be written because " + folder + " is no folder",
          "choose another place");
    }
    if (!Files.isWritable(folder)) {
      throw InputException.in(
          target,
          "",
          "cannot be written because nothing may be made in " + folder,
          "choose another place or change the permissions");
    }
  }

  /**
   * Checks, before a long run, that {@link #write} may write a file here.
   *
   * @throws InputException where it may not
   */
  public static void requireWritable(Path file) {
    if (Files.exists(file) && !Files.isRegularFile(file)) {
      throw InputException.in(file, "", "is there and is no plain file", "choose another name");
    }
    requirePlace(file);
  }

  /**
   * Writes {@code target}; on any failure the target is as it was and nothing is left beside it.
   */
  public static void write(Path target, Content content) throws IOException {
    try (PendingFile pending = PendingFile.begin(target)) {
      content.writeTo(pending.channel());
      pending.commit();
    }
  }

  /** Writes {@code target} from bytes. */
  public static void write(Path target, byte[] bytes) throws IOException {
    write(
        target,
        channel -> {
          ByteBuffer buffer = ByteBuffer.wrap(bytes);
          while (buffer.hasRemaining()) {
            channel.write(buffer);
          }
        });
  }
}
