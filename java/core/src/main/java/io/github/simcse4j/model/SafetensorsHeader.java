package io.github.simcse4j.model;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import io.github.simcse4j.files.InputException;
import io.github.simcse4j.tensor.Shape;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The JSON header of a safetensors file, read token by token and checked as strictly as the
 * reference implementation does, plus what its format page demands and it lets pass (duplicate
 * tensor names, a first byte that is not <code>{</code>).
 *
 * <p>Format: https://github.com/huggingface/safetensors#format.
 */
final class SafetensorsHeader {

  static final String METADATA = "__metadata__";
  static final String REMEDY = "download, copy or save the file again";

  /** Deeper than any header is, and not deep enough for a nesting bomb. */
  private static final JsonFactory JSON =
      JsonFactory.builder()
          .streamReadConstraints(StreamReadConstraints.builder().maxNestingDepth(16).build())
          .build();

  /** Bits per element of every type name that the format knows. */
  private static final Map<String, Integer> BITS =
      Map.ofEntries(
          Map.entry("BOOL", 8),
          Map.entry("F4", 4),
          Map.entry("F6_E2M3", 6),
          Map.entry("F6_E3M2", 6),
          Map.entry("U8", 8),
          Map.entry("I8", 8),
          Map.entry("F8_E5M2", 8),
          Map.entry("F8_E4M3", 8),
          Map.entry("F8_E8M0", 8),
          Map.entry("F8_E4M3FNUZ", 8),
          Map.entry("F8_E5M2FNUZ", 8),
          Map.entry("I16", 16),
          Map.entry("U16", 16),
          Map.entry("F16", 16),
          Map.entry("BF16", 16),
          Map.entry("I32", 32),
          Map.entry("U32", 32),
          Map.entry("F32", 32),
          Map.entry("C64", 64),
          Map.entry("F64", 64),
          Map.entry("I64", 64),
          Map.entry("U64", 64));

  /** One tensor: its bytes are [begin, end) of the data that follows the header. */
  record Item(String name, String typeName, Shape shape, long begin, long end) {}

  private final Path file;
  private final Map<String, String> metadata = new LinkedHashMap<>();
  private final Map<String, Item> items = new LinkedHashMap<>();

  private SafetensorsHeader(Path file) {
    this.file = file;
  }

  /**
   * Reads and checks a header.
   *
   * @param file names the file in messages
   * @param json the header's text
   * @param dataStart where the data begins in the file, in bytes
   * @param dataLength how many bytes of data the file holds
   */
  static SafetensorsHeader parse(Path file, String json, long dataStart, long dataLength) {
    SafetensorsHeader header = new SafetensorsHeader(file);
    if (!json.startsWith("{")) {
      throw header.fault("header", "the first character is not '{'");
    }
    try (JsonParser parser = JSON.createParser(json)) {
      header.readRoot(parser);
    } catch (IOException e) {
      throw new InputException(
          InputException.in(file, "header", "is not valid JSON (" + firstLine(e) + ")", REMEDY)
              .getMessage(),
          e);
    }
    header.checkLayout(dataStart, dataLength);
    return header;
  }

  Map<String, String> metadata() {
    return metadata;
  }

  Map<String, Item> items() {
    return items;
  }

  static String firstLine(Exception e) {
    return String.valueOf(e.getMessage()).lines().findFirst().orElse("");
  }

  private void readRoot(JsonParser parser) throws IOException {
    parser.nextToken();
    boolean metadataSeen = false;
    while (parser.nextToken() == JsonToken.FIELD_NAME) {
      String name = parser.currentName();
      parser.nextToken();
      if (name.equals(METADATA)) {
        if (metadataSeen) {
          throw fault("header", "the key '" + METADATA + "' is there twice");
        }
        metadataSeen = true;
        readMetadata(parser);
      } else if (items.put(name, readItem(parser, name)) != null) {
        throw fault(place(name), "the name is there twice");
      }
    }
    if (parser.nextToken() != null) {
      throw fault("header", "something follows the closing '}'");
    }
  }

  private void readMetadata(JsonParser parser) throws IOException {
    if (parser.currentToken() == JsonToken.VALUE_NULL) {
      return;
    }
    expect(parser, JsonToken.START_OBJECT, METADATA, "an object of strings");
    while (parser.nextToken() == JsonToken.FIELD_NAME) {
      String key = parser.currentName();
      parser.nextToken();
      expect(parser, JsonToken.VALUE_STRING, METADATA, "a string for '" + key + "'");
      if (metadata.put(key, parser.getText()) != null) {
        throw fault(METADATA, "the key '" + key + "' is there twice");
      }
    }
  }

  private Item readItem(JsonParser parser, String name) throws IOException {
    expect(parser, JsonToken.START_OBJECT, place(name), "an object");
    String typeName = null;
    long[] extents = null;
    long[] offsets = null;
    while (parser.nextToken() == JsonToken.FIELD_NAME) {
      String key = parser.currentName();
      parser.nextToken();
      switch (key) {
        case "dtype" -> {
          once(typeName, name, key);
          expect(parser, JsonToken.VALUE_STRING, place(name), "a string for 'dtype'");
          typeName = parser.getText();
        }
        case "shape" -> {
          once(extents, name, key);
          extents = readSizes(parser, name, key);
        }
        case "data_offsets" -> {
          once(offsets, name, key);
          offsets = readSizes(parser, name, key);
        }
        default -> parser.skipChildren();
      }
    }
    if (typeName == null || extents == null || offsets == null) {
      throw fault(place(name), "'dtype', 'shape' and 'data_offsets' must all be there");
    }
    return checkedItem(name, typeName, extents, offsets);
  }

  private long[] readSizes(JsonParser parser, String name, String key) throws IOException {
    expect(parser, JsonToken.START_ARRAY, place(name), "a list for '" + key + "'");
    long[] values = new long[4];
    int count = 0;
    while (parser.nextToken() != JsonToken.END_ARRAY) {
      if (parser.currentToken() != JsonToken.VALUE_NUMBER_INT
          || parser.getNumberType() == JsonParser.NumberType.BIG_INTEGER
          || parser.getLongValue() < 0) {
        throw fault(place(name), "'" + key + "' may hold only integers from 0 to 2^63 - 1");
      }
      if (count == values.length) {
        values = Arrays.copyOf(values, 2 * count);
      }
      values[count++] = parser.getLongValue();
    }
    return Arrays.copyOf(values, count);
  }

  private Item checkedItem(String name, String typeName, long[] extents, long[] offsets) {
    Integer bits = BITS.get(typeName);
    if (bits == null) {
      throw fault(place(name), "the type '" + typeName + "' is unknown");
    }
    if (offsets.length != 2 || offsets[0] > offsets[1]) {
      throw fault(
          place(name),
          "data_offsets are " + Arrays.toString(offsets) + ", expected [begin, end] in this order");
    }
    Shape shape;
    long size;
    try {
      shape = Shape.of(extents);
      size = Math.multiplyExact(shape.elements(), (long) bits);
    } catch (ArithmeticException e) {
      throw fault(place(name), "the shape " + Arrays.toString(extents) + " overflows 64 bits");
    }
    long stored = offsets[1] - offsets[0];
    if (size % 8 != 0 || size / 8 != stored) {
      throw fault(
          place(name),
          "shape %s of %s needs %s bytes, but data_offsets %s hold %d"
              .formatted(shape, typeName, bytesOf(size), Arrays.toString(offsets), stored));
    }
    return new Item(name, typeName, shape, offsets[0], offsets[1]);
  }

  private static String bytesOf(long bits) {
    return bits % 8 == 0 ? Long.toString(bits / 8) : bits / 8.0 + "";
  }

  /** Tensors must cover the data exactly: no overlap, no hole, nothing after the last one. */
  private void checkLayout(long dataStart, long dataLength) {
    List<Item> ordered = new ArrayList<>(items.values());
    ordered.sort(Comparator.comparingLong(Item::begin).thenComparingLong(Item::end));
    long promised = ordered.stream().mapToLong(Item::end).max().orElse(0);
    if (promised > dataLength) {
      throw fault(
          "header",
          "promises %s bytes, the file has %d: it is truncated or its offsets are wrong"
              .formatted(Long.toUnsignedString(dataStart + promised), dataStart + dataLength));
    }
    long position = 0;
    String before = "the header";
    for (Item item : ordered) {
      if (item.begin() < position) {
        throw fault(place(item.name()), "its bytes overlap those of " + before);
      }
      if (item.begin() > position) {
        throw fault(
            place(item.name()),
            "%d bytes between it and %s belong to no tensor"
                .formatted(item.begin() - position, before));
      }
      position = item.end();
      before = place(item.name());
    }
    if (position != dataLength) {
      throw fault(
          "byte " + (dataStart + position),
          (dataLength - position) + " bytes after the last tensor belong to no tensor");
    }
  }

  private void once(Object seen, String name, String key) {
    if (seen != null) {
      throw fault(place(name), "the key '" + key + "' is there twice");
    }
  }

  private void expect(JsonParser parser, JsonToken token, String place, String what) {
    if (parser.currentToken() != token) {
      throw fault(place, "expected " + what);
    }
  }

  private static String place(String tensor) {
    return "tensor '" + tensor + "'";
  }

  private InputException fault(String place, String problem) {
    return InputException.in(file, place, problem, REMEDY);
  }
}
