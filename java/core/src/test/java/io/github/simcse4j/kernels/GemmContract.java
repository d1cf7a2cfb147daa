package io.github.simcse4j.kernels;

import io.github.simcse4j.kernels.GemmEpilogue.Kind;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Tensor;
import java.util.EnumSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Matrix products, and the element-wise operations around them. */
interface GemmContract extends KernelsContract {

  /** Small and negative numbers, both tails, and where the exponential under- and overflows. */
  double[] GELU_POINTS = {0, -0.0, 1e-8, -1e-8, 0.5, -0.75, 3, -3, 5.5, -5.5, 9, -9, 13.5, -40, 40};

  @ParameterizedTest(name = "m={0} n={1} k={2}")
  @CsvSource({
    "1, 1, 1",
    "1, 33, 7",
    "15, 16, 17",
    "16, 17, 15",
    "17, 15, 16",
    "31, 32, 33",
    "32, 33, 31",
    "33, 31, 32",
    "64, 1, 128",
    "2, 129, 5",
    "48, 50, 3",
    "97, 80, 130"
  })
  default void gemm(int m, int n, int k) {
    for (Kind kind : Kind.values()) {
      for (int transposes = 0; transposes < 4; transposes++) {
        gemm(m, n, k, (transposes & 1) != 0, (transposes & 2) != 0, kind, false);
      }
      // A tanh is small where large terms cancel: with outliers it shows only their rounding
      // errors.
      gemm(m, n, k, false, true, kind, kind != Kind.BIAS_TANH);
    }
  }

  /** Large enough to be cut into blocks and shared among threads. */
  @ParameterizedTest(name = "m={0} n={1} k={2}")
  @CsvSource({"203, 170, 301", "67, 45, 1537", "517, 131, 64"})
  default void gemmOfManyBlocks(int m, int n, int k) {
    gemm(m, n, k, false, false, Kind.STORE, false);
    gemm(m, n, k, false, true, Kind.BIAS_GELU, false);
    gemm(m, n, k, true, false, Kind.ACCUMULATE, false);
    gemm(m, n, k, false, true, Kind.BIAS_RESIDUAL, false);
    gemm(m, n, k, false, false, Kind.BIAS_RESIDUAL, false);
    gemm(m, n, k, false, false, Kind.GELU_BACKWARD, false);
  }

  private void gemm(int m, int n, int k, boolean ta, boolean tb, Kind kind, boolean spikes) {
    EnumSet<DType> resultTypes = EnumSet.of(dtype(), Kernels.accumulator(dtype()));
    for (DType type : resultTypes) {
      String details =
          "%d x %d x %d, transposed %s %s, %s to %s%s"
              .formatted(m, n, k, ta, tb, kind, type, spikes ? ", outliers" : "");
      check(
          "gemm",
          details,
          fixture -> {
            Tensor a = fixture.activations(spikes, ta ? k : m, ta ? m : k);
            Tensor b = fixture.activations(tb ? n : k, tb ? k : n);
            DType own = type == dtype() ? fixture.dtype() : fixture.accumulator();
            Tensor c = fixture.inOut(own, fixture.normal((long) m * n), m, n);
            Tensor overwritten = fixture.output(own, m, n);
            // The residual may be the result itself; half of the cases have it so.
            boolean inPlace = kind == Kind.ACCUMULATE || kind == Kind.BIAS_RESIDUAL && tb;
            Tensor result = inPlace ? c : overwritten;
            GemmEpilogue epilogue = epilogue(fixture, kind, c);
            fixture.kernels().gemm(ta, tb, a, b, result, epilogue);
            // The left tail of gelu falls below every float that matters before it is 0.
            fixture.result("c", result, kind == Kind.BIAS_GELU ? 1e-6 : 0);
            if (kind == Kind.BIAS_GELU) {
              fixture.result("preActivation", epilogue.preActivation());
            }
          });
    }
  }

  private static GemmEpilogue epilogue(KernelsFixture fixture, Kind kind, Tensor residual) {
    long m = residual.extent(0);
    long n = residual.extent(1);
    return switch (kind) {
      case STORE -> GemmEpilogue.STORE;
      case ACCUMULATE -> GemmEpilogue.ACCUMULATE;
      case BIAS -> GemmEpilogue.bias(fixture.parameters(n));
      case BIAS_TANH -> GemmEpilogue.biasTanh(fixture.parameters(n));
      case BIAS_GELU -> GemmEpilogue.biasGelu(fixture.parameters(n), fixture.output(m, n));
      case BIAS_RESIDUAL -> GemmEpilogue.biasResidual(fixture.parameters(n), residual);
      case GELU_BACKWARD -> GemmEpilogue.geluBackward(fixture.activations(m, n));
    };
  }

