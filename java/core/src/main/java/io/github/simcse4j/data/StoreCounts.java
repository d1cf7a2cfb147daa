package io.github.simcse4j.data;

import java.util.Map;

/**
 * What was untidy in the input of a token store; it stands in the footer of its file.
 *
 * @param skippedEmpty groups left out because a needed cell was empty
 * @param truncated sentences cut at the greatest length
 */
record StoreCounts(long skippedEmpty, long truncated) {

  private static final String SKIPPED = "simcse4j.skipped_empty";
  private static final String TRUNCATED = "simcse4j.truncated";

  void writeTo(ArrowSink sink) {
    sink.footer(SKIPPED, Long.toString(skippedEmpty));
    sink.footer(TRUNCATED, Long.toString(truncated));
  }

  static StoreCounts from(Map<String, String> footer) {
    return new StoreCounts(
        Long.parseLong(footer.getOrDefault(SKIPPED, "0")),
        Long.parseLong(footer.getOrDefault(TRUNCATED, "0")));
  }
}
