package io.github.simcse4j.encode;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.util.MinimalPrettyPrinter;
import io.github.simcse4j.files.InputException;
import io.github.simcse4j.files.PendingFile;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.nio.channels.Channels;
import java.nio.file.Path;
import java.util.List;

/**
 * Writes JSON lines: {@code {"text":"...","vector":[...]}}, one object for each sentence, in UTF-8.
 * Numbers are the shortest that read back as the same float.
 */
public final class JsonlVectorWriter implements VectorWriter {

  private final Path file;
  private final PendingFile pending;
  private final JsonGenerator json;
  private final int width;
  private final boolean withText;
  private boolean empty = true;

  private JsonlVectorWriter(
      Path file, PendingFile pending, JsonGenerator json, int width, boolean withText) {
    this.file = file;
    this.pending = pending;
    this.json = json;
    this.width = width;
    this.withText = withText;
  }

  /**
   * Starts a file.
   *
   * @param width H, numbers of a vector
   * @param withText whether the sentences are written too
   * @throws InputException where it cannot be written there
   */
  public static JsonlVectorWriter open(Path file, int width, boolean withText) {
    VectorWriters.checkWidth(width);
    PendingFile pending = VectorWriters.begin(file);
    try {
      JsonGenerator json =
          new JsonFactory()
              .createGenerator(
                  new BufferedOutputStream(Channels.newOutputStream(pending.channel()), 1 << 16))
              .setPrettyPrinter(new MinimalPrettyPrinter("\n"));
      return new JsonlVectorWriter(file, pending, json, width, withText);
    } catch (IOException e) {
      throw VectorWriters.abandoned(file, pending, e);
    }
  }

  /**
   * {@inheritDoc}
   *
   * @throws IllegalArgumentException for a number that JSON cannot hold: not finite
   */
  @Override
  public void write(List<String> texts, float[] vectors, int rows) {
    VectorWriters.checkRows(vectors, rows, width);
    if (withText && texts.size() != rows) {
      throw new IllegalArgumentException(rows + " rows came with " + texts.size() + " texts");
    }
    empty &= rows == 0;
    try {
      for (int row = 0; row < rows; row++) {
        json.writeStartObject();
        if (withText) {
          json.writeStringField("text", texts.get(row));
        }
        json.writeArrayFieldStart("vector");
        for (int i = row * width; i < (row + 1) * width; i++) {
          writeNumber(vectors[i]);
        }
        json.writeEndArray();
        json.writeEndObject();
      }
    } catch (IOException e) {
      throw VectorWriters.unwritable(file, e);
    }
  }

  @Override
  public void commit() {
    try {
      if (!empty) {
        json.writeRaw('\n');
      }
      json.flush();
      pending.commit();
    } catch (IOException e) {
      throw VectorWriters.unwritable(file, e);
    }
  }

  @Override
  public void close() {
    // The generator holds bytes alone, and these go with the file; closing it would write the rest.
    VectorWriters.close(file, pending);
  }

  private void writeNumber(float number) throws IOException {
    if (!Float.isFinite(number)) {
      throw new IllegalArgumentException(
          "a vector holds " + number + ", which JSON cannot express");
    }
    json.writeNumber(number);
  }
}
