package io.github.simcse4j.kernels;

import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Tensor;
import java.util.EnumSet;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** From the vectors of tokens to the vector of a sentence. */
interface PoolingContract extends KernelsContract {

  @ParameterizedTest
  @EnumSource
  default void pooling(BatchShape shape) {
    for (PoolingMode mode : PoolingMode.values()) {
      for (int hidden : LayerNormContract.HIDDEN) {
        for (DType type : EnumSet.of(dtype(), Kernels.accumulator(dtype()))) {
          for (boolean accumulate : new boolean[] {false, true}) {
            pooling(shape, mode, hidden, type, accumulate, false);
          }
          pooling(shape, mode, hidden, type, false, true);
        }
      }
    }
  }

  private void pooling(
      BatchShape shape,
      PoolingMode mode,
      int hidden,
      DType type,
      boolean accumulate,
      boolean spikes) {
    check(
        "pooling",
        "%s, %s of %d channels to %s%s%s"
            .formatted(
                shape, mode, hidden, type, accumulate ? ", added" : "", spikes ? ", outliers" : ""),
        fixture -> {
          DType own = type == dtype() ? fixture.dtype() : fixture.accumulator();
          PackedBatch batch = shape.batch(fixture);
          int vectors = batch.embeddings();
          long count = (long) batch.rows() * hidden;
          double[] values = spikes ? fixture.spiky(count) : fixture.normal(count);
          for (int i = 0; i < count; i++) {
            // Halves, so that the largest value of a channel is not the only one of its size.
            values[i] = Math.rint(2 * values[i]) / 2;
          }
          Tensor states = fixture.input(fixture.dtype(), values, batch.rows(), hidden);
          double[] before = fixture.normal((long) vectors * hidden);
          Tensor out =
              accumulate
                  ? fixture.inOut(own, before, vectors, hidden)
                  : fixture.output(own, vectors, hidden);
          Tensor argmax =
              mode == PoolingMode.MAX ? fixture.output(DType.I32, vectors, hidden) : null;
          fixture.kernels().poolingForward(batch, mode, states, 0.5f, accumulate, out, argmax);
          fixture.result("out", out);
          if (argmax != null) {
            fixture.result("argmax", argmax);
          }

          Tensor dOut =
              fixture.input(own, fixture.normal((long) vectors * hidden), vectors, hidden);
          Tensor dHidden =
              fixture.inOut(fixture.dtype(), fixture.normal(count), batch.rows(), hidden);
          fixture.kernels().poolingBackward(batch, mode, dOut, 0.5f, argmax, dHidden);
          fixture.result("dHidden", dHidden);
        });
  }
}
