package io.github.simcse4j.encode;

import io.github.simcse4j.files.InputException;
import io.github.simcse4j.files.PendingFile;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;

/**
 * Writes a NumPy file: format 1.0, little-endian float32, C order, shape (rows, H). The texts are
 * not part of it. The header is written again on commit, when the number of rows is known; it
 * always has room for the largest.
 */
public final class NpyVectorWriter implements VectorWriter {

  /** A multiple of 64, as the format asks, that holds any shape. */
  private static final int HEADER_BYTES = 128;

  private static final int PREFIX_BYTES = 10;
  private static final byte[] MAGIC = {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0};
  private static final int BUFFER_NUMBERS = 1 << 16;

  private final Path file;
  private final PendingFile pending;
  private final int width;
  private final ByteBuffer buffer =
      ByteBuffer.allocateDirect(BUFFER_NUMBERS * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
  private long rows;

  private NpyVectorWriter(Path file, PendingFile pending, int width) {
    this.file = file;
    this.pending = pending;
    this.width = width;
  }

  /**
   * Starts a file.
   *
   * @param width H, numbers of a vector
   * @throws InputException where it cannot be written there
   */
  public static NpyVectorWriter open(Path file, int width) {
    VectorWriters.checkWidth(width);
    PendingFile pending = VectorWriters.begin(file);
    try {
      NpyVectorWriter writer = new NpyVectorWriter(file, pending, width);
      writer.writeHeader();
      return writer;
    } catch (IOException e) {
      throw VectorWriters.abandoned(file, pending, e);
    }
  }

  @Override
  public void write(List<String> texts, float[] vectors, int count) {
    VectorWriters.checkRows(vectors, count, width);
    try {
      int end = count * width;
      for (int from = 0; from < end; from += BUFFER_NUMBERS) {
        int length = Math.min(BUFFER_NUMBERS, end - from);
        buffer.clear();
        buffer.asFloatBuffer().put(vectors, from, length);
        drain(buffer.limit(length * Float.BYTES));
      }
      rows += count;
    } catch (IOException e) {
      throw VectorWriters.unwritable(file, e);
    }
  }

  @Override
  public void commit() {
    try {
      pending.channel().position(0);
      writeHeader();
      pending.commit();
    } catch (IOException e) {
      throw VectorWriters.unwritable(file, e);
    }
  }

  @Override
  public void close() {
    VectorWriters.close(file, pending);
  }

  private void writeHeader() throws IOException {
    String shape =
        "{'descr': '<f4', 'fortran_order': False, 'shape': (" + rows + ", " + width + "), }";
    int length = HEADER_BYTES - PREFIX_BYTES;
    String padded = shape + " ".repeat(length - 1 - shape.length()) + "\n";
    buffer.clear();
    buffer.put(MAGIC).putShort((short) length).put(padded.getBytes(StandardCharsets.US_ASCII));
    drain(buffer.flip());
  }

  private void drain(ByteBuffer bytes) throws IOException {
    FileChannel channel = pending.channel();
    while (bytes.hasRemaining()) {
      channel.write(bytes);
    }
  }
}
