package io.github.simcse4j.tokenizer;

import io.github.simcse4j.files.InputException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Reads a whole UTF-8 file of a model folder. */
final class TextFile {

  /** The largest published vocabularies stay below a fifth of this. */
  private static final long MAX_BYTES = 1L << 27;

  private static final int EXCERPT_CHARS = 60;

  private TextFile() {}

  static byte[] read(Path file) {
    byte[] bytes;
    try {
      long size = Files.size(file);
      if (size > MAX_BYTES) {
        throw InputException.in(
            file,
            "",
            "the file has " + size + " bytes, expected at most " + MAX_BYTES,
            "check that it is the tokenizer's file");
      }
      bytes = Files.readAllBytes(file);
    } catch (IOException e) {
      throw new InputException(
          file + ": cannot be read (" + e + "); check that it is a readable file.", e);
    }
    try {
      Utf8.requireValid(bytes, 0, bytes.length);
    } catch (MalformedTextException e) {
      int line = 1;
      for (int i = 0; i < e.position(); i++) {
        line += bytes[i] == '\n' ? 1 : 0;
      }
      throw InputException.in(
          file,
          "line " + line,
          "invalid UTF-8 at byte " + e.position() + " of the file",
          "save the file as UTF-8");
    }
    return bytes;
  }

  /** Text from a file, short enough and on one line, for a message. */
  static String excerpt(String text) {
    String line =
        text.codePoints()
            .limit(EXCERPT_CHARS)
            .collect(
                StringBuilder::new,
                (out, point) -> out.appendCodePoint(Character.isISOControl(point) ? ' ' : point),
                StringBuilder::append)
            .toString();
    return line.length() < text.length() ? "'" + line + "...'" : "'" + line + "'";
  }
}
