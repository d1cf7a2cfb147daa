package io.github.simcse4j.model;

import io.github.simcse4j.files.AtExit;
import io.github.simcse4j.files.AtomicFile;
import io.github.simcse4j.files.InputException;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.function.Predicate;
import java.util.stream.Stream;

/**
 * Makes a whole folder beside its place, forces it to the disk and renames it in. A new folder
 * appears at once. A folder that is there is first renamed away, since no portable call exchanges
 * two: between those two renames, and only there, its place is empty, and both folders are whole
 * beside it.
 */
final class FolderSwap {

  /** Writes the files of a folder; files must be forced to the disk by their writer. */
  @FunctionalInterface
  interface Content {
    void writeTo(Path folder) throws IOException;
  }

  private FolderSwap() {}

  /**
   * Checks that {@code target} may be replaced and lies where that is possible.
   *
   * @param replaceable whether a folder that is not empty may be replaced
   * @throws InputException where it may not, or where no folder can be made
   */
  static void requireReplaceable(Path target, Predicate<Path> replaceable) {
    AtomicFile.requirePlace(target);
    if (!Files.exists(target)) {
      return;
    }
    if (!Files.isDirectory(target)) {
      throw InputException.in(target, "", "is a file, expected a folder", "choose another name");
    }
    try {
      Path real = target.toRealPath();
      if (!list(real).isEmpty() && !replaceable.test(real)) {
        throw InputException.in(
            target,
            "",
            "is not empty and holds no model, so it is not replaced",
            "choose a new folder");
      }
      if (real.getParent() == null
          || !Files.getFileStore(real).equals(Files.getFileStore(real.getParent()))) {
        throw InputException.in(
            target,
            "",
            "is the root of a disk, which cannot be replaced as a whole",
            "choose a folder in it");
      }
    } catch (IOException e) {
      throw InputException.in(target, "", "cannot be read (" + e + ")", "check its permissions");
    }
  }

  /**
   * Replaces {@code target}; on failure it is as it was. An end of the JVM waits for it.
   *
   * @param replaceable as in {@link #requireReplaceable}
   * @param owned which entries of the old folder go with it; the others move to the new one
   */
  static void replace(
      Path target, Predicate<Path> replaceable, Predicate<Path> owned, Content content)
      throws IOException {
    requireReplaceable(target, replaceable);
    Path place = Files.exists(target) ? target.toRealPath() : target.toAbsolutePath().normalize();
    Files.createDirectories(place.getParent());
    String stem =
        ".%s.%d.%x."
            .formatted(place.getFileName(), ProcessHandle.current().pid(), System.nanoTime());
    CountDownLatch ended = new CountDownLatch(1);
    try (AtExit _ = new AtExit(() -> await(ended))) {
      Path made = Files.createDirectory(place.resolveSibling(stem + "part"));
      try {
        content.writeTo(made);
        force(made);
        if (Files.exists(place)) {
          exchange(made, place, place.resolveSibling(stem + "old"), owned);
        } else {
          Files.move(made, place, StandardCopyOption.ATOMIC_MOVE);
        }
        forceEntries(place.getParent());
      } finally {
        delete(made);
      }
    } finally {
      ended.countDown();
    }
  }

  private static void await(CountDownLatch ended) {
    try {
      ended.await();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private static void exchange(Path made, Path place, Path old, Predicate<Path> owned)
      throws IOException {
    Files.move(place, old, StandardCopyOption.ATOMIC_MOVE);
    try {
      Files.move(made, place, StandardCopyOption.ATOMIC_MOVE);
    } catch (IOException e) {
      Files.move(old, place, StandardCopyOption.ATOMIC_MOVE);
      throw e;
    }
    for (Path entry : list(old)) {
      if (!owned.test(entry)) {
        Files.move(entry, place.resolve(entry.getFileName()), StandardCopyOption.ATOMIC_MOVE);
      }
    }
    delete(old);
  }

  private static List<Path> list(Path folder) throws IOException {
    try (Stream<Path> entries = Files.list(folder)) {
      return entries.toList();
    }
  }

  /** Names of files are on the disk only once their folder is. */
  private static void force(Path root) throws IOException {
    try (Stream<Path> paths = Files.walk(root)) {
      paths.filter(Files::isDirectory).forEach(FolderSwap::forceEntries);
    }
  }

  private static void forceEntries(Path folder) {
    try (FileChannel channel = FileChannel.open(folder, StandardOpenOption.READ)) {
      channel.force(true);
    } catch (IOException e) {
      // Not every system can open a folder; the files themselves are on the disk.
      return;
    }
  }

  private static void delete(Path root) throws IOException {
    if (!Files.exists(root)) {
      return;
    }
    Files.walkFileTree(
        root,
        new SimpleFileVisitor<>() {
          @Override
          public FileVisitResult visitFile(Path file, BasicFileAttributes attributes)
              throws IOException {
            Files.delete(file);
            return FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult postVisitDirectory(Path folder, IOException failure)
              throws IOException {
            if (failure != null) {
              throw failure;
            }
            Files.delete(folder);
            return FileVisitResult.CONTINUE;
          }
        });
  }
}
