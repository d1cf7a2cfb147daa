package io.github.simcse4j.encode;

import io.github.simcse4j.files.AtomicFile;
import io.github.simcse4j.files.InputException;
import io.github.simcse4j.files.PendingFile;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Locale;

/** Picks the writer of a file by its name, and holds what the writers share. */
public final class VectorWriters {

  private VectorWriters() {}

  /**
   * Starts an output file whose format is named by its ending: {@code .arrow}, {@code .npy} or
   * {@code .jsonl}.
   *
   * @param width H, numbers of a vector
   * @param withText whether the sentences are written too, where the format can hold them
   * @throws InputException for another ending, or where the file cannot be written
   */
  public static VectorWriter open(Path file, int width, boolean withText) {
    String name = String.valueOf(file.getFileName()).toLowerCase(Locale.ROOT);
    String ending = name.substring(name.lastIndexOf('.') + 1);
    return switch (ending) {
      case "arrow" -> ArrowVectorWriter.open(file, width, withText);
      case "npy" -> NpyVectorWriter.open(file, width);
      case "jsonl" -> JsonlVectorWriter.open(file, width, withText);
      default ->
          throw InputException.in(
              file,
              "",
              "the ending names no format of vectors",
              "write to a file that ends in .arrow, .npy or .jsonl");
    };
  }

  static PendingFile begin(Path file) {
    AtomicFile.requireWritable(file);
    try {
      return PendingFile.begin(file);
    } catch (IOException e) {
      throw unwritable(file, e);
    }
  }

  /** Removes a file that failed in its beginning. */
  static InputException abandoned(Path file, PendingFile pending, IOException cause) {
    try {
      pending.close();
    } catch (IOException e) {
      cause.addSuppressed(e);
    }
    return unwritable(file, cause);
  }

  static void close(Path file, PendingFile pending) {
    try {
      pending.close();
    } catch (IOException e) {
      throw unwritable(file, e);
    }
  }

  static InputException unwritable(Path file, IOException e) {
    return new InputException(
        file + ": cannot be written: " + e + "; check the folder and the space left.", e);
  }

  static void checkWidth(int width) {
    if (width < 1) {
      throw new IllegalArgumentException("width must be at least 1, is " + width);
    }
  }

  static void checkRows(float[] vectors, int rows, int width) {
    if (rows < 0 || (long) rows * width > vectors.length) {
      throw new IllegalArgumentException(
          "%d rows of %d numbers need more than the %d given"
              .formatted(rows, width, vectors.length));
    }
  }
}
