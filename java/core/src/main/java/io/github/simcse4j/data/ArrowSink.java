package io.github.simcse4j.data;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.channels.WritableByteChannel;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.arrow.memory.ArrowBuf;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.apache.arrow.vector.VectorLoader;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.ipc.ArrowFileWriter;
import org.apache.arrow.vector.ipc.message.ArrowFieldNode;
import org.apache.arrow.vector.ipc.message.ArrowRecordBatch;
import org.apache.arrow.vector.types.pojo.Schema;

/** Writes an Arrow IPC file, record batch by record batch, from segments that hold the buffers. */
final class ArrowSink implements AutoCloseable {

  /** Stands for the validity buffer of a field without nulls. */
  static final MemorySegment ALL_VALID = MemorySegment.ofArray(new byte[0]);

  private final BufferAllocator allocator = new RootAllocator();
  private final Map<String, String> footer = new HashMap<>();
  private final VectorSchemaRoot root;
  private final VectorLoader loader;
  private final ArrowFileWriter writer;

  /** Writes to a channel that the caller opens and closes. */
  ArrowSink(WritableByteChannel channel, Schema schema) throws IOException {
    root = VectorSchemaRoot.create(schema, allocator);
    loader = new VectorLoader(root);
    writer = new ArrowFileWriter(root, null, channel, footer);
    writer.start();
  }

  /**
   * Writes one record batch.
   *
   * @param rows its number of rows
   * @param lengths the length of every field, depth first; none has a null
   * @param buffers the buffers of every field, depth first, each below 2 GiB
   */
  void batch(int rows, int[] lengths, MemorySegment... buffers) throws IOException {
    List<ArrowFieldNode> nodes = new ArrayList<>();
    for (int length : lengths) {
      nodes.add(new ArrowFieldNode(length, 0));
    }
    List<ArrowBuf> copies = new ArrayList<>();
    try {
      for (MemorySegment buffer : buffers) {
        ArrowBuf copy = allocator.buffer(buffer.byteSize());
        copies.add(copy);
        if (buffer.byteSize() > 0) {
          ArrowSegments.of(copy).copyFrom(buffer);
        }
        copy.writerIndex(buffer.byteSize());
      }
      try (var batch = new ArrowRecordBatch(rows, nodes, copies)) {
        loader.load(batch);
      }
      writer.writeBatch();
      root.clear();
    } finally {
      copies.forEach(ArrowBuf::close);
    }
  }

  /** Adds a key-value pair that is known only at the end. */
  void footer(String key, String value) {
    footer.put(key, value);
  }

  /** Writes the footer; without it the file is not valid. */
  void finish() throws IOException {
    writer.end();
  }

  /** Gives the memory back, and writes nothing. */
  @Override
  public void close() {
    root.close();
    allocator.close();
  }
}
