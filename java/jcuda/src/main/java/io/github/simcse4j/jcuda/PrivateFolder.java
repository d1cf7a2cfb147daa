package io.github.simcse4j.jcuda;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Set;

/**
 * A fresh folder that only this user can enter, for files that come and go.
 *
 * @param path of the folder
 */
record PrivateFolder(Path path) implements AutoCloseable {

  static final String PREFIX = "simcse-jcuda-";

  private static final Set<PosixFilePermission> OWNER =
      PosixFilePermissions.fromString("rwx------");

  /**
   * Makes one.
   *
   * @throws IOException where there can be none, or the file system lets others into it
   */
  static PrivateFolder in(Path parent) throws IOException {
    try {
      Path path =
          Files.createTempDirectory(parent, PREFIX, PosixFilePermissions.asFileAttribute(OWNER));
      PrivateFolder folder = new PrivateFolder(path);
      if (!Files.getPosixFilePermissions(path).equals(OWNER)) {
        folder.close();
        throw new IOException("the file system there lets other users in");
      }
      return folder;
    } catch (UnsupportedOperationException e) {
      throw new IOException("the file system there knows no permissions", e);
    }
  }

  /** Deletes the folder and the files in it. */
  @Override
  public void close() throws IOException {
    try (DirectoryStream<Path> files = Files.newDirectoryStream(path)) {
      for (Path file : files) {
        Files.delete(file);
      }
    }
    Files.delete(path);
  }
}
