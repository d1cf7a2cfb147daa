package io.github.simcse4j.model;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.util.DefaultIndenter;
import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import com.fasterxml.jackson.core.util.Separators;
import io.github.simcse4j.files.InputException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A small JSON file of settings as a tree that keeps the order of its keys and the digits of its
 * numbers, so that what is written again differs only where it was changed. Values are Map, List,
 * String, Long, BigInteger, BigDecimal, Boolean and null. Invalid UTF-8, duplicate keys and deep
 * nesting are refused.
 *
 * @param file where it was read, for messages
 * @param members the keys and values, in order
 */
record JsonObject(Path file, Map<String, Object> members) {

  /**
   * Deep enough for any settings; parsing recurses, so a nesting bomb must end before the stack.
   */
  private static final JsonFactory JSON =
      JsonFactory.builder()
          .streamReadConstraints(StreamReadConstraints.builder().maxNestingDepth(64).build())
          .build();

  private static final long MAX_BYTES = 64L << 20;
  private static final String REMEDY = "correct the file or download it again";

  /** Reads a file that holds one object. */
  static JsonObject read(Path file) {
    return of(file, "", parse(file));
  }

  /** Reads a file that holds a list of objects. */
  static List<JsonObject> readList(Path file) {
    if (!(parse(file) instanceof List<?> values)) {
      throw InputException.in(file, "", "is not a JSON list", REMEDY);
    }
    List<JsonObject> objects = new ArrayList<>();
    for (Object value : values) {
      objects.add(of(file, "entry " + objects.size(), value));
    }
    return objects;
  }

  /** The tree as indented JSON in UTF-8, ending in a line feed. */
  static byte[] bytes(Object tree) {
    var bytes = new ByteArrayOutputStream();
    var indenter = new DefaultIndenter("  ", "\n");
    var separators =
        Separators.createDefaultInstance().withObjectFieldValueSpacing(Separators.Spacing.AFTER);
    var printer = new DefaultPrettyPrinter(separators);
    printer.indentObjectsWith(indenter);
    printer.indentArraysWith(indenter);
    try (JsonGenerator out = JSON.createGenerator(bytes)) {
      out.setPrettyPrinter(printer);
      write(out, tree);
      out.writeRaw('\n');
    } catch (IOException e) {
      throw new IllegalStateException("writing JSON to memory failed", e);
    }
    return bytes.toByteArray();
  }

  boolean has(String key) {
    return members.get(key) != null;
  }

  /** The string, or {@code otherwise} where the key is absent or null. */
  String string(String key, String otherwise) {
    return switch (members.get(key)) {
      case null -> otherwise;
      case String value -> value;
      case Object value -> throw fault(key, value, "a string");
    };
  }

  String string(String key) {
    return required(key, string(key, null));
  }

  /** The integer, or {@code otherwise} where the key is absent or null. */
  int integer(String key, int otherwise) {
    return switch (members.get(key)) {
      case null -> otherwise;
      case Long value when value == value.intValue() -> value.intValue();
      case Object value -> throw fault(key, value, "an integer of at most 32 bits");
    };
  }

  int integer(String key) {
    required(key, members.get(key));
    return integer(key, 0);
  }

  /** The number, or {@code otherwise} where the key is absent or null. */
  BigDecimal decimal(String key, String otherwise) {
    return switch (members.get(key)) {
      case null -> new BigDecimal(otherwise);
      case Long value -> BigDecimal.valueOf(value);
      case BigDecimal value -> value;
      case Object value -> throw fault(key, value, "a number");
    };
  }

  /** The truth value, or {@code otherwise} where the key is absent or null. */
  boolean bool(String key, boolean otherwise) {
    return switch (members.get(key)) {
      case null -> otherwise;
      case Boolean value -> value;
      case Object value -> throw fault(key, value, "true or false");
    };
  }

  /** The object under a key. */
  JsonObject object(String key) {
    return of(file, "key '" + key + "'", required(key, members.get(key)));
  }

  InputException fault(String key, Object found, String expected) {
    return InputException.in(
        file, "key '" + key + "'", "is " + shown(found) + ", expected " + expected, REMEDY);
  }

