package io.github.simcse4j.eval;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.simcse4j.files.InputException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class EvaluationTest {

  private static final ScoredPairs PAIRS =
      new ScoredPairs(
          "toy",
          List.of("0", "10", "0", "45"),
          List.of("0", "30", "45", "135"),
          new double[] {5, 4.2, 2.5, 0},
          3);

  /** A sentence is an angle in degrees. */
  private static float[] angles(List<String> sentences) {
    float[] out = new float[2 * sentences.size()];
    for (int i = 0; i < sentences.size(); i++) {
      double angle = Math.toRadians(Double.parseDouble(sentences.get(i)));
      out[2 * i] = (float) (3 * Math.cos(angle));
      out[2 * i + 1] = (float) (3 * Math.sin(angle));
    }
    return out;
  }

  @Test
  void scoresCosinesAgainstGold() {
    TaskResult result = Evaluation.run(PAIRS, EvaluationTest::angles);
    assertEquals(4, result.pairs());
    assertEquals(3, result.skipped());
    assertEquals(1, result.spearman(), 1e-15);
    double[] cosines = {1, Math.cos(Math.toRadians(20)), Math.sqrt(0.5), 0};
    assertEquals(Correlation.pearson(cosines, PAIRS.scores()), result.pearson(), 1e-7);
    assertEquals(2, result.positives());
    assertEquals(1 - Math.cos(Math.toRadians(20)), result.alignment(), 1e-6);
    assertEquals(5, result.sentences());
    assertTrue(result.uniformity() < 0);
    assertEquals(2, result.spectrum().values().length);
    assertEquals(1, Evaluation.spearman(PAIRS, EvaluationTest::angles), 1e-15);
  }

  @Test
  void eachDistinctSentenceIsEncodedOnce() {
    List<String> asked = new ArrayList<>();
    Evaluation.run(
        PAIRS,
        sentences -> {
          asked.addAll(sentences);
          return angles(sentences);
        });
    assertEquals(List.of("0", "10", "30", "45", "135"), asked);
  }

  @Test
  void largeTasksAreSampledForUniformity() {
    int pairs = Evaluation.MOST_SENTENCES;
    List<String> left = new ArrayList<>();
    List<String> right = new ArrayList<>();
    double[] scores = new double[pairs];
    for (int i = 0; i < pairs; i++) {
      left.add(String.valueOf(0.01 * i));
      right.add(String.valueOf(-0.005 - 0.01 * i));
      scores[i] = i % 5;
    }
    TaskResult result =
        Evaluation.run(new ScoredPairs("large", left, right, scores, 0), EvaluationTest::angles);
    assertEquals(pairs, result.sentences());
    assertTrue(Double.isNaN(result.alignment()));
  }

  @Test
  void theAverageNeedsAllSevenTasks() {
    List<ScoredPairs> tasks = new ArrayList<>();
    for (String name : StsTasks.SEVEN) {
      assertTrue(Evaluation.run(tasks, EvaluationTest::angles).averageOfSeven().isEmpty());
      tasks.add(new ScoredPairs(name, PAIRS.left(), PAIRS.right(), new double[] {5, 4, 0, 2.5}, 0));
    }
    EvaluationReport report = Evaluation.run(tasks, EvaluationTest::angles);
    assertEquals(0.8, report.averageOfSeven().orElseThrow(), 1e-15);
    String[] lines = report.table().split("\n");
    assertEquals(9, lines.length);
    assertTrue(lines[8].startsWith("average") && lines[8].endsWith("0.8000"), lines[8]);
    assertEquals(lines[0].indexOf("spearman") + 2, lines[3].indexOf("0.8000"), report.table());
  }

  @Test
  void jsonHoldsEveryNumberAndNullForNone(@TempDir Path folder) throws IOException {
    ScoredPairs ungraded =
        new ScoredPairs("flat", List.of("1", "2"), List.of("3", "4"), new double[] {1, 1}, 0);
    Path file = folder.resolve("result.json");
    Evaluation.run(List.of(PAIRS, ungraded), EvaluationTest::angles)
        .writeJson(file, Map.of("model", "some \"folder\""));
    String json = Files.readString(file);
    assertTrue(json.contains("\"model\" : \"some \\\"folder\\\"\""), json);
    assertTrue(json.contains("\"name\" : \"toy\""), json);
    assertTrue(json.contains("\"spearman\" : 1.0"), json);
    assertTrue(json.contains("\"spearman\" : null"), json);
    assertTrue(json.contains("\"alignment\" : null"), json);
    assertTrue(json.contains("\"averageOfSeven\" : null"), json);
    assertFalse(json.contains("NaN"), json);
  }

  @Test
  void vectorsThatAreNotFiniteAreRefused() {
    assertThrows(
        InputException.class,
        () ->
            Evaluation.run(
                PAIRS,
                sentences -> {
                  float[] vectors = angles(sentences);
                  vectors[3] = Float.NaN;
                  return vectors;
                }));
  }
}
