package io.github.simcse4j.model;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import io.github.simcse4j.files.AtomicFile;
import io.github.simcse4j.tensor.DType;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Writes safetensors files, byte for byte as the reference implementation does: widest types first,
 * then by name, and a header padded with spaces to a multiple of 8 so that the data is aligned.
 */
public final class SafetensorsWriter {

  /** The reference's order of types, which it writes from the last to the first. */
  private static final List<DType> ORDER =
      List.of(DType.U8, DType.F16, DType.BF16, DType.I32, DType.F32, DType.F64, DType.I64);

  private static final long CHUNK_BYTES = 16L << 20;

  private SafetensorsWriter() {}

  /**
   * Writes a whole file beside {@code target} and renames it into place.
   *
   * @param metadata strings for {@code __metadata__}; other libraries ask for {@code format=pt}
   * @param tensors with distinct names, in any order
   */
  public static void write(Path target, Map<String, String> metadata, List<NamedTensor> tensors)
      throws IOException {
    List<NamedTensor> ordered = new ArrayList<>(tensors);
    ordered.sort(
        Comparator.comparingInt((NamedTensor t) -> ORDER.indexOf(t.dtype()))
            .reversed()
            .thenComparing(NamedTensor::name));
    ByteBuffer head = head(metadata, ordered);
    AtomicFile.write(
        target,
        channel -> {
          writeFully(channel, head);
          for (NamedTensor tensor : ordered) {
            writeData(channel, tensor.data());
          }
        });
  }

  private static ByteBuffer head(Map<String, String> metadata, List<NamedTensor> tensors)
      throws IOException {
    var json = new ByteArrayOutputStream();
    try (JsonGenerator out = new JsonFactory().createGenerator(json)) {
      out.writeStartObject();
      if (!metadata.isEmpty()) {
        out.writeObjectFieldStart(SafetensorsHeader.METADATA);
        for (var entry : metadata.entrySet()) {
          out.writeStringField(entry.getKey(), entry.getValue());
        }
        out.writeEndObject();
      }
      writeItems(out, tensors);
      out.writeEndObject();
    }
    while (json.size() % Long.BYTES != 0) {
      json.write(' ');
    }
    ByteBuffer head = ByteBuffer.allocate(Long.BYTES + json.size()).order(ByteOrder.LITTLE_ENDIAN);
    return head.putLong(json.size()).put(json.toByteArray()).flip();
  }

  private static void writeItems(JsonGenerator out, List<NamedTensor> tensors) throws IOException {
    Set<String> names = new HashSet<>();
    long offset = 0;
    for (NamedTensor tensor : tensors) {
      if (!names.add(tensor.name())) {
        throw new IllegalArgumentException("two tensors are named '" + tensor.name() + "'");
      }
      long end = Math.addExact(offset, tensor.data().byteSize());
      out.writeObjectFieldStart(tensor.name());
      out.writeStringField("dtype", tensor.dtype().name());
      out.writeFieldName("shape");
      long[] extents = tensor.shape().extents();
      out.writeArray(extents, 0, extents.length);
      out.writeFieldName("data_offsets");
      out.writeArray(new long[] {offset, end}, 0, 2);
      out.writeEndObject();
      offset = end;
    }
  }

  private static void writeData(FileChannel channel, MemorySegment data) throws IOException {
    for (long at = 0; at < data.byteSize(); at += CHUNK_BYTES) {
      long size = Math.min(CHUNK_BYTES, data.byteSize() - at);
      writeFully(channel, bytes(data.asSlice(at, size)));
    }
  }

  /** Arrays other than of bytes have no buffer view and are copied. */
  private static ByteBuffer bytes(MemorySegment chunk) {
    return chunk.isNative()
        ? chunk.asByteBuffer()
        : ByteBuffer.wrap(chunk.toArray(ValueLayout.JAVA_BYTE));
  }

  private static void writeFully(FileChannel channel, ByteBuffer bytes) throws IOException {
    while (bytes.hasRemaining()) {
      channel.write(bytes);
    }
  }
}
