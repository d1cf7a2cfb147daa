package io.github.simcse4j.eval;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class AlignmentUniformityTest {

  static List<EvalGolden> golden() {
    return EvalGolden.read("vectors");
  }

  @ParameterizedTest
  @MethodSource("golden")
  void equalsNumPy(EvalGolden golden) {
    float[] matrix = golden.matrix();
    int half = golden.rows() / 2;
    int columns = golden.columns();
    double alignment =
        AlignmentUniformity.alignment(
            Arrays.copyOf(matrix, half * columns),
            Arrays.copyOfRange(matrix, half * columns, 2 * half * columns),
            half,
            columns);
    assertEquals(golden.one("alignment"), alignment, 1e-12);
    assertEquals(
        golden.one("uniformity"),
        AlignmentUniformity.uniformity(matrix, golden.rows(), columns),
        1e-12);
  }

  @Test
  void equalVectorsAlignAndDoNotSpread() {
    float[] same = {3, 4, 30, 40, 0.3f, 0.4f};
    assertEquals(0, AlignmentUniformity.alignment(same, same, 3, 2));
    assertEquals(0, AlignmentUniformity.uniformity(same, 3, 2), 1e-6);
  }

  @Test
  void oppositeVectorsLieAtDistanceTwo() {
    assertEquals(4, AlignmentUniformity.alignment(new float[] {1, 0}, new float[] {-7, 0}, 1, 2));
    assertEquals(-8, AlignmentUniformity.uniformity(new float[] {1, 0, -7, 0}, 2, 2), 1e-12);
  }

  @Test
  void everyPairIsCountedOnceAcrossTiles() {
    int rows = 700;
    int dimension = 200;
    Random random = new Random(11);
    float[] vectors = new float[rows * dimension];
    for (int i = 0; i < vectors.length; i++) {
      vectors[i] = (float) random.nextGaussian();
    }
    double[] unit = Vectors.normalised(vectors, rows, dimension);
    double sum = 0;
    for (int a = 0; a < rows; a++) {
      for (int b = 0; b < a; b++) {
        double squared = 0;
        for (int i = 0; i < dimension; i++) {
          double difference = unit[a * dimension + i] - unit[b * dimension + i];
          squared += difference * difference;
        }
        sum += Math.exp(-2 * squared);
      }
    }
    assertEquals(
        Math.log(sum / (rows * (rows - 1) / 2)),
        AlignmentUniformity.uniformity(vectors, rows, dimension),
        1e-10);
  }

  @Test
  void oneVectorHasNoUniformity() {
    assertThrows(
        IllegalArgumentException.class, () -> AlignmentUniformity.uniformity(new float[3], 1, 3));
  }
}
