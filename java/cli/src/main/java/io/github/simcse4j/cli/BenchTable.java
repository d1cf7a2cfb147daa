package io.github.simcse4j.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.OptionalLong;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** Rows of figures below headings, for a terminal as they come and for Markdown in the end. */
final class BenchTable {

  private static final int NARROWEST = 9;

  private final List<String> headings;
  private final List<List<String>> rows = new ArrayList<>();

  BenchTable(String... headings) {
    this.headings = List.of(headings);
  }

  boolean isEmpty() {
    return rows.isEmpty();
  }

  /** The line above the rows. */
  String head() {
    return line(headings);
  }

  /** Adds a row; returns its line. */
  String add(String... cells) {
    rows.add(List.of(cells));
    return line(rows.getLast());
  }

  private String line(List<String> cells) {
    return IntStream.range(0, headings.size())
        .mapToObj(i -> pad(cells.get(i), Math.max(NARROWEST, headings.get(i).length())))
        .collect(Collectors.joining("  "));
  }

  private static String pad(String cell, int width) {
    return " ".repeat(Math.max(0, width - cell.length())) + cell;
  }

  /** All lines, every column as wide as what is in it, the first ones to the left. */
  List<String> aligned(int toTheLeft) {
    List<List<String>> all = new ArrayList<>(List.of(headings));
    all.addAll(rows);
    String format =
        IntStream.range(0, headings.size())
            .mapToObj(i -> {
              int width = all.stream().mapToInt(row -> row.get(i).length()).max().orElseThrow();
              return (i < toTheLeft ? "%-" : "%") + width + "s";
            })
            .collect(Collectors.joining("  "));
    return all.stream().map(row -> format.formatted(row.toArray())).toList();
  }

  List<String> markdown() {
    List<String> lines = new ArrayList<>();
    lines.add(bars(headings));
    lines.add("|" + "---:|".repeat(headings.size()));
    rows.forEach(row -> lines.add(bars(row)));
    return lines;
  }

  private static String bars(List<String> cells) {
    return "| " + String.join(" | ", cells) + " |";
  }

  /** A figure with about three digits that count. */
  static String number(double value) {
    int magnitude = value > 0 ? (int) Math.floor(Math.log10(value)) : 0;
    int decimals = Math.clamp(2 - magnitude, 0, 6);
    return String.format(Locale.ROOT, "%,." + decimals + "f", value);
  }

  static String count(long value) {
    return String.format(Locale.ROOT, "%,d", value);
  }

  static String percent(double share) {
    return String.format(Locale.ROOT, "%.0f %%", 100 * share);
  }

  static String megabytes(long bytes) {
    return number(bytes * 1e-6);
  }

  static String megabytes(OptionalLong bytes) {
    return bytes.isPresent() ? megabytes(bytes.getAsLong()) : "-";
  }
}
