package io.github.simcse4j.data;

import io.github.simcse4j.files.InputException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;

/**
 * Which columns of an input hold the sentences: 1 for unsupervised training, 2 for pairs, 3 for
 * pairs with a hard negative.
 *
 * @param selected names or 0-based positions, at most 3; empty for all columns in their order
 * @param byName whether {@code selected} are names
 */
public record Columns(List<String> selected, boolean byName) {

  /** The most sentences of a group: anchor, positive, hard negative. */
  public static final int MOST = 3;

  private static final Pattern NUMBER = Pattern.compile("\\d{1,6}");
  private static final Pattern HEADER_CELL = Pattern.compile("[A-Za-z_][A-Za-z0-9_.:-]{0,63}");

  public Columns {
    selected = List.copyOf(selected);
    if (selected.size() > MOST) {
      throw new InputException(
          "columns "
              + String.join(",", selected)
              + ": expected at most 3 (sentence, positive, hard"
              + " negative), found "
              + selected.size()
              + "; name fewer.");
    }
  }

  /** All columns of the input, in their order. */
  public static Columns all() {
    return new Columns(List.of(), false);
  }

  /** The columns of an option: {@code "0,2"} by position, {@code "sent0,sent1"} by name. */
  public static Columns parse(String option) {
    List<String> parts = new ArrayList<>();
    for (String part : option.split(",", -1)) {
      if (part.isBlank()) {
        throw new InputException(
            "columns '"
                + option
                + "': expected names or 0-based positions with commas between, found"
                + " an empty one; write for example sent0,sent1 or 0,1.");
      }
      parts.add(part.strip());
    }
    return new Columns(parts, !parts.stream().allMatch(part -> NUMBER.matcher(part).matches()));
  }

  public boolean isAll() {
    return selected.isEmpty();
  }

  /** As on the command line; empty for all columns. */
  @Override
  public String toString() {
    return String.join(",", selected);
  }

  /**
   * Whether the first row of a table names the columns: always when columns are selected by name,
   * and otherwise when all its cells are different and each is an identifier such as {@code
   * hard_neg}.
   */
  boolean isHeader(List<String> firstRow) {
    return byName
        || (firstRow.stream().allMatch(cell -> HEADER_CELL.matcher(cell).matches())
            && firstRow.stream().distinct().count() == firstRow.size());
  }

  /**
   * The positions of the selected columns in a table.
   *
   * @param file the table, for messages
   * @param names what its columns are called
   */
  int[] positions(Path file, List<String> names) {
    if (isAll()) {
      if (names.isEmpty() || names.size() > MOST) {
        throw InputException.in(
            file,
            "",
            "expected 1 to 3 columns of text, found " + names.size() + " " + names,
            "choose some with --columns");
      }
      return java.util.stream.IntStream.range(0, names.size()).toArray();
    }
    return selected.stream().mapToInt(column -> position(file, column, names)).toArray();
  }

  private int position(Path file, String column, List<String> names) {
    int position = byName ? names.indexOf(column) : Integer.parseInt(column);
    if (position < 0 || position >= names.size()) {
      throw InputException.in(
          file,
          "",
          "column " + column + " is not there, the columns are " + names,
          "choose others with --columns");
    }
    if (byName && names.lastIndexOf(column) != position) {
      throw InputException.in(
          file, "", "two columns are called " + column, "choose by position with --columns");
    }
    return position;
  }
}
