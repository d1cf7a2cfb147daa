package io.github.simcse4j.model;

import io.github.simcse4j.files.InputException;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Shape;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * A memory-mapped safetensors file: 8 bytes of header length, a JSON header, then the tensors.
 * Everything the header says is checked when the file is opened, so that an entry's memory lies in
 * the file and has the size its shape asks for. Immutable.
 */
public final class Safetensors {

  /** The reference implementation's limit on the header, in bytes. */
  private static final long MAX_HEADER_BYTES = 100_000_000;

  private static final ValueLayout.OfLong LENGTH =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  /**
   * One tensor of the file.
   *
   * @param name its key
   * @param typeName the type as the file spells it, such as {@code F32}, {@code I8}, {@code BOOL}
   * @param dtype the type where the project computes with it; empty for the others, whose bytes are
   *     readable all the same
   * @param shape the extents, row-major
   * @param data the elements, little-endian, read-only, a view of the mapped file at any alignment;
   *     alive as long as the arena that the file was opened in
   */
  public record Entry(
      String name, String typeName, Optional<DType> dtype, Shape shape, MemorySegment data) {}

  private final Path file;
  private final Map<String, String> metadata;
  private final Map<String, Entry> entries;

  private Safetensors(Path file, Map<String, String> metadata, Map<String, Entry> entries) {
    this.file = file;
    this.metadata = Collections.unmodifiableMap(metadata);
    this.entries = Collections.unmodifiableMap(entries);
  }

  /**
   * Maps a file of any size and checks its header.
   *
   * @param arena owns the mapping
   * @throws InputException where the file is missing, unreadable, truncated or not what the format
   *     allows
   */
  public static Safetensors open(Path file, Arena arena) {
    MemorySegment map = map(file, arena);
    if (map.byteSize() < Long.BYTES) {
      throw InputException.in(
          file,
          "",
          "has " + map.byteSize() + " bytes, a safetensors file at least 8",
          SafetensorsHeader.REMEDY);
    }
    long length = map.get(LENGTH, 0);
    long available = map.byteSize() - Long.BYTES;
    if (length < 0 || length > available || length > MAX_HEADER_BYTES) {
      throw InputException.in(
          file,
          "bytes 0 to 7",
          "the header's length reads %s, but %d bytes follow and %d are allowed"
              .formatted(Long.toUnsignedString(length), available, MAX_HEADER_BYTES),
          SafetensorsHeader.REMEDY);
    }
    long dataStart = Long.BYTES + length;
    MemorySegment data = map.asSlice(dataStart);
    String json = decode(file, map.asSlice(Long.BYTES, length));
    var header = SafetensorsHeader.parse(file, json, dataStart, data.byteSize());
    Map<String, Entry> entries = new LinkedHashMap<>();
    for (var item : header.items().values()) {
      MemorySegment bytes = data.asSlice(item.begin(), item.end() - item.begin());
      entries.put(
          item.name(),
          new Entry(item.name(), item.typeName(), dtype(item.typeName()), item.shape(), bytes));
    }
    return new Safetensors(file, header.metadata(), entries);
  }

  /** The file that was opened. */
  public Path file() {
    return file;
  }

  /** The strings under {@code __metadata__}. */
  public Map<String, String> metadata() {
    return metadata;
  }

  /** The names of all tensors, in the order of the header. */
  public Set<String> names() {
    return entries.keySet();
  }

  /** All tensors by name, in the order of the header. */
  public Map<String, Entry> entries() {
    return entries;
  }

  /**
   * The tensor of this name.
   *
   * @throws InputException where the file has none
   */
  public Entry entry(String name) {
    Entry entry = entries.get(name);
    if (entry == null) {
      throw InputException.in(
          file, "tensor '" + name + "'", "is not in the file", "use a file that has this tensor");
    }
    return entry;
  }

  private static MemorySegment map(Path file, Arena arena) {
    if (!Files.isRegularFile(file)) {
      throw InputException.in(file, "", "is not a file", "give the path of a .safetensors file");
    }
    try (FileChannel channel = FileChannel.open(file)) {
      return channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
    } catch (IOException e) {
      throw new InputException(
          InputException.in(
                  file, "", "cannot be read (" + e + ")", "check its permissions and its disk")
              .getMessage(),
          e);
    }
  }

  private static String decode(Path file, MemorySegment header) {
    try {
      return StandardCharsets.UTF_8.newDecoder().decode(header.asByteBuffer()).toString();
    } catch (CharacterCodingException e) {
      throw InputException.in(file, "header", "is not UTF-8", SafetensorsHeader.REMEDY);
    }
  }

  private static Optional<DType> dtype(String typeName) {
    return Arrays.stream(DType.values()).filter(t -> t.name().equals(typeName)).findFirst();
  }
}
