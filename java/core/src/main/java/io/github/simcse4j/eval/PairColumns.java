package io.github.simcse4j.eval;

import io.github.simcse4j.files.InputException;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Where a tab-separated file keeps its scores and texts. Columns count from 0.
 *
 * @param score column of the gold score
 * @param left column of the first text
 * @param right column of the second text
 * @param header whether the first line names the columns
 */
public record PairColumns(int score, int left, int right, boolean header) {

  /** The official STS-B files: genre, file, year, id, score, text, text, sometimes two sources. */
  static final PairColumns STS_B = new PairColumns(4, 5, 6, false);

  /** What an option that names columns looks like, for messages. */
  static final String SYNTAX = "FILE:score=4,left=5,right=6 with ,header=yes where there is one";

  private static final Pattern OPTION =
      Pattern.compile("(?<file>.+):(?<columns>(?:score|left|right|header)=.*)");
  private static final Pattern NUMBER = Pattern.compile("[0-9]{1,4}");
  private static final Set<String> KEYS = Set.of("score", "left", "right", "header");

  private static final List<String> SCORE_NAMES =
      List.of("relatedness_score", "score", "similarity_score");
  private static final List<String> LEFT_NAMES = List.of("sentence_a", "sentence1");
  private static final List<String> RIGHT_NAMES = List.of("sentence_b", "sentence2");

  /** An option's file name and the columns that it gives, which are empty where it gives none. */
  record Option(String file, Optional<PairColumns> columns) {}

  public PairColumns {
    if (score < 0 || left < 0 || right < 0 || score == left || score == right || left == right) {
      throw new IllegalArgumentException(
          "columns score=%d, left=%d, right=%d must differ and not be negative"
              .formatted(score, left, right));
    }
  }

  /** Splits {@code FILE} or {@code FILE:score=4,left=5,right=6[,header=yes]}. */
  static Option parse(String option) {
    Matcher matcher = OPTION.matcher(option);
    if (!matcher.matches()) {
      return new Option(option, Optional.empty());
    }
    Map<String, String> values = new HashMap<>();
    for (String assignment : matcher.group("columns").split(",")) {
      String[] sides = assignment.split("=", -1);
      if (sides.length != 2 || !KEYS.contains(sides[0]) || values.containsKey(sides[0])) {
        throw malformed(option, "'" + assignment + "' is no column");
      }
      values.put(sides[0], sides[1]);
    }
    String header = values.getOrDefault("header", "no");
    if (!header.equals("yes") && !header.equals("no")) {
      throw malformed(option, "header is '" + header + "', expected yes or no");
    }
    int score = number(option, values, "score");
    int left = number(option, values, "left");
    int right = number(option, values, "right");
    if (score == left || score == right || left == right) {
      throw malformed(option, "two columns have the same number");
    }
    return new Option(
        matcher.group("file"),
        Optional.of(new PairColumns(score, left, right, header.equals("yes"))));
  }

  /** The columns of a header line, if it names a score and two texts as SICK or GLUE do. */
  static Optional<PairColumns> ofHeader(List<String> names) {
    List<String> lower = names.stream().map(String::strip).map(PairColumns::lower).toList();
    int score = first(lower, SCORE_NAMES);
    int left = first(lower, LEFT_NAMES);
    int right = first(lower, RIGHT_NAMES);
    return score < 0 || left < 0 || right < 0
        ? Optional.empty()
        : Optional.of(new PairColumns(score, left, right, true));
  }

  /** The least number of columns that a line must have. */
  int width() {
    return Math.max(score, Math.max(left, right)) + 1;
  }

  private static String lower(String name) {
    return name.toLowerCase(Locale.ROOT);
  }

  private static int first(List<String> names, List<String> wanted) {
    return wanted.stream().mapToInt(names::indexOf).filter(i -> i >= 0).findFirst().orElse(-1);
  }

  private static int number(String option, Map<String, String> values, String key) {
    String value = values.get(key);
    if (value == null || !NUMBER.matcher(value).matches()) {
      throw malformed(option, "expected a column number from 0 for " + key);
    }
    return Integer.parseInt(value);
  }

  private static InputException malformed(String option, String problem) {
    return new InputException(option + ": " + problem + "; write " + SYNTAX + ".");
  }
}
