package io.github.simcse4j.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.DoubleSupplier;

/**
 * Times the same work at rising sizes within a bound of time for each. The rate of a matrix product
 * is measured in turns with it, so that both meet the same disturbances.
 */
final class BenchClock {

  private static final double WARM_UP = 0.5;

  /** What the JVM takes to compile everything, at the first size. */
  private static final double FIRST_WARM_UP = 1;

  /** Passes that are faster than the last by this factor or more are still being compiled. */
  private static final double SETTLED = 0.9;

  private final double budget;
  private final int repetitions;
  private final GemmRate gemm;
  private double lastRate;
  private boolean warm;

  /**
   * One size.
   *
   * @param seconds the median pass
   * @param flops of a pass
   * @param gemmRate the median rate of the matrix product, in FLOP/s
   * @param repetitions passes that were timed
   */
  record Timing(double seconds, double flops, double gemmRate, int repetitions) {

    double teraflops() {
      return flops / seconds * 1e-12;
    }

    /** One of several like parts of a pass. */
    Timing part(int parts) {
      return new Timing(seconds / parts, flops / parts, gemmRate, repetitions * parts);
    }

    /** The rate as a share of that of the matrix product. */
    double share() {
      return flops / seconds / gemmRate;
    }
  }

  /**
   * @param budget seconds for a size
   * @param repetitions most passes to time
   */
  BenchClock(double budget, int repetitions, GemmRate gemm) {
    this.budget = budget;
    this.repetitions = repetitions;
    this.gemm = gemm;
    this.lastRate = gemm.measure();
  }

  /** The seconds that so many FLOP would take at the rate of the last size. */
  double expected(double flops) {
    return flops / lastRate;
  }

  /** Why a pass of so many FLOP is not begun, from the rate of the last size; or empty. */
  Optional<String> obstacle(double flops) {
    double expected = expected(flops);
    return expected <= budget
        ? Optional.empty()
        : Optional.of(
            String.format(
                Locale.ROOT,
                "a pass would take about %s s, more than --seconds %s",
                BenchTable.number(expected),
                BenchTable.number(budget)));
  }

  /**
   * Times one size; the first passes warm up, unless there is no time for a second one.
   *
   * @param pass does the work once and returns its seconds
   */
  Timing time(double flops, DoubleSupplier pass) {
    List<Double> seconds = new ArrayList<>();
    List<Double> rates = new ArrayList<>();
    double last = warm ? pass.getAsDouble() : settle(pass, FIRST_WARM_UP, budget);
    double spent = warm ? last : 0;
    warm = true;
    if (spent + last > budget) {
      seconds.add(last);
      rates.add(gemm.measure());
    } else {
      while (spent < Math.min(WARM_UP, budget / 4)) {
        spent += pass.getAsDouble();
      }
      while (seconds.size() < repetitions && (seconds.isEmpty() || spent + last <= budget)) {
        rates.add(gemm.measure());
        last = pass.getAsDouble();
        seconds.add(last);
        spent += last;
      }
    }
    Timing timing = new Timing(median(seconds), flops, median(rates), seconds.size());
    lastRate = flops / timing.seconds;
    return timing;
  }

  /**
   * Repeats a pass until it gets no faster.
   *
   * @param atLeast seconds to go on for
   * @param atMost seconds within which to end
   * @return the seconds of the last pass
   */
  static double settle(DoubleSupplier pass, double atLeast, double atMost) {
    double before = Double.POSITIVE_INFINITY;
    double last = pass.getAsDouble();
    double spent = last;
    while ((spent < atLeast || last < SETTLED * before) && spent + last <= atMost) {
      before = last;
      last = pass.getAsDouble();
      spent += last;
    }
    return last;
  }

  private static double median(List<Double> values) {
    List<Double> sorted = values.stream().sorted().toList();
    int middle = sorted.size() / 2;
    return sorted.size() % 2 == 1
        ? sorted.get(middle)
        : (sorted.get(middle - 1) + sorted.get(middle)) / 2;
  }
}
