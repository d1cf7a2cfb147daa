package io.github.simcse4j.data;

import io.github.simcse4j.files.InputException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/**
 * The rows of an input file, one after the other. A row has the selected columns in the order of
 * the selection; a cell is a stretch of bytes that stays valid until the next row. The bytes are
 * handed on as they are: who makes text of them checks that they are UTF-8.
 */
public interface RowReader extends AutoCloseable {

  /** The number of selected columns, 1 to 3. */
  int columns();

  /**
   * Moves to the next row; false after the last one. A blank line is a row of empty cells.
   *
   * @throws InputException at a fault in the file
   */
  boolean next();

  /** Holds the cell of a selected column. */
  byte[] bytes(int column);

  /** First byte of the cell. */
  int from(int column);

  /** One past the last byte of the cell. */
  int to(int column);

  /** The file read. */
  Path file();

  /** Where the current row stands, for messages: {@code "line 12"}. */
  String place();

  @Override
  void close();

  /** Whether the cell has nothing but ASCII white space and control characters. */
  default boolean isBlank(int column) {
    byte[] bytes = bytes(column);
    for (int i = from(column), to = to(column); i < to; i++) {
      if (bytes[i] > ' ' || bytes[i] < 0) {
        return false;
      }
    }
    return true;
  }

  /**
   * The cell as a string.
   *
   * @throws InputException where it is no UTF-8
   */
  default String text(int column) {
    try {
      ByteBuffer cell = ByteBuffer.wrap(bytes(column), from(column), to(column) - from(column));
      return StandardCharsets.UTF_8.newDecoder().decode(cell).toString();
    } catch (CharacterCodingException e) {
      throw notUtf8();
    }
  }

  /** The fault of a row whose text is no UTF-8. */
  default InputException notUtf8() {
    return InputException.in(
        file(), place(), "expected UTF-8 text, found other bytes", "convert the file to UTF-8");
  }
}
