package io.github.simcse4j.eval;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class CorrelationTest {

  static List<EvalGolden> golden() {
    return EvalGolden.read("correlation");
  }

  @ParameterizedTest
  @MethodSource("golden")
  void equalsSciPy(EvalGolden golden) {
    double[] x = golden.all("x");
    double[] y = golden.all("y");
    assertEquals(golden.one("spearman"), Correlation.spearman(x, y), 1e-15, "spearman");
    assertEquals(golden.one("pearson"), Correlation.pearson(x, y), 1e-15, "pearson");
  }

  @Test
  void tiedValuesShareTheMeanOfTheirRanks() {
    assertArrayEquals(
        new double[] {4.5, 1, 2.5, 4.5, 2.5}, Correlation.ranks(new double[] {9, 1, 4, 9, 4}));
  }

  @Test
  void fewerThanTwoValuesHaveNoCorrelation() {
    assertEquals(Double.NaN, Correlation.spearman(new double[1], new double[1]));
    assertEquals(Double.NaN, Correlation.pearson(new double[0], new double[0]));
  }

  @Test
  void samplesOfDifferentLengthAreRefused() {
    assertThrows(
        IllegalArgumentException.class, () -> Correlation.spearman(new double[3], new double[2]));
  }
}
