package io.github.simcse4j.jcuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PrivateFolderTest {

  @TempDir private Path parent;

  @Test
  void onlyTheUserEntersIt() throws IOException {
    try (PrivateFolder folder = PrivateFolder.in(parent)) {
      assertEquals(
          "rwx------", PosixFilePermissions.toString(Files.getPosixFilePermissions(folder.path())));
    }
  }

  @Test
  void everyOneIsAnother() throws IOException {
    try (PrivateFolder one = PrivateFolder.in(parent);
        PrivateFolder other = PrivateFolder.in(parent)) {
      assertFalse(one.path().equals(other.path()));
    }
  }

  @Test
  void goesWithWhatIsInIt() throws IOException {
    Path path;
    try (PrivateFolder folder = PrivateFolder.in(parent)) {
      path = folder.path();
      Files.writeString(path.resolve("library.so"), "bytes");
      assertTrue(Files.exists(path));
    }
    assertFalse(Files.exists(path));
  }

  @Test
  void needsAFolderToLieIn() {
    assertThrows(IOException.class, () -> PrivateFolder.in(parent.resolve("absent")));
  }
}
