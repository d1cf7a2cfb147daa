package io.github.simcse4j.data;

import io.github.simcse4j.files.InputException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.arrow.flatbuf.Block;
import org.apache.arrow.flatbuf.Buffer;
import org.apache.arrow.flatbuf.Footer;
import org.apache.arrow.flatbuf.KeyValue;
import org.apache.arrow.flatbuf.Message;
import org.apache.arrow.flatbuf.MessageHeader;
import org.apache.arrow.flatbuf.RecordBatch;
import org.apache.arrow.memory.ArrowBuf;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.apache.arrow.vector.TypeLayout;
import org.apache.arrow.vector.ipc.message.ArrowFieldNode;
import org.apache.arrow.vector.ipc.message.ArrowRecordBatch;
import org.apache.arrow.vector.ipc.message.MessageSerializer;
import org.apache.arrow.vector.types.pojo.Field;
import org.apache.arrow.vector.types.pojo.Schema;

/**
 * An Arrow IPC file or stream, memory-mapped, of any size. The buffers of its record batches are
 * parts of the mapping: nothing is read into memory. Every length and offset is held against the
 * file before it is used, and whatever is wrong with the file is an {@link InputException}.
 *
 * <p>Format: Arrow columnar format 1.5, "Serialization and Interprocess Communication".
 */
final class MappedArrow implements AutoCloseable {

  private static final ValueLayout.OfInt INT =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final byte[] MAGIC = {'A', 'R', 'R', 'O', 'W', '1'};
  private static final int CONTINUATION = -1;
  private static final int LARGEST_METADATA = 1 << 28;

  /** Where a record batch lies in the file: its framed metadata, and its body behind that. */
  private record Place(long offset, long metadataBytes, long bodyBytes) {}

  /**
   * A record batch.
   *
   * @param rows its number of rows
   * @param nodes length and null count of every field, depth first
   * @param buffers the buffers of every field, depth first, as parts of the mapping
   */
  record Batch(int rows, List<ArrowFieldNode> nodes, List<MemorySegment> buffers) {}

  /**
   * A column of the top level.
   *
   * @param field its type
   * @param node index of its first node
   * @param buffer index of its first buffer
   */
  record Column(Field field, int node, int buffer) {}

  private final Path file;
  private final Arena arena;
  private final MemorySegment mapping;
  private final BufferAllocator allocator;
  private final List<Place> places = new ArrayList<>();
  private final Map<String, String> footerMetadata = new HashMap<>();
  private Schema schema;

  private MappedArrow(Path file, Arena arena, MemorySegment mapping) {
    this.file = file;
    this.arena = arena;
    this.mapping = mapping;
    // Arrow only ever looks at the mapping, so it never needs more than one view of it.
    this.allocator = new RootAllocator(mapping.byteSize());
  }

  /**
   * Maps a file and reads its schema and the places of its batches.
   *
   * @param arena decides which threads may look at the file; closed with the result, or at a
   *     failure
   * @throws InputException where it cannot be read or is no sound Arrow file
   */
  static MappedArrow open(Path file, Arena arena) {
    MappedArrow arrow = null;
    try {
      RowReaders.requireFile(file);
      MappedArrow opened = new MappedArrow(file, arena, map(file, arena));
      opened.parse("", opened::readMetadata);
      arrow = opened;
      return opened;
    } finally {
      if (arrow == null) {
        arena.close();
      }
    }
  }