  private <T> T required(String key, T value) {
    if (value == null) {
      throw InputException.in(file, "key '" + key + "'", "is missing", REMEDY);
    }
    return value;
  }

  private static String shown(Object value) {
    String text = new String(bytes(value), StandardCharsets.UTF_8).strip();
    return text.length() > 60 ? text.substring(0, 60) + "..." : text;
  }

  @SuppressWarnings("unchecked") // parse() makes maps with string keys only
  private static JsonObject of(Path file, String place, Object value) {
    if (value instanceof Map<?, ?> members) {
      return new JsonObject(file, (Map<String, Object>) members);
    }
    throw InputException.in(file, place, "is not a JSON object", REMEDY);
  }

  private static Object parse(Path file) {
    if (!Files.isRegularFile(file)) {
      throw InputException.in(file, "", "is not there", "use a complete model folder");
    }
    try (JsonParser parser = JSON.createParser(text(file))) {
      parser.nextToken();
      Object value = value(parser, file);
      if (parser.nextToken() != null) {
        throw InputException.in(file, "", "has text after its JSON value", REMEDY);
      }
      return value;
    } catch (IOException e) {
      String problem = "is not readable JSON (" + SafetensorsHeader.firstLine(e) + ")";
      throw new InputException(InputException.in(file, "", problem, REMEDY).getMessage(), e);
    }
  }

  private static String text(Path file) throws IOException {
    long size = Files.size(file);
    if (size > MAX_BYTES) {
      throw InputException.in(
          file, "", "has " + size + " bytes, more than settings of a model can have", REMEDY);
    }
    try {
      ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(file));
      return StandardCharsets.UTF_8.newDecoder().decode(bytes).toString();
    } catch (CharacterCodingException e) {
      throw InputException.in(file, "", "is not UTF-8", REMEDY);
    }
  }

  private static Object value(JsonParser parser, Path file) throws IOException {
    return switch (parser.currentToken()) {
      case null -> throw InputException.in(file, "", "is empty", REMEDY);
      case START_OBJECT -> {
        Map<String, Object> members = new LinkedHashMap<>();
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
          String key = parser.currentName();
          parser.nextToken();
          boolean twice = members.containsKey(key);
          members.put(key, value(parser, file));
          if (twice) {
            throw InputException.in(file, "key '" + key + "'", "is there twice", REMEDY);
          }
        }
        yield members;
      }
      case START_ARRAY -> {
        List<Object> values = new ArrayList<>();
        while (parser.nextToken() != JsonToken.END_ARRAY) {
          values.add(value(parser, file));
        }
        yield values;
      }
      case VALUE_STRING -> parser.getText();
      case VALUE_NUMBER_INT -> {
        BigInteger integer = parser.getBigIntegerValue();
        yield integer.bitLength() < Long.SIZE ? (Object) integer.longValue() : integer;
      }
      case VALUE_NUMBER_FLOAT -> parser.getDecimalValue();
      case VALUE_TRUE -> Boolean.TRUE;
      case VALUE_FALSE -> Boolean.FALSE;
      default -> null;
    };
  }

  private static void write(JsonGenerator out, Object value) throws IOException {
    switch (value) {
      case null -> out.writeNull();
      case Map<?, ?> members -> {
        out.writeStartObject();
        for (var member : members.entrySet()) {
          out.writeFieldName((String) member.getKey());
          write(out, member.getValue());
        }
        out.writeEndObject();
      }
      case List<?> values -> {
        out.writeStartArray();
        for (Object element : values) {
          write(out, element);
        }
        out.writeEndArray();
      }
      case String text -> out.writeString(text);
      case Boolean truth -> out.writeBoolean(truth);
      case BigInteger number -> out.writeNumber(number);
      case BigDecimal number -> out.writeNumber(number);
      case Integer number -> out.writeNumber(number);
      case Long number -> out.writeNumber(number);
      case Double number -> out.writeNumber(number);
      default -> throw new IllegalArgumentException("no JSON for a " + value.getClass());
    }
  }
}
