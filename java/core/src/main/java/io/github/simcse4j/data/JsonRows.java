package io.github.simcse4j.data;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import io.github.simcse4j.files.InputException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * JSON Lines: every line is an object, whose keys are the columns, or an array. Where no columns
 * are selected they are the ones that hold strings in the first row. A null is an empty cell.
 */
final class JsonRows implements RowReader {

  private final LineSource lines;
  private final JsonFactory json =
      JsonFactory.builder()
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          .streamReadConstraints(
              StreamReadConstraints.builder().maxStringLength(LineSource.LONGEST_LINE).build())
          .build();
  private final CellBuffer cells = new CellBuffer();
  private List<String> keys = List.of();
  private String[] values = {};
  private boolean held;

  private JsonRows(LineSource lines) {
    this.lines = lines;
  }

  /** Reads the first row to learn its columns. */
  static JsonRows open(LineSource lines, Columns columns) {
    var rows = new JsonRows(lines);
    do {
      if (!lines.next()) {
        throw InputException.in(
            lines.file(), "", "the file has no row", "give a file with one JSON object per line");
      }
    } while (rows.lineIsBlank());
    Map<String, String> first = rows.firstRow();
    List<String> names = new ArrayList<>();
    first.forEach((key, value) -> {
      if (!columns.isAll() || value != null) {
        names.add(key);
      }
    });
    int[] positions = columns.positions(lines.file(), names);
    rows.keys = java.util.Arrays.stream(positions).mapToObj(names::get).toList();
    rows.values = new String[positions.length];
    rows.select();
    rows.held = true;
    return rows;
  }

  @Override
  public boolean next() {
    if (held) {
      held = false;
      return true;
    }
    if (!lines.next()) {
      return false;
    }
    select();
    return true;
  }

  private boolean lineIsBlank() {
    for (int i = lines.from(); i < lines.to(); i++) {
      if (lines.buffer()[i] > ' ' || lines.buffer()[i] < 0) {
        return false;
      }
    }
    return true;
  }

  private JsonParser parser() throws IOException {
    return json.createParser(lines.buffer(), lines.from(), lines.to() - lines.from());
  }

  /** All columns of the current line in order, with null for what is no string. */
  private Map<String, String> firstRow() {
    Map<String, String> row = new LinkedHashMap<>();
    readRow((key, parser) -> {
      row.put(key, parser.currentToken() == JsonToken.VALUE_STRING ? parser.getText() : null);
      parser.skipChildren();
    });
    return row;
  }

  private void select() {
    cells.clear();
    if (lineIsBlank()) {
      keys.forEach(key -> cells.endCell());
      return;
    }
    java.util.Arrays.fill(values, null);
    readRow(this::take);
    for (int i = 0; i < values.length; i++) {
      if (values[i] == null) {
        throw fault("column " + keys.get(i) + " is missing", "give every row the same columns");
      }
      try {
        ByteBuffer utf8 = StandardCharsets.UTF_8.newEncoder().encode(CharBuffer.wrap(values[i]));
        cells.append(utf8.array(), utf8.position(), utf8.limit());
      } catch (CharacterCodingException e) {
        throw fault("column " + keys.get(i) + " has half of a surrogate pair", "mend the row");
      }
      cells.endCell();
    }
  }

  private void take(String key, JsonParser parser) throws IOException {
    if (!keys.contains(key)) {
      parser.skipChildren();
      return;
    }
    String value =
        switch (parser.currentToken()) {
          case VALUE_STRING -> parser.getText();
          case VALUE_NULL -> "";
          default -> throw fault("column " + key + " is no string", "choose others with --columns");
        };
    for (int i = 0; i < values.length; i++) {
      if (keys.get(i).equals(key)) {
        values[i] = value;
      }
    }
  }

  /**
   * Receives a column with the parser at the first token of its value, and passes over the value.
   */
  @FunctionalInterface
  private interface Column {
    void accept(String key, JsonParser parser) throws IOException;
  }

  private void readRow(Column column) {
    try (JsonParser parser = parser()) {
      JsonToken open = parser.nextToken();
      if (open == JsonToken.START_OBJECT) {
        while (parser.nextToken() != JsonToken.END_OBJECT) {
          String key = parser.currentName();
          parser.nextToken();
          column.accept(key, parser);
        }
      } else if (open == JsonToken.START_ARRAY) {
        for (int i = 0; parser.nextToken() != JsonToken.END_ARRAY; i++) {
          column.accept(Integer.toString(i), parser);
        }
      } else {
        throw fault("expected a JSON object or array", "write one per line");
      }
      if (parser.nextToken() != null) {
        throw fault("text follows the JSON value", "write one value per line");
      }
    } catch (JsonProcessingException e) {
      throw fault("no valid JSON: " + e.getOriginalMessage(), "mend the line");
    } catch (IOException e) {
      throw fault("no valid JSON: " + e.getMessage(), "save the file as UTF-8 JSON Lines");
    }
  }

  private InputException fault(String problem, String remedy) {
    return InputException.in(file(), place(), problem, remedy);
  }

  @Override
  public int columns() {
    return keys.size();
  }

  @Override
  public byte[] bytes(int column) {
    return cells.bytes();
  }

  @Override
  public int from(int column) {
    return cells.from(column);
  }

  @Override
  public int to(int column) {
    return cells.to(column);
  }

  @Override
  public Path file() {
    return lines.file();
  }

  @Override
  public String place() {
    return "line " + lines.line();
  }

  @Override
  public void close() {
    lines.close();
  }
}
