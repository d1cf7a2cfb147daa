package io.github.simcse4j.kernels.vector;

import static io.github.simcse4j.kernels.vector.Floats.at;
import static io.github.simcse4j.kernels.vector.Floats.get;
import static io.github.simcse4j.kernels.vector.Floats.getInt;
import static io.github.simcse4j.kernels.vector.Floats.put;

import io.github.simcse4j.kernels.Contrast;

/**
 * Some logits, or their gradients, with queries as rows and keys as columns or the other way round.
 *
 * @param numbers the block, {@link LogitBlocks#WIDTH} numbers a row
 * @param row first row
 * @param rows how many
 * @param column first column
 * @param columns how many
 */
record LogitBlock(
    long numbers, int row, int rows, int column, int columns, boolean queriesAreRows) {

  long row(int i) {
    return at(numbers, (long) i * LogitBlocks.WIDTH);
  }

  /** Turns cosines into logits. */
  void toLogits(Contrast contrast) {
    for (int i = 0; i < rows; i++) {
      SoftmaxRows.scale(row(i), columns, 1 / contrast.temperature());
    }
    if (contrast.ownNegativeBias() != 0f) {
      for (int query = firstQuery(); query < endQuery(); query++) {
        add(query, contrast.ownNegativeOffset() + query, contrast.ownNegativeBias());
      }
    }
  }

  /** Turns logits into the gradients of {@code factor * loss * N}. */
  void toGradients(long targets, long lse, float factor) {
    for (int i = 0; i < rows; i++) {
      if (queriesAreRows) {
        SoftmaxRows.exponentials(row(i), columns, get(at(lse, row + i)), 1f);
      } else {
        SoftmaxRows.exponentialsLess(row(i), at(lse, column), columns);
      }
    }
    for (int query = firstQuery(); query < endQuery(); query++) {
      add(query, getInt(targets + 4L * query), -1f);
    }
    for (int i = 0; i < rows; i++) {
      SoftmaxRows.scale(row(i), columns, factor);
    }
  }

  private int firstQuery() {
    return queriesAreRows ? row : column;
  }

  private int endQuery() {
    return queriesAreRows ? row + rows : column + columns;
  }

  /** Adds to one number, if the block has it. */
  private void add(int query, int key, float value) {
    int i = (queriesAreRows ? query : key) - row;
    int j = (queriesAreRows ? key : query) - column;
    if (i >= 0 && i < rows && j >= 0 && j < columns) {
      long place = at(row(i), j);
      put(place, get(place) + value);
    }
  }
}
