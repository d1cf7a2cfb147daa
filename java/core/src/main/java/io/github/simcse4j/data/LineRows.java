package io.github.simcse4j.data;

import java.nio.file.Path;
import java.util.List;

/** Plain text: every line is a row of one cell. */
final class LineRows implements RowReader {

  private final LineSource lines;

  LineRows(LineSource lines, Columns columns) {
    this.lines = lines;
    columns.positions(lines.file(), List.of("text"));
  }

  @Override
  public int columns() {
    return 1;
  }

  @Override
  public boolean next() {
    return lines.next();
  }

  @Override
  public byte[] bytes(int column) {
    return lines.buffer();
  }

  @Override
  public int from(int column) {
    return lines.from();
  }

  @Override
  public int to(int column) {
    return lines.to();
  }

  @Override
  public Path file() {
    return lines.file();
  }

  @Override
  public String place() {
    return "line " + lines.line();
  }

  @Override
  public void close() {
    lines.close();
  }
}
