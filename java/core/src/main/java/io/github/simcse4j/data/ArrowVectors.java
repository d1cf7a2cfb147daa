package io.github.simcse4j.data;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.channels.WritableByteChannel;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.apache.arrow.vector.types.FloatingPointPrecision;
import org.apache.arrow.vector.types.pojo.ArrowType;
import org.apache.arrow.vector.types.pojo.Field;
import org.apache.arrow.vector.types.pojo.FieldType;
import org.apache.arrow.vector.types.pojo.Schema;

/**
 * Writes sentence embeddings as an Arrow IPC file with the columns {@code text: utf8}, which may be
 * left out, and {@code vector: fixed_size_list<float>[H]}.
 */
public final class ArrowVectors implements AutoCloseable {

  private static final int BATCH_BYTES = 1 << 26;

  private final int width;
  private final boolean withText;
  private final int batchRows;
  private final ArrowSink sink;

  /**
   * Starts a file in a channel that the caller opens and closes.
   *
   * @param width H, numbers of a vector
   * @param withText whether there is a column of the sentences
   */
  public ArrowVectors(WritableByteChannel channel, int width, boolean withText) throws IOException {
    if (width < 1) {
      throw new IllegalArgumentException("width must be at least 1, found " + width);
    }
    this.width = width;
    this.withText = withText;
    this.batchRows = Math.max(1, BATCH_BYTES / Float.BYTES / width);
    List<Field> fields = new ArrayList<>();
    if (withText) {
      fields.add(new Field("text", FieldType.notNullable(new ArrowType.Utf8()), null));
    }
    var number = new ArrowType.FloatingPoint(FloatingPointPrecision.SINGLE);
    Field item = new Field("item", FieldType.notNullable(number), null);
    fields.add(
        new Field(
            "vector", FieldType.notNullable(new ArrowType.FixedSizeList(width)), List.of(item)));
    sink = new ArrowSink(channel, new Schema(fields));
  }

  /**
   * Writes rows as record batches of their own.
   *
   * @param texts the sentences, one per row; not looked at when the file has no text
   * @param vectors (rows, H)
   * @param rows number of rows
   */
  public void write(List<String> texts, float[] vectors, int rows) throws IOException {
    if ((withText && texts.size() != rows) || vectors.length < (long) rows * width) {
      throw new IllegalArgumentException(
          rows
              + " rows of "
              + width
              + " need as many texts and "
              + (long) rows * width
              + " numbers, found "
              + (withText ? texts.size() : rows)
              + " and "
              + vectors.length);
    }
    for (int from = 0; from < rows; from += batchRows) {
      int count = Math.min(batchRows, rows - from);
      MemorySegment numbers =
          MemorySegment.ofArray(vectors)
              .asSlice(Float.BYTES * (long) from * width, Float.BYTES * (long) count * width);
      if (withText) {
        writeBatch(texts.subList(from, from + count), numbers);
      } else {
        sink.batch(
            count,
            new int[] {count, count * width},
            ArrowSink.ALL_VALID,
            ArrowSink.ALL_VALID,
            numbers);
      }
    }
  }

  private void writeBatch(List<String> texts, MemorySegment numbers) throws IOException {
    int rows = texts.size();
    int[] offsets = new int[rows + 1];
    CellBuffer cells = new CellBuffer();
    for (int i = 0; i < rows; i++) {
      byte[] utf8 = texts.get(i).getBytes(StandardCharsets.UTF_8);
      cells.append(utf8, 0, utf8.length);
      offsets[i + 1] = cells.used();
    }
    sink.batch(
        rows,
        new int[] {rows, rows, rows * width},
        ArrowSink.ALL_VALID,
        MemorySegment.ofArray(offsets),
        MemorySegment.ofArray(cells.bytes()).asSlice(0, cells.used()),
        ArrowSink.ALL_VALID,
        ArrowSink.ALL_VALID,
        numbers);
  }

  /** Writes the end of the file; without it the file is not valid. */
  public void finish() throws IOException {
    sink.finish();
  }

  /** Gives the memory back, and writes nothing. */
  @Override
  public void close() {
    sink.close();
  }
}
