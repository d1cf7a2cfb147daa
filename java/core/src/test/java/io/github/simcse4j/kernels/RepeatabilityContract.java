package io.github.simcse4j.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import io.github.simcse4j.kernels.KernelsFixture.Result;
import io.github.simcse4j.random.Dropout;
import io.github.simcse4j.random.DropoutKey;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Tensor;
import java.util.Map;
import org.junit.jupiter.api.Test;

/**
 * The same bytes on the first call and on a late one. Java code is interpreted at first and
 * compiled later, and a sum over the lanes of a vector may be taken in another order then.
 */
interface RepeatabilityContract extends KernelsContract {

  /** Enough for every loop over a row to have been compiled. */
  default int lateCalls() {
    return 150;
  }

  /** What {@link #sums} gave before any test ran. */
  Map<String, Result> firstSums();

  @Test
  default void lateCallsGiveTheBytesOfTheFirst() {
    for (int call = 0; call < lateCalls(); call++) {
      Map<String, Result> late = sums(kernels(), dtype());
      for (Map.Entry<String, Result> entry : firstSums().entrySet()) {
        String label = entry.getKey() + " on call " + call + " of " + kernels().description();
        assertArrayEquals(entry.getValue().bytes(), late.get(entry.getKey()).bytes(), () -> label);
      }
    }
  }

  /** Every operation that adds numbers up, on fixed inputs. */
  static Map<String, Result> sums(Kernels kernels, DType dtype) {
    try (KernelsFixture fixture = new KernelsFixture(kernels, dtype, 1)) {
      // Of no full vectors, where the backend takes such heads.
      int hidden = kernels.traits().headSizes().isEmpty() ? 66 : 64;
      PackedBatch batch = BatchShape.AROUND_16.batch(fixture);
      int rows = batch.rows();
      Tensor x = fixture.activations(rows, hidden);
      Tensor sum = fixture.inOut(dtype, fixture.values(x), rows, hidden);
      Tensor out = fixture.output(rows, hidden);
      LayerNorm norm = fixture.layerNorm(hidden);
      Dropout dropout = DropoutKey.of(1, 1).at(1, 0.9f);
      kernels.dropoutResidualLayerNormForward(
          batch, sum, x, norm, dropout, out, fixture.rowStatistics(rows));
      fixture.result("layer norm", out);

      Tensor attended = fixture.output(rows, hidden);
      Tensor lse = fixture.output(fixture.accumulator(), rows, 2);
      Tensor qkv = fixture.activations(rows, 3 * hidden);
      Tensor dQkv = fixture.output(rows, 3 * hidden);
      kernels.attentionForward(batch, 2, qkv, dropout, attended, lse);
      kernels.attentionBackward(batch, 2, qkv, attended, lse, out, dropout, dQkv);
      fixture.result("attention", attended);
      fixture.result("attention backward", dQkv);

      Tensor loss = fixture.output(fixture.accumulator(), 1);
      Tensor targets = fixture.output(DType.I32, rows);
      ContrastStatistics statistics =
          new ContrastStatistics(
              fixture.output(fixture.accumulator(), rows),
              fixture.output(fixture.accumulator(), rows),
              fixture.output(fixture.accumulator(), rows));
      Tensor dQueries = fixture.output(rows, hidden);
      Tensor dKeys = fixture.output(rows, hidden);
      Contrast contrast = Contrast.inBatch(0.05f);
      kernels.iota(targets);
      kernels.similaritySoftmaxForward(
          new ContrastPairs(x, out, targets), contrast, loss, statistics);
      kernels.similaritySoftmaxBackward(
          new ContrastPairs(x, out, targets), contrast, statistics, 1, dQueries, dKeys);
      fixture.result("loss", loss);
      fixture.result("loss backward", dQueries);

      Tensor columns = fixture.inOut(fixture.accumulator(), new double[hidden], hidden);
      Tensor length = fixture.output(fixture.accumulator(), 1);
      kernels.columnSum(out, columns);
      kernels.gradientNorm(columns, length);
      fixture.result("column sums", columns);
      fixture.result("gradient norm", length);
      return fixture.results();
    }
  }
}
