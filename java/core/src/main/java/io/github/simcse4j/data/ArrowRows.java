package io.github.simcse4j.data;

import io.github.simcse4j.files.InputException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.apache.arrow.vector.types.pojo.ArrowType;
import org.apache.arrow.vector.types.pojo.Field;

/**
 * Rows of an Arrow IPC file or stream with text columns (utf8 or large_utf8). A null is an empty
 * cell.
 */
final class ArrowRows implements RowReader {

  private static final ValueLayout.OfInt INT =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfLong LONG =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  /** The buffers of one text column in the current batch. */
  private record Text(MemorySegment validity, MemorySegment offsets, MemorySegment data) {}

  private final MappedArrow arrow;
  private final MappedArrow.Column[] columns;
  private final Text[] texts;
  private final CellBuffer cells = new CellBuffer();
  private int nextBatch;
  private int rows;
  private int row;
  private long rowsBefore;

  private ArrowRows(MappedArrow arrow, MappedArrow.Column[] columns) {
    this.arrow = arrow;
    this.columns = columns;
    this.texts = new Text[columns.length];
  }

  static ArrowRows open(Path file, Columns selection) {
    MappedArrow arrow = MappedArrow.open(file, Arena.ofConfined());
    try {
      List<Field> fields = arrow.schema().getFields();
      List<String> names = fields.stream().map(Field::getName).toList();
      if (selection.isAll()) {
        names = fields.stream().filter(ArrowRows::isText).map(Field::getName).toList();
        fields = fields.stream().filter(ArrowRows::isText).toList();
      }
      List<Field> offered = fields;
      return new ArrowRows(
          arrow,
          Arrays.stream(selection.positions(file, names))
              .mapToObj(position -> column(arrow, offered.get(position)))
              .toArray(MappedArrow.Column[]::new));
    } catch (InputException e) {
      arrow.close();
      throw e;
    }
  }

  private static MappedArrow.Column column(MappedArrow arrow, Field field) {
    if (!isText(field)) {
      throw InputException.in(
          arrow.file(),
          "column " + field.getName(),
          "expected utf8 or large_utf8, found "
              + field.getType()
              + (field.getDictionary() == null ? "" : " in a dictionary"),
          "choose others with --columns or write it as plain utf8");
    }
    List<Field> fields = arrow.schema().getFields();
    int index = 0;
    while (fields.get(index) != field) {
      index++;
    }
    return arrow.column(index);
  }

  private static boolean isText(Field field) {
    return field.getDictionary() == null
        && (field.getType() instanceof ArrowType.Utf8
            || field.getType() instanceof ArrowType.LargeUtf8);
  }

  @Override
  public boolean next() {
    row++;
    while (row >= rows) {
      if (nextBatch == arrow.batches()) {
        return false;
      }
      rowsBefore += rows;
      load(nextBatch++);
      row = 0;
    }
    cells.clear();
    for (int i = 0; i < texts.length; i++) {
      appendCell(texts[i], columns[i].field().getType() instanceof ArrowType.LargeUtf8);
    }
    return true;
  }

  private void load(int index) {
    MappedArrow.Batch batch = arrow.batch(index);
    rows = batch.rows();
    for (int i = 0; i < columns.length; i++) {
      int first = columns[i].buffer();
      int node = columns[i].node();
      if (batch.buffers().size() < first + 3
          || batch.nodes().size() <= node
          || batch.nodes().get(node).getLength() != rows) {
        throw damaged("record batch " + index + " does not match the schema");
      }
      boolean nulls = batch.nodes().get(node).getNullCount() != 0;
      texts[i] =
          new Text(
              nulls ? batch.buffers().get(first) : null,
              batch.buffers().get(first + 1),
              batch.buffers().get(first + 2));
    }
  }

  private void appendCell(Text text, boolean large) {
    try {
      boolean valid =
          text.validity == null
              || (text.validity.get(ValueLayout.JAVA_BYTE, row >> 3) >> (row & 7) & 1) == 1;
      if (valid) {
        long from = offset(text.offsets, row, large);
        long bytes = Math.subtractExact(offset(text.offsets, row + 1L, large), from);
        MemorySegment cell = text.data.asSlice(from, bytes);
        if (bytes > LineSource.LONGEST_LINE) {
          throw damaged("a text of " + bytes + " bytes is no sentence");
        }
        cells.append(cell);
      }
      cells.endCell();
    } catch (IndexOutOfBoundsException | ArithmeticException e) {
      throw arrow.damaged(place(), e);
    }
  }

  private static long offset(MemorySegment offsets, long index, boolean large) {
    return large ? offsets.get(LONG, 8 * index) : offsets.get(INT, 4 * index);
  }

  private InputException damaged(String problem) {
    return InputException.in(file(), place(), problem, "write or copy the file again");
  }

  @Override
  public int columns() {
    return columns.length;
  }

  @Override
  public byte[] bytes(int column) {
    return cells.bytes();
  }

  @Override
  public int from(int column) {
    return cells.from(column);
  }

  @Override
  public int to(int column) {
    return cells.to(column);
  }

  @Override
  public Path file() {
    return arrow.file();
  }

  @Override
  public String place() {
    return "row " + (rowsBefore + row);
  }

  @Override
  public void close() {
    arrow.close();
  }
}
