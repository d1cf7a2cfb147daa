package io.github.simcse4j.encode;

import java.util.List;

/**
 * Writes sentence embeddings to a file, piece by piece. Only {@link #commit} makes the file;
 * closing without it leaves nothing behind.
 */
public interface VectorWriter extends AutoCloseable {

  /**
   * Adds rows.
   *
   * @param texts the sentences, one per row
   * @param vectors (rows, H), row after row; more numbers may follow
   * @param rows number of rows
   */
  void write(List<String> texts, float[] vectors, int rows);

  /** Ends the file and puts it in its place. */
  void commit();

  /** Frees what the writer holds. */
  @Override
  void close();
}
