package io.github.simcse4j.data;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.channels.WritableByteChannel;
import java.util.Arrays;
import java.util.List;
import org.apache.arrow.vector.types.pojo.ArrowType;
import org.apache.arrow.vector.types.pojo.Field;
import org.apache.arrow.vector.types.pojo.FieldType;
import org.apache.arrow.vector.types.pojo.Schema;

/** Writes sentences to a token store; never more than one record batch of them is in memory. */
final class TokenStoreWriter implements AutoCloseable {

  static final String COLUMN = "tokens";

  private static final int BATCH_SENTENCES = 1 << 16;
  private static final int BATCH_TOKENS = 1 << 21;

  private final ArrowSink sink;
  private final int[] offsets = new int[BATCH_SENTENCES + 1];
  private int[] ids = new int[1 << 16];
  private int sentences;
  private boolean empty = true;

  TokenStoreWriter(WritableByteChannel channel, TokenStoreHeader header) throws IOException {
    Field item = new Field("item", FieldType.notNullable(new ArrowType.Int(32, true)), null);
    Field tokens = new Field(COLUMN, FieldType.notNullable(new ArrowType.List()), List.of(item));
    sink = new ArrowSink(channel, new Schema(List.of(tokens), header.toMetadata()));
  }

  /** Adds a sentence of at least one token. */
  void add(int[] source, int from, int length) throws IOException {
    int used = offsets[sentences];
    if (sentences == BATCH_SENTENCES || length > BATCH_TOKENS - used) {
      flush();
      used = 0;
    }
    if (length > ids.length - used) {
      ids = Arrays.copyOf(ids, Math.max(2 * ids.length, used + length));
    }
    System.arraycopy(source, from, ids, used, length);
    empty = false;
    offsets[++sentences] = used + length;
  }

  /** Whether no sentence was added yet. */
  boolean isEmpty() {
    return empty;
  }

  private void flush() throws IOException {
    if (sentences == 0) {
      return;
    }
    int tokens = offsets[sentences];
    sink.batch(
        sentences,
        new int[] {sentences, tokens},
        ArrowSink.ALL_VALID,
        MemorySegment.ofArray(offsets).asSlice(0, Integer.BYTES * (sentences + 1L)),
        ArrowSink.ALL_VALID,
        MemorySegment.ofArray(ids).asSlice(0, Integer.BYTES * (long) tokens));
    sentences = 0;
  }

  /** Writes what is left, and the end of the file. */
  void finish(StoreCounts counts) throws IOException {
    flush();
    counts.writeTo(sink);
    sink.finish();
  }

  @Override
  public void close() {
    sink.close();
  }
}
