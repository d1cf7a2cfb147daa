package io.github.simcse4j.eval;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Pairs of sentences with the similarity that people gave them.
 *
 * @param name what tables call the task, such as {@code "STS12"} or {@code "STS-B test"}
 * @param left first sentences
 * @param right second sentences, one for each of {@code left}
 * @param scores gold scores, one for each pair, finite; on the scale of their file
 * @param skipped pairs and lines of the source that hold no score and are not among these
 */
public record ScoredPairs(
    String name, List<String> left, List<String> right, double[] scores, int skipped) {

  public ScoredPairs {
    left = List.copyOf(left);
    right = List.copyOf(right);
    scores = scores.clone();
    if (left.size() != right.size() || left.size() != scores.length) {
      throw new IllegalArgumentException(
          "%s: %d left and %d right sentences with %d scores"
              .formatted(name, left.size(), right.size(), scores.length));
    }
  }

  /** The number of pairs. */
  public int size() {
    return scores.length;
  }

  /** The gold scores, copied. */
  @Override
  public double[] scores() {
    return scores.clone();
  }

  /**
   * The sentences of both sides without repetition, each with its number in order of appearance.
   */
  Map<String, Integer> distinctSentences() {
    Map<String, Integer> numbers = new LinkedHashMap<>();
    for (int pair = 0; pair < size(); pair++) {
      numbers.putIfAbsent(left.get(pair), numbers.size());
      numbers.putIfAbsent(right.get(pair), numbers.size());
    }
    return numbers;
  }

  /** Collects pairs while a file is read. */
  static final class Builder {
    private final List<String> left = new ArrayList<>();
    private final List<String> right = new ArrayList<>();
    private final List<Double> scores = new ArrayList<>();
    private int skipped;

    void add(String leftText, String rightText, double score) {
      left.add(leftText);
      right.add(rightText);
      scores.add(score);
    }

    void skip() {
      skipped++;
    }

    int size() {
      return scores.size();
    }

    ScoredPairs build(String name) {
      double[] values = scores.stream().mapToDouble(Double::doubleValue).toArray();
      return new ScoredPairs(name, left, right, values, skipped);
    }
  }
}