  private static MemorySegment map(Path file, Arena arena) {
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
      return channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
    } catch (IOException e) {
      throw new InputException(file + ": cannot be read: " + e + ".", e);
    }
  }

  /** Parses bytes of the file. */
  @FunctionalInterface
  private interface Parser<T> {
    T parse() throws IOException;
  }

  /** The libraries that parse metadata throw exceptions of many kinds when it is not sound. */
  private <T> T parse(String where, Parser<T> parser) {
    try {
      return parser.parse();
    } catch (InputException e) {
      throw e;
    } catch (RuntimeException | IOException e) {
      throw damaged(where, e);
    }
  }

  private Schema readMetadata() {
    if (hasMagic(0)) {
      readFooter();
    } else {
      readStream();
    }
    return schema;
  }

  private boolean hasMagic(long offset) {
    return mapping.byteSize() >= offset + MAGIC.length
        && mapping.asSlice(offset, MAGIC.length).mismatch(MemorySegment.ofArray(MAGIC)) < 0;
  }

  private void readFooter() {
    long size = mapping.byteSize();
    long lengthAt = size - MAGIC.length - Integer.BYTES;
    if (lengthAt < MAGIC.length + 2 || !hasMagic(size - MAGIC.length)) {
      throw InputException.in(
          file, "", "the Arrow file has no end, it was cut off", "write or copy it again");
    }
    int length = mapping.get(INT, lengthAt);
    if (length <= 0 || length > lengthAt - MAGIC.length || length > LARGEST_METADATA) {
      throw new IllegalArgumentException("its footer is said to have " + length + " bytes");
    }
    Footer footer = Footer.getRootAsFooter(metadata(lengthAt - length, length));
    ArrowSchemaCheck.check(footer.schema(), length);
    schema = Schema.convertSchema(footer.schema());
    long end = 0;
    for (int i = 0, count = footer.recordBatchesLength(); i < count; i++) {
      Block block = footer.recordBatches(i);
      end = addPlace(end, block.offset(), block.metaDataLength(), block.bodyLength());
    }
    for (int i = 0, count = footer.customMetadataLength(); i < count; i++) {
      KeyValue entry = footer.customMetadata(i);
      footerMetadata.put(entry.key(), entry.value());
    }
  }

  private long addPlace(long end, long offset, long metadataBytes, long bodyBytes) {
    long size = mapping.byteSize();
    boolean inside =
        offset >= end
            && offset <= size
            && metadataBytes >= 8
            && metadataBytes <= Math.min(size - offset, LARGEST_METADATA)
            && bodyBytes >= 0
            && bodyBytes <= size - offset - metadataBytes;
    if (!inside) {
      throw new IllegalArgumentException(
          "record batch "
              + places.size()
              + " is said to be at byte "
              + offset
              + " with "
              + metadataBytes
              + " and "
              + bodyBytes
              + " bytes");
    }
    places.add(new Place(offset, metadataBytes, bodyBytes));
    return offset + metadataBytes + bodyBytes;
  }

  private void readStream() {
    long size = mapping.byteSize();
    long at = 0;
    while (at < size) {
      long framed = framedBytes(at);
      if (framed == 0) {
        break;
      }
      Message message = message(at, framed);
      if (schema == null) {
        if (message.headerType() != MessageHeader.Schema) {
          throw new IllegalArgumentException("it starts with no schema");
        }
        var described =
            (org.apache.arrow.flatbuf.Schema) message.header(new org.apache.arrow.flatbuf.Schema());
        ArrowSchemaCheck.check(described, framed);
        schema = Schema.convertSchema(described);
        at += framed;
      } else {
        boolean rows = message.headerType() == MessageHeader.RecordBatch;
        long end = addPlace(at, at, framed, message.bodyLength());
        if (!rows) {
          places.removeLast();
        }
        at = end;
      }
    }
    if (schema == null) {
      throw new IllegalArgumentException("it is empty");
    }
  }

  /** Bytes of the framed metadata at an offset, the frame included; 0 at the end of a stream. */
  private long framedBytes(long at) {
    int first = mapping.get(INT, at);
    boolean continued = first == CONTINUATION;
    int length = continued ? mapping.get(INT, at + 4) : first;
    if (length < 0 || length > LARGEST_METADATA || length > mapping.byteSize() - at - 4) {
      throw new IllegalArgumentException(
          "the message at byte " + at + " is said to have " + length + " bytes");
    }
    return length == 0 ? 0 : length + (continued ? 8L : 4L);
  }

  private Message message(long at, long framed) {
    long actual = framedBytes(at);
    if (actual == 0 || actual > framed) {
      throw new IllegalArgumentException("the message at byte " + at + " is longer than its place");
    }
    int frame = mapping.get(INT, at) == CONTINUATION ? 8 : 4;
    return Message.getRootAsMessage(metadata(at + frame, (int) actual - frame));
  }

  /** Metadata is parsed from a copy: it is small, and the file may change while it is looked at. */
  private ByteBuffer metadata(long offset, int bytes) {
    byte[] copy = mapping.asSlice(offset, bytes).toArray(ValueLayout.JAVA_BYTE);
    return ByteBuffer.wrap(copy).order(ByteOrder.LITTLE_ENDIAN);
  }

  Path file() {
    return file;
  }

  Schema schema() {
    return schema;
  }

  /** The key-value pairs of the footer, none for a stream. */
  Map<String, String> footerMetadata() {
    return footerMetadata;
  }

  /** The whole file. */
  MemorySegment mapping() {
    return mapping;
  }

  /** The number of record batches. */
  int batches() {
    return places.size();
  }

  /** Bytes that Arrow has in hand; 0 between calls. */
  long allocatedBytes() {
    return allocator.getAllocatedMemory();
  }

  /** Record batch {@code index} with its buffers in place. */
  Batch batch(int index) {
    String where = "record batch " + index;
    return parse(where, () -> readBatch(where, places.get(index)));
  }

  private Batch readBatch(String where, Place place) throws IOException {
    Message message = message(place.offset, place.metadataBytes);
    if (message.headerType() != MessageHeader.RecordBatch
        || message.bodyLength() != place.bodyBytes) {
      throw new IllegalArgumentException("its message is no record batch of the stated size");
    }
    var described = (RecordBatch) message.header(new RecordBatch());
    checkBuffers(described, place.bodyBytes);
    if (described.compression() != null) {
      throw InputException.in(
          file, where, "its buffers are compressed", "write the file without compression");
    }
    return view(described, mapping.asSlice(place.offset + place.metadataBytes, place.bodyBytes));
  }

  private static void checkBuffers(RecordBatch batch, long bodyBytes) {
    for (int i = 0, count = batch.buffersLength(); i < count; i++) {
      Buffer buffer = batch.buffers(i);
      if (buffer.offset() < 0
          || buffer.length() < 0
          || buffer.offset() > bodyBytes
          || buffer.length() > bodyBytes - buffer.offset()) {
        throw new IllegalArgumentException(
            "buffer "
                + i
                + " at "
                + buffer.offset()
                + " with "
                + buffer.length()
                + " bytes leaves a body of "
                + bodyBytes);
      }
    }
  }

  private Batch view(RecordBatch described, MemorySegment body) throws IOException {
    ArrowBuf wrapped = ArrowSegments.wrap(allocator, body);
    try (ArrowRecordBatch batch = MessageSerializer.deserializeRecordBatch(described, wrapped)) {
      if (batch.getLength() < 0) {
        throw new IllegalArgumentException("it is said to have " + batch.getLength() + " rows");
      }
      List<MemorySegment> buffers = new ArrayList<>();
      for (ArrowBuf buffer : batch.getBuffers()) {
        buffers.add(ArrowSegments.within(mapping, buffer));
      }
      return new Batch(batch.getLength(), List.copyOf(batch.getNodes()), buffers);
    } finally {
      int held = wrapped.refCnt();
      if (held > 0) {
        wrapped.getReferenceManager().release(held);
      }
    }
  }

  /** Column {@code index} of the schema, with where its nodes and buffers are in every batch. */
  Column column(int index) {
    return parse("column " + index, () -> place(index));
  }

  private Column place(int index) {
    int node = 0;
    int buffer = 0;
    for (Field field : schema.getFields().subList(0, index)) {
      node += nodes(field);
      buffer += buffers(field);
    }
    return new Column(schema.getFields().get(index), node, buffer);
  }

  private static int nodes(Field field) {
    int nodes = 1;
    if (field.getDictionary() == null) {
      for (Field child : field.getChildren()) {
        nodes += nodes(child);
      }
    }
    return nodes;
  }

  private int buffers(Field field) {
    if (field.getDictionary() != null) {
      return TypeLayout.getTypeBufferCount(field.getDictionary().getIndexType());
    }
    if (!TypeLayout.getTypeLayout(field.getType()).isFixedBufferCount()) {
      throw InputException.in(
          file,
          "column " + field.getName(),
          "its type " + field.getType() + " is not read",
          "write the file with utf8 columns");
    }
    int buffers = TypeLayout.getTypeBufferCount(field.getType());
    for (Field child : field.getChildren()) {
      buffers += buffers(child);
    }
    return buffers;
  }

  /** The fault of a file that contradicts itself. */
  InputException damaged(String where, Exception cause) {
    String detail = cause.getMessage() == null ? "" : ": " + cause.getMessage();
    String problem = "the Arrow data is damaged" + detail;
    var fault = InputException.in(file, where, problem, "write or copy the file again");
    fault.initCause(cause);
    return fault;
  }

  /** Unmaps the file: every segment taken from it is void. */
  @Override
  public void close() {
    if (arena.scope().isAlive()) {
      allocator.close();
      arena.close();
    }
  }
}
