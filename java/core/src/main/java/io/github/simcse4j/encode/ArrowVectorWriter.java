package io.github.simcse4j.encode;

import io.github.simcse4j.data.ArrowVectors;
import io.github.simcse4j.files.InputException;
import io.github.simcse4j.files.PendingFile;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/**
 * Writes an Arrow IPC file with the columns {@code text: utf8} (optional) and {@code vector:
 * fixed_size_list<float>[H]}.
 */
public final class ArrowVectorWriter implements VectorWriter {

  private final Path file;
  private final PendingFile pending;
  private final ArrowVectors vectors;

  private ArrowVectorWriter(Path file, PendingFile pending, ArrowVectors vectors) {
    this.file = file;
    this.pending = pending;
    this.vectors = vectors;
  }

  /**
   * Starts a file.
   *
   * @param width H, numbers of a vector
   * @param withText whether the sentences are written too
   * @throws InputException where it cannot be written there
   */
  public static ArrowVectorWriter open(Path file, int width, boolean withText) {
    VectorWriters.checkWidth(width);
    PendingFile pending = VectorWriters.begin(file);
    try {
      return new ArrowVectorWriter(
          file, pending, new ArrowVectors(pending.channel(), width, withText));
    } catch (IOException e) {
      throw VectorWriters.abandoned(file, pending, e);
    }
  }

  @Override
  public void write(List<String> texts, float[] rows, int count) {
    try {
      vectors.write(texts, rows, count);
    } catch (IOException e) {
      throw VectorWriters.unwritable(file, e);
    }
  }

  @Override
  public void commit() {
    try {
      vectors.finish();
      pending.commit();
    } catch (IOException e) {
      throw VectorWriters.unwritable(file, e);
    }
  }

  @Override
  public void close() {
    vectors.close();
    VectorWriters.close(file, pending);
  }
}
