package io.github.simcse4j.eval;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Random;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class SpectrumTest {

  static List<EvalGolden> golden() {
    return EvalGolden.read("vectors");
  }

  @ParameterizedTest
  @MethodSource("golden")
  void equalsNumPy(EvalGolden golden) {
    Spectrum spectrum = Spectrum.of(golden.matrix(), golden.rows(), golden.columns());
    // A value that is zero comes out as the root of a rounding error.
    assertArrayEquals(golden.all("values"), spectrum.values(), 3e-8);
    assertArrayEquals(golden.all("centred"), spectrum.centredValues(), 3e-8);
    assertEquals(golden.one("values"), spectrum.values()[0], 1e-14);
    assertEquals(golden.one("effectiveRank"), spectrum.effectiveRank(), 1e-5);
    assertEquals(golden.one("meanCosine"), spectrum.meanCosine(), 1e-13);
  }

  @Test
  void vectorsOnOneLineHaveRankOne() {
    Spectrum spectrum = Spectrum.of(new float[] {1, 2, 2, 3, 6, 6, 2, 4, 4}, 3, 3);
    assertEquals(1, spectrum.effectiveRank(), 1e-6);
    assertEquals(1, spectrum.topShare(), 1e-12);
    assertEquals(1, spectrum.meanCosine(), 1e-12);
  }

  @Test
  void orthogonalVectorsHaveFullRank() {
    Spectrum spectrum = Spectrum.of(new float[] {2, 0, 0, 0, 5, 0, 0, 0, 1}, 3, 3);
    assertEquals(3, spectrum.effectiveRank(), 1e-9);
    assertEquals(0, spectrum.meanCosine(), 1e-12);
    assertEquals(1, Arrays.stream(spectrum.values()).map(v -> v * v).sum(), 1e-12);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 17, 64, 129})
  void eigenvaluesKeepTheTraceAndTheNorm(int n) {
    Random random = new Random(n);
    double[] matrix = new double[n * n];
    double trace = 0;
    double squares = 0;
    for (int i = 0; i < n; i++) {
      for (int j = 0; j <= i; j++) {
        double value = random.nextGaussian();
        matrix[i * n + j] = value;
        trace += i == j ? value : 0;
        squares += (i == j ? 1 : 2) * value * value;
      }
    }
    double[] eigenvalues = SymmetricEigenvalues.of(matrix, n);
    assertEquals(trace, Arrays.stream(eigenvalues).sum(), 1e-11 * n);
    assertEquals(squares, Arrays.stream(eigenvalues).map(v -> v * v).sum(), 1e-11 * n * n);
  }

  @Test
  void eigenvaluesOfTheSecondDifferenceAreKnown() {
    int n = 50;
    double[] matrix = new double[n * n];
    for (int i = 0; i < n; i++) {
      matrix[i * n + i] = 2;
      if (i > 0) {
        matrix[i * n + i - 1] = -1;
      }
    }
    double[] eigenvalues = SymmetricEigenvalues.of(matrix, n);
    for (int k = 0; k < n; k++) {
      double expected = 2 + 2 * Math.cos((k + 1) * Math.PI / (n + 1));
      assertEquals(expected, eigenvalues[k], 1e-13);
    }
  }

  @Test
  void thePlotIsWellFormed(@TempDir Path folder) throws Exception {
    var curves = new LinkedHashMap<String, Spectrum>();
    Random random = new Random(3);
    float[] vectors = new float[40 * 9];
    for (int i = 0; i < vectors.length; i++) {
      vectors[i] = (float) random.nextGaussian();
    }
    curves.put("after <b> & c", Spectrum.of(vectors, 40, 9));
    curves.put("one dimension", Spectrum.of(new float[] {1, 2, 3}, 3, 1));
    Path file = folder.resolve("spectrum.svg");
    SpectrumPlot.write(file, curves);
    var document =
        DocumentBuilderFactory.newInstance().newDocumentBuilder().parse(Files.newInputStream(file));
    var lines = document.getElementsByTagName("polyline");
    assertEquals(2, lines.getLength());
    String points = lines.item(0).getAttributes().getNamedItem("points").getNodeValue();
    assertEquals(9, points.split(" ").length);
    assertTrue(document.getDocumentElement().getTextContent().contains("after <b> & c"));
  }
}
