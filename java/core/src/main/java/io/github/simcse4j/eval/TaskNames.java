package io.github.simcse4j.eval;

import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The names that the published files and folders have, and what tables call their tasks. */
final class TaskNames {

  private static final String INPUT_PREFIX = "STS.input.";
  private static final String GOLD_PREFIX = "STS.gs.";
  private static final String SUFFIX = ".txt";

  private static final Pattern YEAR_FOLDER = Pattern.compile("(STS1[2-6])-en-test");
  private static final Pattern STS_B = Pattern.compile("sts-(train|dev|test)\\.[ct]sv");
  private static final Pattern SICK = Pattern.compile("SICK_(train|trial|test).*\\.txt");
  private static final Pattern EVALUATED =
      Pattern.compile("sts-(dev|test)\\.csv|SICK_(trial|test|test_annotated)\\.txt");

  private TaskNames() {}

  /** The last name of a path. */
  static String last(Path path) {
    return String.valueOf(path.getFileName());
  }

  static String ofFolder(Path folder) {
    String name = last(folder.toAbsolutePath().normalize());
    Matcher year = YEAR_FOLDER.matcher(name);
    return year.matches() ? year.group(1) : name;
  }

  static String ofFile(Path file) {
    String name = last(file);
    Matcher stsB = STS_B.matcher(name);
    if (stsB.matches()) {
      return "STS-B " + stsB.group(1);
    }
    Matcher sick = SICK.matcher(name);
    return sick.matches() ? "SICK-R " + sick.group(1) : name;
  }

  static boolean isStsB(String fileName) {
    return STS_B.matcher(fileName).matches();
  }

  static boolean isSick(String fileName) {
    return SICK.matcher(fileName).matches();
  }

  /** Whether a file is a split that is evaluated where its folder is named: not for training. */
  static boolean isEvaluated(String fileName) {
    return EVALUATED.matcher(fileName).matches();
  }

  /** Whether a file holds the texts of a sub-set. */
  static boolean isInput(String fileName) {
    return fileName.startsWith(INPUT_PREFIX)
        && fileName.endsWith(SUFFIX)
        && fileName.length() > INPUT_PREFIX.length() + SUFFIX.length();
  }

  /** The name of the sub-set whose texts a file holds. */
  static String subset(Path input) {
    String name = last(input);
    return name.substring(INPUT_PREFIX.length(), name.length() - SUFFIX.length());
  }

  /** The file with the scores of a sub-set. */
  static Path gold(Path input) {
    return input.resolveSibling(GOLD_PREFIX + subset(input) + SUFFIX);
  }
}
