package io.github.simcse4j.data;

import io.github.simcse4j.files.InputException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * A table of separated values. With quoting it is CSV as in RFC 4180: a cell that starts with a
 * quote goes to the next lone quote, over line ends too, and two quotes in it stand for one.
 * Without quoting a quote is a letter like any other, as in the tab-separated files of the field.
 *
 * <p>Cells are found in the bytes themselves: separators and quotes are ASCII, which in UTF-8 is
 * part of no other character.
 */
final class DelimitedRows implements RowReader {

  private static final byte QUOTE = '"';

  private final LineSource lines;
  private final byte separator;
  private final boolean quoting;
  private final CellBuffer cells = new CellBuffer();
  private int[] positions = {};
  private int width;
  private boolean held;
  private boolean blank;
  private long rowLine;

  private DelimitedRows(LineSource lines, char separator, boolean quoting) {
    this.lines = lines;
    this.separator = (byte) separator;
    this.quoting = quoting;
  }

  /** Reads the first row and decides whether it is a header; see {@link Columns#isHeader}. */
  static DelimitedRows open(LineSource lines, char separator, boolean quoting, Columns columns) {
    var rows = new DelimitedRows(lines, separator, quoting);
    do {
      if (!rows.parse()) {
        throw InputException.in(lines.file(), "", "the table has no row", "give a file with text");
      }
    } while (rows.blank);
    rows.width = rows.cells.cells();
    List<String> first = new ArrayList<>();
    for (int i = 0; i < rows.width; i++) {
      first.add(
          new String(
              rows.cells.bytes(),
              rows.cells.from(i),
              rows.cells.to(i) - rows.cells.from(i),
              StandardCharsets.UTF_8));
    }
    rows.held = !columns.isHeader(first);
    rows.positions = columns.positions(lines.file(), rows.held ? numbered(rows.width) : first);
    return rows;
  }

  private static List<String> numbered(int width) {
    return java.util.stream.IntStream.range(0, width).mapToObj(Integer::toString).toList();
  }

  @Override
  public boolean next() {
    if (held) {
      held = false;
      return true;
    }
    if (!parse()) {
      return false;
    }
    if (!blank && cells.cells() != width) {
      throw InputException.in(
          file(),
          place(),
          "expected " + width + " cells as in the first row, found " + cells.cells(),
          quoting ? "put cells with commas in quotes" : "put one tab between cells");
    }
    return true;
  }

  private boolean parse() {
    if (!lines.next()) {
      return false;
    }
    cells.clear();
    rowLine = lines.line();
    blank = lines.from() == lines.to();
    int at = lines.from();
    while (true) {
      boolean quoted = quoting && at < lines.to() && lines.buffer()[at] == QUOTE;
      at = quoted ? quotedCell(at + 1) : plainCell(at);
      cells.endCell();
      if (at == lines.to()) {
        return true;
      }
      at++;
    }
  }

  private int plainCell(int start) {
    byte[] buffer = lines.buffer();
    int at = start;
    while (at < lines.to() && buffer[at] != separator) {
      at++;
    }
    cells.append(buffer, start, at);
    return at;
  }

  /**
   * Copies a cell from behind its first quote and returns where the separator or the line end is.
   */
  private int quotedCell(int start) {
    long opened = lines.line();
    int at = start;
    while (true) {
      byte[] buffer = lines.buffer();
      int run = at;
      while (at < lines.to() && buffer[at] != QUOTE) {
        at++;
      }
      cells.append(buffer, run, at);
      if (at == lines.to()) {
        cells.append(buffer, lines.to(), lines.end());
        if (cells.used() > LineSource.LONGEST_LINE || !lines.next()) {
          throw InputException.in(
              file(), "line " + opened, "a quote is opened and never closed", "close it");
        }
        at = lines.from();
      } else if (at + 1 < lines.to() && buffer[at + 1] == QUOTE) {
        cells.append(QUOTE);
        at += 2;
      } else {
        return closed(at + 1);
      }
    }
  }

  private int closed(int at) {
    if (at < lines.to() && lines.buffer()[at] != separator) {
      throw InputException.in(
          file(),
          "line " + lines.line(),
          "text follows the closing quote of a cell",
          "double the quotes inside a quoted cell");
    }
    return at;
  }

  @Override
  public int columns() {
    return positions.length;
  }

  @Override
  public byte[] bytes(int column) {
    return cells.bytes();
  }

  @Override
  public int from(int column) {
    return blank ? 0 : cells.from(positions[column]);
  }

  @Override
  public int to(int column) {
    return blank ? 0 : cells.to(positions[column]);
  }

  @Override
  public Path file() {
    return lines.file();
  }

  @Override
  public String place() {
    return "line " + rowLine;
  }

  @Override
  public void close() {
    lines.close();
  }
}
