package io.github.simcse4j.eval;

import io.github.simcse4j.files.InputException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Predicate;
import java.util.stream.Stream;

/** Lists folders in an order that does not depend on the file system. */
final class Folders {

  private Folders() {}

  /** The regular files in a folder whose names are wanted, sorted by name. */
  static List<Path> files(Path folder, Predicate<String> wanted) {
    try (Stream<Path> entries = Files.list(folder)) {
      return entries
          .filter(Files::isRegularFile)
          .filter(file -> wanted.test(file.getFileName().toString()))
          .sorted()
          .toList();
    } catch (IOException | UncheckedIOException e) {
      throw unreadable(folder, e);
    }
  }

  /** The folder and the folders below it, down to a depth, sorted by path; hidden ones left out. */
  static List<Path> below(Path folder, int depth) {
    try (Stream<Path> entries = Files.walk(folder, depth)) {
      return entries
          .filter(Files::isDirectory)
          .filter(entry -> entry.equals(folder) || !entry.getFileName().toString().startsWith("."))
          .sorted()
          .toList();
    } catch (IOException | UncheckedIOException e) {
      throw unreadable(folder, e);
    }
  }

  private static InputException unreadable(Path folder, Exception e) {
    return new InputException(
        folder + ": cannot be listed (" + e + "); check that it is a readable folder.", e);
  }
}
