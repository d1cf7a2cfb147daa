package io.github.simcse4j.tokenizer;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadFeature;
import io.github.simcse4j.files.InputException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** A JSON object that knows file and place, so that a missing or mistyped field can be named. */
final class JsonObject {

  static final String REMEDY =
      "save the tokenizer again with AutoTokenizer.from_pretrained(...).save_pretrained(...)";

  private final Path file;
  private final String place;
  private final Map<String, Object> fields;

  private JsonObject(Path file, String place, Map<String, Object> fields) {
    this.file = file;
    this.place = place;
    this.fields = fields;
  }

  /** Reads a file that is one object. */
  static JsonObject read(Path file) {
    byte[] bytes = TextFile.read(file);
    JsonFactory factory =
        JsonFactory.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
            .disable(JsonFactory.Feature.CANONICALIZE_FIELD_NAMES)
            .build();
    try (JsonParser parser = factory.createParser(bytes)) {
      parser.nextToken();
      Object value = value(parser);
      if (parser.nextToken() != null) {
        throw InputException.in(file, "", "text follows the JSON value", REMEDY);
      }
      return object(file, "", value);
    } catch (JsonProcessingException e) {
      String where =
          e.getLocation() == null
              ? ""
              : "line " + e.getLocation().getLineNr() + ", column " + e.getLocation().getColumnNr();
      String problem = e.getOriginalMessage().lines().findFirst().orElse("");
      throw InputException.in(file, where, "no valid JSON (" + problem + ")", REMEDY);
    } catch (IOException e) {
      throw new InputException(file + ": cannot be read as JSON (" + e.getMessage() + ").", e);
    }
  }

  private static Object value(JsonParser parser) throws IOException {
    JsonToken token = parser.currentToken();
    if (token == null) {
      return null;
    }
    return switch (token) {
      case START_OBJECT -> {
        var fields = new LinkedHashMap<String, Object>();
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
          String name = parser.currentName();
          parser.nextToken();
          fields.put(name, value(parser));
        }
        yield fields;
      }
      case START_ARRAY -> {
        var values = new ArrayList<Object>();
        while (parser.nextToken() != JsonToken.END_ARRAY) {
          values.add(value(parser));
        }
        yield values;
      }
      case VALUE_STRING -> parser.getText();
      case VALUE_NUMBER_INT, VALUE_NUMBER_FLOAT -> parser.getNumberValue();
      case VALUE_TRUE -> true;
      case VALUE_FALSE -> false;
      default -> null;
    };
  }

  @SuppressWarnings("unchecked")
  private static JsonObject object(Path file, String place, Object value) {
    if (!(value instanceof Map)) {
      throw InputException.in(file, place, "expected a JSON object", REMEDY);
    }
    return new JsonObject(file, place, (Map<String, Object>) value);
  }

  /** Stands for a file that is not there. */
  static JsonObject empty(Path file) {
    return new JsonObject(file, "", Map.of());
  }

  Path file() {
    return file;
  }

  /** Names, in the order of the file. */
  Iterable<String> names() {
    return fields.keySet();
  }

  int size() {
    return fields.size();
  }

  boolean isObject(String name) {
    return fields.get(name) instanceof Map;
  }

  /** Whether a field is there and not null. */
  boolean has(String name) {
    return fields.get(name) != null;
  }

  JsonObject object(String name) {
    return object(file, path(name), fields.get(name));
  }

  /** A list of objects. */
  List<JsonObject> objects(String name) {
    var found = new ArrayList<JsonObject>();
    for (Object value : list(name)) {
      found.add(object(file, path(name) + "[" + found.size() + "]", value));
    }
    return found;
  }

  List<?> list(String name) {
    if (fields.get(name) instanceof List<?> values) {
      return values;
    }
    throw fault(name, "expected a list");
  }

  String string(String name) {
    if (fields.get(name) instanceof String text) {
      return text;
    }
    throw fault(name, "expected a string");
  }

  String string(String name, String fallback) {
    return has(name) ? string(name) : fallback;
  }

  boolean bool(String name, boolean fallback) {
    if (!has(name)) {
      return fallback;
    }
    if (fields.get(name) instanceof Boolean flag) {
      return flag;
    }
    throw fault(name, "expected true or false");
  }

  /** A number of 0 to 2^31 - 1. */
  int count(String name) {
    if (fields.get(name) instanceof Integer number && number >= 0) {
      return number;
    }
    throw fault(name, "expected a whole number of 0 to " + Integer.MAX_VALUE);
  }

  /** The fault of one field. */
  InputException fault(String name, String problem) {
    Object value = fields.get(name);
    String found =
        value instanceof Map
            ? "an object"
            : value instanceof List ? "a list" : String.valueOf(value);
    return InputException.in(
        file, path(name), problem + ", found " + TextFile.excerpt(found), REMEDY);
  }

  private String path(String name) {
    String shown = TextFile.excerpt(name);
    return place.isEmpty() ? "field " + shown : place + "." + shown;
  }
}
