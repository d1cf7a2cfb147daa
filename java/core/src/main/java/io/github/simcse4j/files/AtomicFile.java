package io.github.simcse4j.files;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
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
