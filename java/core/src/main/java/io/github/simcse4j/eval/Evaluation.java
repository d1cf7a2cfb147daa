package io.github.simcse4j.eval;

import io.github.simcse4j.files.InputException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * Scores sentence vectors on tasks of graded pairs: the similarity of a pair is the cosine of its
 * two vectors, a task's score is the rank correlation with the gold scores over all its pairs. Each
 * distinct sentence of a task is encoded once.
 */
public final class Evaluation {

  /**
   * Pairs graded above this, on the usual scale up to 5, are the positives of alignment (SimCSE).
   */
  public static final double POSITIVE_ABOVE = 4;

  /**
   * Uniformity and the spectrum take every k-th sentence of a task with more than this, as their
   * cost grows with the square; the tasks of the literature stay below it.
   */
  public static final int MOST_SENTENCES = 8192;

  private Evaluation() {}

  /** Scores all tasks, in their order. */
  public static EvaluationReport run(List<ScoredPairs> tasks, SentenceVectors vectors) {
    List<TaskResult> results = new ArrayList<>();
    for (ScoredPairs task : tasks) {
      results.add(run(task, vectors));
    }
    return new EvaluationReport(results);
  }

  /** Everything that is measured on one task. */
  public static TaskResult run(ScoredPairs task, SentenceVectors vectors) {
    Encoded encoded = Encoded.of(task, vectors);
    double[] cosines = encoded.cosines();
    double[] scores = task.scores();
    int[] positives = positives(scores);
    int stride = (encoded.count() + MOST_SENTENCES - 1) / MOST_SENTENCES;
    int sampled = (encoded.count() + stride - 1) / stride;
    float[] sample = encoded.every(stride, sampled);
    int dimension = encoded.dimension();
    return new TaskResult(
        task.name(),
        task.size(),
        task.skipped(),
        Correlation.spearman(cosines, scores),
        Correlation.pearson(cosines, scores),
        positives.length,
        encoded.alignment(positives),
        sampled,
        sampled < 2 ? Double.NaN : AlignmentUniformity.uniformity(sample, sampled, dimension),
        Spectrum.of(sample, sampled, dimension));
  }

  /** Spearman alone, as a trainer needs it between steps. */
  public static double spearman(ScoredPairs task, SentenceVectors vectors) {
    return Correlation.spearman(Encoded.of(task, vectors).cosines(), task.scores());
  }

  private static int[] positives(double[] scores) {
    return IntStream.range(0, scores.length)
        .filter(pair -> scores[pair] > POSITIVE_ABOVE)
        .toArray();
  }

  /**
   * The vectors of a task's distinct sentences.
   *
   * @param vectors (count, dimension)
   * @param left row of the first sentence of each pair
   * @param right row of the second sentence of each pair
   */
  private record Encoded(float[] vectors, int count, int dimension, int[] left, int[] right) {

    static Encoded of(ScoredPairs task, SentenceVectors encoder) {
      Map<String, Integer> rows = task.distinctSentences();
      float[] vectors = encoder.encode(List.copyOf(rows.keySet()));
      int count = rows.size();
      if (vectors.length == 0 || vectors.length % count != 0) {
        throw new IllegalArgumentException(
            task.name() + ": " + count + " sentences were given " + vectors.length + " numbers");
      }
      for (float number : vectors) {
        if (!Float.isFinite(number)) {
          throw new InputException(
              task.name()
                  + ": the encoder gave a vector that is not finite; check the model's weights, or"
                  + " train with a lower learning rate.");
        }
      }
      return new Encoded(
          vectors,
          count,
          vectors.length / count,
          task.left().stream().mapToInt(rows::get).toArray(),
          task.right().stream().mapToInt(rows::get).toArray());
    }

    double[] cosines() {
      double[] cosines = new double[left.length];
      for (int pair = 0; pair < cosines.length; pair++) {
        cosines[pair] = Vectors.cosine(vectors, dimension, left[pair], right[pair]);
      }
      return cosines;
    }

    double alignment(int[] pairs) {
      if (pairs.length == 0) {
        return Double.NaN;
      }
      return AlignmentUniformity.alignment(
          rows(left, pairs), rows(right, pairs), pairs.length, dimension);
    }

    float[] every(int stride, int rows) {
      if (stride == 1) {
        return vectors;
      }
      float[] out = new float[rows * dimension];
      for (int row = 0; row < rows; row++) {
        System.arraycopy(vectors, row * stride * dimension, out, row * dimension, dimension);
      }
      return out;
    }

    private float[] rows(int[] side, int[] pairs) {
      float[] out = new float[pairs.length * dimension];
      for (int i = 0; i < pairs.length; i++) {
        System.arraycopy(vectors, side[pairs[i]] * dimension, out, i * dimension, dimension);
      }
      return out;
    }
  }
}
