package io.github.simcse4j.eval;

import io.github.simcse4j.files.InputException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * The lines of a UTF-8 file. Only LF ends a line, with a CR before it taken off: other separators
 * of Unicode do occur inside the texts of the STS files. A byte order mark is passed over.
 */
final class Utf8Lines {

  /** A hundred times the largest STS file; what is larger is not one. */
  private static final long MOST_BYTES = 1L << 27;

  private Utf8Lines() {}

  static List<String> read(Path file) {
    byte[] bytes = bytes(file);
    CharsetDecoder decoder = StandardCharsets.UTF_8.newDecoder();
    List<String> lines = new ArrayList<>();
    int start = startsWithByteOrderMark(bytes) ? 3 : 0;
    while (start < bytes.length) {
      int end = start;
      while (end < bytes.length && bytes[end] != '\n') {
        end++;
      }
      int length = end - start - (end > start && bytes[end - 1] == '\r' ? 1 : 0);
      lines.add(decode(decoder, ByteBuffer.wrap(bytes, start, length), file, lines.size() + 1));
      start = end + 1;
    }
    return lines;
  }

  private static byte[] bytes(Path file) {
    try {
      long size = Files.size(file);
      if (size > MOST_BYTES) {
        throw InputException.in(
            file,
            "",
            "has " + size + " bytes, expected a file of scored pairs of at most " + MOST_BYTES,
            "give a smaller file");
      }
      return Files.readAllBytes(file);
    } catch (NoSuchFileException e) {
      throw InputException.in(
          file, "", "there is no such file, expected scored pairs", "check the path");
    } catch (IOException e) {
      throw new InputException(
          file + ": cannot be read (" + e + "); check that it is a readable file.", e);
    }
  }

  private static String decode(CharsetDecoder decoder, ByteBuffer line, Path file, int number) {
    try {
      return decoder.decode(line).toString();
    } catch (CharacterCodingException e) {
      throw InputException.in(
          file,
          "line " + number,
          "invalid UTF-8, expected text in UTF-8",
          "save the file as UTF-8");
    }
  }

  private static boolean startsWithByteOrderMark(byte[] bytes) {
    return bytes.length >= 3
        && bytes[0] == (byte) 0xEF
        && bytes[1] == (byte) 0xBB
        && bytes[2] == (byte) 0xBF;
  }
}