  /** The gradients of a layer's weights and, in passing, of its bias. */
  @ParameterizedTest(name = "m={0} n={1} k={2}")
  @CsvSource({"1, 1, 1", "33, 31, 7", "16, 17, 300", "96, 64, 33", "130, 48, 1030"})
  default void gemmSumsTheGradientOfABias(int m, int n, int k) {
    for (boolean transposeB : new boolean[] {false, true}) {
      for (DType type : EnumSet.of(dtype(), Kernels.accumulator(dtype()))) {
        check(
            "gemm",
            "%d x %d x %d, transposed true %s, bias gradient, to %s"
                .formatted(m, n, k, transposeB, type),
            fixture -> {
              Tensor a = fixture.activations(k, m);
              Tensor b = fixture.activations(transposeB ? n : k, transposeB ? k : n);
              DType own = type == dtype() ? fixture.dtype() : fixture.accumulator();
              Tensor c = fixture.inOut(own, fixture.normal((long) m * n), m, n);
              Tensor sum = fixture.inOut(fixture.accumulator(), fixture.normal(m), m);
              fixture.kernels().gemm(true, transposeB, a, b, c, GemmEpilogue.accumulate(sum));
              fixture.result("c", c);
              fixture.result("biasGradient", sum, 1);
            });
      }
    }
  }

  @Test
  default void geluNeedNotKeepItsInput() {
    check(
        "gemm",
        "gelu, input not kept",
        fixture -> {
          Tensor c = fixture.output(9, 21);
          fixture
              .kernels()
              .gemm(
                  false,
                  false,
                  fixture.activations(9, 5),
                  fixture.activations(5, 21),
                  c,
                  GemmEpilogue.biasGelu(fixture.parameters(21), null));
          fixture.result("c", c);
        });
  }

  /** Rows of a larger matrix start anywhere, not at a multiple of a vector. */
  @Test
  default void gemmOfRowsOfLargerMatrices() {
    check(
        "gemm",
        "rows 1 to 20 of 23",
        fixture -> {
          Tensor a = fixture.activations(23, 7).rows(1, 20);
          Tensor b = fixture.activations(15, 13).rows(3, 10);
          Tensor c = fixture.inOut(fixture.dtype(), fixture.normal(23 * 13), 23, 13);
          fixture.kernels().gemm(false, false, a, b, c.rows(1, 20), GemmEpilogue.STORE);
          fixture.result("c", c);
        });
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 15, 16, 17, 33, 1000, 20_011})
  default void geluBackward(int count) {
    for (boolean outliers : new boolean[] {false, true}) {
      check(
          "gelu_backward",
          count + " elements" + (outliers ? " with outliers" : ""),
          fixture -> {
            double[] x = outliers ? fixture.spiky(count) : fixture.normal(count);
            if (!outliers) {
              System.arraycopy(GELU_POINTS, 0, x, 0, Math.min(count, GELU_POINTS.length));
            }
            Tensor preActivation = fixture.inOut(fixture.dtype(), x, count);
            Tensor gradient = fixture.inOut(fixture.dtype(), fixture.normal(count), count);
            fixture.kernels().geluBackward(preActivation, gradient);
            fixture.result("activation", preActivation, 1e-6);
            fixture.result("d(preActivation)", gradient, 1e-6);
          });
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 15, 16, 17, 33, 1000})
  default void tanhBackward(int count) {
    check(
        "tanh_backward",
        count + " elements",
        fixture -> {
          double[] y = fixture.normal(count);
          for (int i = 0; i < count; i++) {
            y[i] = Math.tanh(y[i]);
          }
          Tensor activation = fixture.input(fixture.dtype(), y, 1, count);
          Tensor gradient = fixture.inOut(fixture.dtype(), fixture.normal(count), 1, count);
          fixture.kernels().tanhBackward(activation, gradient);
          fixture.result("d(x)", gradient);
        });
  }

  @ParameterizedTest(name = "{0} rows of {1}")
  @CsvSource({"1, 1", "1, 33", "7, 15", "33, 16", "64, 17", "1000, 31", "3001, 130", "5, 768"})
  default void columnSum(int rows, int columns) {
    for (boolean outliers : new boolean[] {false, true}) {
      check(
          "column_sum",
          rows + " x " + columns + (outliers ? " with outliers" : ""),
          fixture -> {
            Tensor x = fixture.activations(outliers, rows, columns);
            Tensor sum = fixture.inOut(fixture.accumulator(), fixture.normal(columns), columns);
            fixture.kernels().columnSum(x, sum);
            fixture.result("sum", sum, 1);
          });
    }
  }
}
