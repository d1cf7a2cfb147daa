package io.github.simcse4j.data;

import java.nio.file.Path;
import java.util.Locale;

/**
 * What preparing an input came to.
 *
 * @param file the token store
 * @param groups groups of sentences, what a batch is counted in
 * @param sentences groups times columns
 * @param tokens tokens of all sentences
 * @param skippedEmpty groups left out because a needed cell was empty
 * @param truncated sentences cut at the greatest length
 * @param reused whether the store was there already
 * @param seconds time taken
 * @param note what the user should know besides, such as another folder than usual; may be empty
 */
public record PrepareSummary(
    Path file,
    long groups,
    long sentences,
    long tokens,
    long skippedEmpty,
    long truncated,
    boolean reused,
    double seconds,
    String note) {

  /** One line for the user. */
  public String text() {
    StringBuilder line = new StringBuilder();
    line.append(
        String.format(
            Locale.ROOT,
            "%s %,d sentences, %,d tokens in %.1f s: %s",
            reused ? "re-used" : "tokenised",
            sentences,
            tokens,
            seconds,
            file));
    if (sentences != groups) {
      line.append(String.format(Locale.ROOT, "; %,d groups of %d", groups, sentences / groups));
    }
    if (skippedEmpty > 0) {
      line.append(String.format(Locale.ROOT, "; %,d empty rows skipped", skippedEmpty));
    }
    if (truncated > 0) {
      line.append(String.format(Locale.ROOT, "; %,d sentences truncated", truncated));
    }
    return note.isEmpty() ? line.toString() : line.append("; ").append(note).toString();
  }
}
