package io.github.simcse4j.cli;

import io.github.simcse4j.files.InputException;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/** Goes through rising sizes, leaves out what cannot be measured and says why. */
final class BenchRun {

  /** Measures at one size and says so; what it throws is why the size is left out. */
  @FunctionalInterface
  interface Size {
    void measure(int size);
  }

  private final String name;
  private final BenchTable table;
  private final PrintWriter err;
  private final List<String> left = new ArrayList<>();

  /**
   * @param name of the size
   * @param table that {@link Size#measure} adds to
   */
  BenchRun(String name, BenchTable table, PrintWriter err) {
    this.name = name;
    this.table = table;
    this.err = err;
  }

  /** Refuses, for a reason, to measure at a size, as where it would take too long. */
  static void require(Optional<String> obstacle) {
    obstacle.ifPresent(reason -> {
      throw new InputException(reason + ".");
    });
  }

  /**
   * Measures at each size up to the first that cannot be measured.
   *
   * @throws InputException where that is the first of all
   */
  void measure(List<Integer> sizes, Size how) {
    for (int i = 0; i < sizes.size(); i++) {
      try {
        how.measure(sizes.get(i));
      } catch (InputException e) {
        leaveOut(sizes.subList(i, sizes.size()), e, e.getMessage());
        return;
      } catch (OutOfMemoryError e) {
        leaveOut(sizes.subList(i, sizes.size()), e, "the memory ran out (" + e.getMessage() + ").");
        return;
      }
    }
  }

  private void leaveOut(List<Integer> sizes, Throwable cause, String why) {
    String more = sizes.size() == 1 ? "" : " and what is larger";
    String line = String.format(Locale.ROOT, "%s = %,d%s: %s", name, sizes.getFirst(), more, why);
    if (table.isEmpty()) {
      throw new InputException(line, cause);
    }
    left.add(line);
    err.println("left out " + line);
    err.flush();
  }

  List<String> left() {
    return left;
  }
}
