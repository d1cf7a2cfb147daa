package io.github.simcse4j.kernels.vector;

import static io.github.simcse4j.kernels.vector.Floats.LANES;
import static io.github.simcse4j.kernels.vector.Floats.at;
import static io.github.simcse4j.kernels.vector.Floats.get;
import static io.github.simcse4j.kernels.vector.Floats.load;
import static io.github.simcse4j.kernels.vector.Floats.put;
import static io.github.simcse4j.kernels.vector.Floats.store;

import jdk.incubator.vector.FloatVector;

/**
 * One side of the contrastive loss: its vectors at length 1 in scratch, and as panels.
 *
 * @param vectors as given (count, hidden)
 * @param norms their lengths (count)
 * @param count how many
 * @param hidden channels
 * @param units at length 1 (count, hidden); a vector of length 0 stays 0
 */
record UnitRows(long vectors, long norms, int count, int hidden, long units) {

  /** Numbers of scratch for {@code units}. */
  static long scratch(int count, int hidden) {
    return Scratch.aligned((long) count * hidden);
  }

  long unit(int row) {
    return at(units, (long) row * hidden);
  }

  /** Measures and writes the lengths. */
  void measure(WorkerPool pool) {
    RowChunks.run(
        pool,
        count,
        hidden,
        (first, end, chunk, worker) -> {
          for (int row = first; row < end; row++) {
            long x = at(vectors, (long) row * hidden);
            put(at(norms, row), (float) Math.sqrt(SoftmaxRows.dot(x, x, hidden)));
          }
        });
  }

  /** Writes the units. */
  void normalise(WorkerPool pool) {
    RowChunks.run(
        pool,
        count,
        hidden,
        (first, end, chunk, worker) -> {
          for (int row = first; row < end; row++) {
            multiply(at(vectors, (long) row * hidden), inverseNorm(row), unit(row), hidden);
          }
        });
  }

  /** Takes the gradient of a unit to that of its vector, in place: (d - u (u . d)) / norm. */
  void throughNormalisation(int row, long d) {
    float inverse = inverseNorm(row);
    float along = SoftmaxRows.dot(unit(row), d, hidden) * inverse;
    for (int i = 0; i < hidden; i += LANES) {
      FloatVector across = load(d, i, hidden).mul(inverse);
      store(across.sub(load(unit(row), i, hidden).mul(along)), d, i, hidden);
    }
  }

  private float inverseNorm(int row) {
    float norm = get(at(norms, row));
    return norm == 0f ? 0f : 1f / norm;
  }

  private static void multiply(long x, float factor, long out, int n) {
    for (int i = 0; i < n; i += LANES) {
      store(load(x, i, n).mul(factor), out, i, n);
    }
  }
}
