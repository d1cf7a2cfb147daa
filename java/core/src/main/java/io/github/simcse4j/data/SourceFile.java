package io.github.simcse4j.data;

import io.github.simcse4j.files.InputException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.time.Instant;
import java.util.HexFormat;
import java.util.Map;

/**
 * What tells one state of an input file from another.
 *
 * @param name the file's name; its ending says how the content is read
 * @param stamp size, device, inode, time of the last change of content and of the last change of
 *     anything, which no program can set back: a file with the same stamp has the same content.
 *     Empty where the system has no such times, and where the last change was so recent that
 *     another one could carry the same time; then only the hash tells.
 * @param sha256 SHA-256 of the content, in hexadecimal
 */
record SourceFile(String name, String stamp, String sha256) {

  /** Longer than the steps of any file system's clock. */
  private static final Duration SETTLED = Duration.ofSeconds(3);

  private static final int BUFFER = 1 << 20;

  /** Reads a file through for its hash. */
  static SourceFile of(Path file) {
    String stamp = stamp(file);
    String hash = hash(file);
    return new SourceFile(file.getFileName().toString(), stamp, hash);
  }

  /** Whether a file's content is the one recorded here. */
  boolean isContentOf(Path file) {
    String now = stamp(file);
    return !now.isEmpty() && now.equals(stamp) || hash(file).equals(sha256);
  }

  private static String stamp(Path file) {
    try {
      Map<String, Object> found =
          Files.readAttributes(file, "unix:size,dev,ino,ctime,lastModifiedTime");
      Instant changed = ((FileTime) found.get("ctime")).toInstant();
      if (changed.isAfter(Instant.now().minus(SETTLED))) {
        return "";
      }
      return found.get("size")
          + ":"
          + found.get("dev")
          + ":"
          + found.get("ino")
          + ":"
          + ((FileTime) found.get("lastModifiedTime")).toInstant()
          + ":"
          + changed;
    } catch (UnsupportedOperationException | IllegalArgumentException e) {
      return "";
    } catch (IOException e) {
      throw unreadable(file, e);
    }
  }

  private static String hash(Path file) {
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      ByteBuffer buffer = ByteBuffer.allocate(BUFFER);
      while (channel.read(buffer) >= 0) {
        digest.update(buffer.flip());
        buffer.clear();
      }
      return HexFormat.of().formatHex(digest.digest());
    } catch (IOException e) {
      throw unreadable(file, e);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java platform has SHA-256", e);
    }
  }

  private static InputException unreadable(Path file, IOException e) {
    return new InputException(file + ": cannot be read: " + e + ".", e);
  }
}
