package io.github.simcse4j.cli;

import io.github.simcse4j.files.InputException;
import java.util.ArrayList;
import java.util.List;

/** Reads the sizes that a benchmark goes through. */
final class BenchSizes {

  private static final int LEAST = 2;
  private static final int MOST = 1 << 20;
  private static final String RANGE = "..";

  private BenchSizes() {}

  /**
   * Reads {@code 64..4096}, which doubles for as long as it stays within, or {@code 64,100,4096}.
   *
   * @param option what the text was given as, for the message
   * @throws InputException where the sizes are no numbers, out of bounds or do not rise
   */
  static List<Integer> parse(String option, String text) {
    List<Integer> sizes = new ArrayList<>();
    int between = text.indexOf(RANGE);
    if (between >= 0) {
      int first = number(option, text, text.substring(0, between));
      int last = number(option, text, text.substring(between + RANGE.length()));
      for (long size = first; size <= last; size *= 2) {
        sizes.add((int) size);
      }
    } else {
      for (String part : text.split(",", -1)) {
        sizes.add(number(option, text, part));
      }
    }
    for (int i = 0; i < sizes.size(); i++) {
      if (i > 0 && sizes.get(i) <= sizes.get(i - 1)) {
        throw refusal(option, text);
      }
    }
    if (sizes.isEmpty()) {
      throw refusal(option, text);
    }
    return sizes;
  }

  private static int number(String option, String text, String part) {
    try {
      int number = Integer.parseInt(part.strip());
      if (number >= LEAST && number <= MOST) {
        return number;
      }
    } catch (NumberFormatException e) {
      // Refused below, as a number out of bounds is.
    }
    throw refusal(option, text);
  }

  private static InputException refusal(String option, String text) {
    return new InputException(
        option
            + " must be rising numbers from "
            + LEAST
            + " to "
            + MOST
            + ", as 1024..65536 (each the double of the last) or 1024,5000, found '"
            + text
            + "'.");
  }
}
