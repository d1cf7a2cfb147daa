package io.github.simcse4j.data;

import io.github.simcse4j.files.InputException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.zip.GZIPInputStream;

/**
 * Opens input files by the end of their names: {@code .txt} (one sentence per line), {@code .csv},
 * {@code .tsv}, {@code .jsonl}, each also with {@code .gz}, and Arrow IPC ({@code .arrow}, file or
 * stream).
 */
public final class RowReaders {

  private static final int GZIP_BUFFER = 1 << 16;

  private RowReaders() {}

  /**
   * Opens an input.
   *
   * @throws InputException where it is missing, of no known kind, or lacks a selected column
   */
  public static RowReader open(Path file, Columns columns) {
    requireFile(file);
    String name = file.getFileName().toString().toLowerCase(Locale.ROOT);
    if (isArrow(file)) {
      return ArrowRows.open(file, columns);
    }
    boolean gzip = name.endsWith(".gz");
    String plain = gzip ? name.substring(0, name.length() - 3) : name;
    String kind = plain.substring(plain.lastIndexOf('.') + 1);
    LineSource lines = new LineSource(file, stream(file, gzip));
    try {
      return switch (kind) {
        case "txt" -> new LineRows(lines, columns);
        case "csv" -> DelimitedRows.open(lines, ',', true, columns);
        case "tsv" -> DelimitedRows.open(lines, '\t', false, columns);
        case "jsonl", "ndjson" -> JsonRows.open(lines, columns);
        default ->
            throw InputException.in(
                file,
                "",
                "the name tells no known kind of file",
                "name it .txt, .csv, .tsv or .jsonl (also with .gz), or .arrow");
      };
    } catch (InputException e) {
      lines.close();
      throw e;
    }
  }

  /**
   * Reads a stream as one sentence per line.
   *
   * @param name what messages call it
   * @param columns of the one column that there is
   */
  public static RowReader lines(InputStream in, String name, Columns columns) {
    return new LineRows(new LineSource(Path.of(name), in), columns);
  }

  static boolean isArrow(Path file) {
    String name = String.valueOf(file.getFileName()).toLowerCase(Locale.ROOT);
    return name.endsWith(".arrow") || name.endsWith(".arrows") || name.endsWith(".feather");
  }

  /** Refuses what cannot be opened as a file, in the user's words. */
  static void requireFile(Path file) {
    if (!Files.exists(file)) {
      throw InputException.in(file, "", "there is no such file", "check the path");
    }
    if (Files.isDirectory(file)) {
      throw InputException.in(file, "", "expected a file, found a folder", "name a file in it");
    }
    if (!Files.isReadable(file)) {
      throw InputException.in(file, "", "the file may not be read", "change its permissions");
    }
  }

  private static InputStream stream(Path file, boolean gzip) {
    InputStream in = null;
    try {
      in = Files.newInputStream(file);
      return gzip ? new GZIPInputStream(in, GZIP_BUFFER) : in;
    } catch (IOException e) {
      close(in, e);
      throw InputException.in(
          file,
          "",
          gzip ? "expected gzip data: " + e.getMessage() : "cannot be read: " + e,
          gzip ? "compress the file again or take .gz off its name" : "check the file");
    }
  }

  private static void close(InputStream in, IOException cause) {
    if (in == null) {
      return;
    }
    try {
      in.close();
    } catch (IOException e) {
      cause.addSuppressed(e);
    }
  }
}
