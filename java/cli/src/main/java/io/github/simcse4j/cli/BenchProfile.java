package io.github.simcse4j.cli;

import io.github.simcse4j.kernels.OperationProfile;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;

/**
 * Where the time of a step goes: its operations, each beside its floor, which is the time for its
 * bytes at the rate of a copy or for its products at the rate of a matrix product, whichever is
 * longer.
 *
 * @param batch sentences of the step
 * @param profile of {@code steps} steps, operation by operation
 * @param steps that were profiled
 * @param seconds of a step as it runs, on a device as a whole
 * @param copyRate bytes a second
 * @param gemmRate FLOP a second
 */
record BenchProfile(
    int batch,
    OperationProfile profile,
    int steps,
    double seconds,
    double copyRate,
    double gemmRate) {

  /** What the columns mean, a line each. */
  static final List<String> COLUMNS =
      List.of(
          "calls: in a step",
          "ms: of all these calls in a step, each timed on its own",
          "of step: that by the sum of all operations",
          "GB/s: of the bytes that the operation cannot do without",
          "floor ms: those bytes at the rate of a copy or the products at that of a gemm, whichever"
              + " takes longer");

  /** A share of the time below which an operation is not listed on its own. */
  private static final double SMALL = 0.005;

  private static final String[] HEADINGS = {
    "operation", "shape", "calls", "ms", "of step", "GB/s", "TFLOP/s", "floor ms", "of floor"
  };

  /** One line before the table. */
  String title() {
    return String.format(
        Locale.ROOT,
        "batch %,d: %s ms a step as it runs, %s ms its operations one by one, floor %s ms (copy %s"
            + " GB/s, gemm %s TFLOP/s)",
        batch,
        BenchTable.number(seconds * 1e3),
        BenchTable.number(profile.seconds() / steps * 1e3),
        BenchTable.number(floor() * 1e3),
        BenchTable.number(copyRate * 1e-9),
        BenchTable.number(gemmRate * 1e-12));
  }

  private double floor() {
    return profile.entries().stream().mapToDouble(e -> e.floor(copyRate, gemmRate)).sum() / steps;
  }

  /** The operations, the longest first; what takes next to nothing is one row. */
  BenchTable table() {
    BenchTable table = new BenchTable(HEADINGS);
    List<OperationProfile.Entry> entries = new ArrayList<>(profile.entries());
    entries.sort(Comparator.comparingDouble(OperationProfile.Entry::seconds).reversed());
    List<OperationProfile.Entry> small =
        entries.stream().filter(e -> e.seconds() < SMALL * profile.seconds()).toList();
    entries.subList(0, entries.size() - small.size()).forEach(entry -> add(table, entry));
    if (!small.isEmpty()) {
      add(table, OperationProfile.Entry.sum("others", small.size() + " shapes", small));
    }
    return table;
  }

  private void add(BenchTable table, OperationProfile.Entry entry) {
    double floor = entry.floor(copyRate, gemmRate);
    double rate = entry.flops() / entry.seconds();
    table.add(
        entry.operation(),
        entry.shape(),
        BenchTable.number((double) entry.calls() / steps),
        BenchTable.number(entry.seconds() / steps * 1e3),
        BenchTable.percent(entry.seconds() / profile.seconds()),
        BenchTable.number(entry.bytes() / entry.seconds() * 1e-9),
        rate > 0 ? BenchTable.number(rate * 1e-12) : "-",
        BenchTable.number(floor / steps * 1e3),
        BenchTable.percent(floor / entry.seconds()));
  }
}
