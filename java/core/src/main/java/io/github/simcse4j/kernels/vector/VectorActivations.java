package io.github.simcse4j.kernels.vector;

import static io.github.simcse4j.kernels.vector.Floats.LANES;
import static io.github.simcse4j.kernels.vector.Floats.SPECIES;
import static io.github.simcse4j.kernels.vector.Floats.address;
import static io.github.simcse4j.kernels.vector.Floats.at;
import static io.github.simcse4j.kernels.vector.Floats.load;
import static io.github.simcse4j.kernels.vector.Floats.store;

import io.github.simcse4j.tensor.Tensor;
import jdk.incubator.vector.FloatVector;

/** What goes with a matrix product on the way back: activations and the gradient of a bias. */
final class VectorActivations {

  /**
   * Rows whose sum is taken on its own before it is added to the whole, which keeps rounding small.
   */
  private static final int ROWS = 64;

  private final WorkerPool pool;
  private final Scratch scratch;

  VectorActivations(WorkerPool pool, Scratch scratch) {
    this.pool = pool;
    this.scratch = scratch;
  }

  void geluBackward(Tensor preActivation, Tensor gradient) {
    FlatArrays.run(
        pool,
        scratch,
        gradient.elements(),
        2,
        (arrays, count) -> VectorMath.geluBackward(arrays[0], arrays[1], count),
        address(preActivation),
        address(gradient));
  }

  void tanhBackward(Tensor activation, Tensor gradient) {
    FlatArrays.run(
        pool,
        scratch,
        gradient.elements(),
        1,
        (arrays, count) -> tanhBackward(arrays[0], arrays[1], count),
        address(gradient),
        address(activation));
  }

  private static void tanhBackward(long gradient, long activation, int count) {
    for (int i = 0; i < count; i += LANES) {
      FloatVector y = load(at(activation, i));
      FloatVector slope = FloatVector.broadcast(SPECIES, 1f).sub(y.mul(y));
      store(load(at(gradient, i)).mul(slope), at(gradient, i));
    }
  }

  /** A task sums a strip of four vectors' columns over all rows. */
  void columnSum(Tensor x, Tensor sum) {
    int rows = Math.toIntExact(x.extent(0));
    int columns = Math.toIntExact(x.extent(1));
    long from = address(x);
    long to = address(sum);
    pool.run(
        Math.ceilDiv(columns, 4 * LANES),
        (strip, worker) -> {
          int first = strip * 4 * LANES;
          for (int row = 0; row < rows; row += ROWS) {
            int count = Math.min(ROWS, rows - row);
            long block = at(from, (long) row * columns);
            if (first + 4 * LANES <= columns) {
              sumWide(at(block, first), columns, count, at(to, first));
            } else {
              sumNarrow(at(block, first), columns, count, at(to, first), columns - first);
            }
          }
        });
  }

  private static void sumWide(long x, int stride, int rows, long sum) {
    FloatVector a = FloatVector.zero(SPECIES);
    FloatVector b = FloatVector.zero(SPECIES);
    FloatVector c = FloatVector.zero(SPECIES);
    FloatVector d = FloatVector.zero(SPECIES);
    for (int row = 0; row < rows; row++) {
      a = a.add(load(x));
      b = b.add(load(at(x, LANES)));
      c = c.add(load(at(x, 2 * LANES)));
      d = d.add(load(at(x, 3 * LANES)));
      x = at(x, stride);
    }
    store(load(sum).add(a), sum);
    store(load(at(sum, LANES)).add(b), at(sum, LANES));
    store(load(at(sum, 2 * LANES)).add(c), at(sum, 2 * LANES));
    store(load(at(sum, 3 * LANES)).add(d), at(sum, 3 * LANES));
  }

  private static void sumNarrow(long x, int stride, int rows, long sum, int columns) {
    for (int c = 0; c < columns; c += LANES) {
      FloatVector total = FloatVector.zero(SPECIES);
      for (int row = 0; row < rows; row++) {
        total = total.add(load(at(x, (long) row * stride), c, columns));
      }
      store(load(sum, c, columns).add(total), sum, c, columns);
    }
  }
}
