package io.github.simcse4j.eval;

import io.github.simcse4j.files.InputException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.regex.Pattern;

/**
 * Reads scored pairs: one file, or one folder of STS sub-sets. Fields are split at tabs and nothing
 * else; a quote is a character like any other. A pair with an empty score, and an empty line, is
 * skipped and counted.
 *
 * @see StsTasks for what an option may name
 */
public final class StsReader {

  private static final Pattern DECIMAL =
      Pattern.compile("[+-]?([0-9]+(\\.[0-9]*)?|\\.[0-9]+)([eE][+-]?[0-9]{1,3})?");

  private StsReader() {}

  /**
   * Reads a file whose layout shows in its name or its first line: STS-B ({@code sts-dev.csv}, or 7
   * or 9 columns with a number in column 4), a header with {@code score} or {@code
   * relatedness_score} and {@code sentence1, sentence2} or {@code sentence_A, sentence_B} (SICK,
   * GLUE), or one sub-set {@code STS.input.NAME.txt} with its scores beside it.
   */
  public static ScoredPairs read(Path file) {
    String fileName = TaskNames.last(file);
    if (TaskNames.isInput(fileName)) {
      ScoredPairs.Builder pairs = new ScoredPairs.Builder();
      readSubset(file, pairs);
      return finish(pairs, TaskNames.subset(file), file);
    }
    List<String> lines = Utf8Lines.read(file);
    List<String> first =
        lines.stream()
            .filter(line -> !line.isBlank())
            .findFirst()
            .map(StsReader::fields)
            .orElseThrow(() -> noPairs(file));
    Optional<PairColumns> named = PairColumns.ofHeader(first);
    if (named.isPresent()) {
      return readTable(file, lines, named.get(), first.size(), first.size());
    }
    if (TaskNames.isStsB(fileName) || looksLikeStsB(first)) {
      return readTable(file, lines, PairColumns.STS_B, 7, 9);
    }
    if (TaskNames.isSick(fileName)) {
      throw InputException.in(
          file,
          "line 1",
          "the header does not name sentence_A, sentence_B and relatedness_score",
          "give the SICK file with its gold scores, such as SICK_test_annotated.txt");
    }
    throw InputException.in(
        file,
        "line 1",
        first.size() + " tab-separated columns in no known layout of scored pairs",
        "name the columns, counted from 0, as " + PairColumns.SYNTAX);
  }

  /** Reads a tab-separated file by column numbers; lines may have more columns than are used. */
  public static ScoredPairs read(Path file, PairColumns columns) {
    return readTable(file, Utf8Lines.read(file), columns, columns.width(), Integer.MAX_VALUE);
  }

  /**
   * Reads the sub-sets of one STS year, concatenated in the order of their names: {@code
   * STS.input.NAME.txt} with two texts a line and {@code STS.gs.NAME.txt} with one score a line.
   */
  public static ScoredPairs readFolder(Path folder) {
    List<Path> inputs = Folders.files(folder, TaskNames::isInput);
    ScoredPairs.Builder pairs = new ScoredPairs.Builder();
    for (Path input : inputs) {
      // ALL repeats the other sub-sets.
      if (inputs.size() == 1 || !TaskNames.subset(input).equals("ALL")) {
        readSubset(input, pairs);
      }
    }
    return finish(pairs, TaskNames.ofFolder(folder), folder);
  }

  private static void readSubset(Path input, ScoredPairs.Builder pairs) {
    Path gold = TaskNames.gold(input);
    if (!Files.exists(gold)) {
      throw InputException.in(
          input, "", "expected its scores in " + gold.getFileName(), "put that file beside it");
    }
    List<String> texts = Utf8Lines.read(input);
    List<String> scores = Utf8Lines.read(gold);
    if (texts.size() != scores.size()) {
      throw InputException.in(
          gold,
          "",
          "%d lines of scores, expected %d as in %s"
              .formatted(scores.size(), texts.size(), input.getFileName()),
          "download both files of the sub-set again");
    }
    for (int i = 0; i < texts.size(); i++) {
      OptionalDouble score = score(gold, i + 1, scores.get(i));
      if (score.isEmpty()) {
        pairs.skip();
        continue;
      }
      List<String> fields = fields(texts.get(i));
      // The files of 2016 as first published name the two sources after the texts.
      if (fields.size() != 2 && fields.size() != 4) {
        throw wrongColumns(input, i + 1, fields.size(), "2 texts");
      }
      pairs.add(fields.get(0), fields.get(1), score.getAsDouble());
    }
  }

  /**
   * Lines have {@code least} or {@code most} columns; where {@code most} is unbounded, any number
   * from {@code least}.
   */
  private static ScoredPairs readTable(
      Path file, List<String> lines, PairColumns columns, int least, int most) {
    ScoredPairs.Builder pairs = new ScoredPairs.Builder();
    boolean header = columns.header();
    for (int i = 0; i < lines.size(); i++) {
      if (lines.get(i).isBlank()) {
        pairs.skip();
        continue;
      }
      if (header) {
        header = false;
        continue;
      }
      List<String> fields = fields(lines.get(i));
      int count = fields.size();
      boolean fits = most == Integer.MAX_VALUE ? count >= least : count == least || count == most;
      if (!fits) {
        throw wrongColumns(file, i + 1, count, expected(least, most));
      }
      OptionalDouble score = score(file, i + 1, fields.get(columns.score()));
      if (score.isEmpty()) {
        pairs.skip();
      } else {
        pairs.add(fields.get(columns.left()), fields.get(columns.right()), score.getAsDouble());
      }
    }
    return finish(pairs, TaskNames.ofFile(file), file);
  }

  private static String expected(int least, int most) {
    if (most == Integer.MAX_VALUE) {
      return "at least " + least;
    }
    return least == most ? String.valueOf(least) : least + " or " + most;
  }

  private static boolean looksLikeStsB(List<String> fields) {
    return (fields.size() == 7 || fields.size() == 9)
        && (fields.get(4).isBlank() || DECIMAL.matcher(fields.get(4).strip()).matches());
  }

  private static OptionalDouble score(Path file, int line, String text) {
    String number = text.strip();
    if (number.isEmpty()) {
      return OptionalDouble.empty();
    }
    if (!DECIMAL.matcher(number).matches() || Double.isInfinite(Double.parseDouble(number))) {
      String shown = number.length() > 40 ? number.substring(0, 40) + "..." : number;
      throw InputException.in(
          file,
          "line " + line,
          "the score is '" + shown + "', expected a number",
          "correct the line, or leave the score empty to skip the pair");
    }
    return OptionalDouble.of(Double.parseDouble(number));
  }

  private static ScoredPairs finish(ScoredPairs.Builder pairs, String name, Path source) {
    if (pairs.size() == 0) {
      throw noPairs(source);
    }
    return pairs.build(name);
  }

  private static InputException noPairs(Path source) {
    return InputException.in(
        source, "", "holds no scored pair, expected at least one", "give a file with scores");
  }

  private static InputException wrongColumns(Path file, int line, int found, String expected) {
    return InputException.in(
        file,
        "line " + line,
        String.format(Locale.ROOT, "%d tab-separated columns, expected %s", found, expected),
        "correct the line, or name the columns as " + PairColumns.SYNTAX);
  }

  private static List<String> fields(String line) {
    return List.of(line.split("\t", -1));
  }
}
