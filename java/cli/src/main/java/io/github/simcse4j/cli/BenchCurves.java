package io.github.simcse4j.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;

/** The figures of a benchmark that are drawn: time and memory at each size. */
final class BenchCurves {

  private final List<ScalingPlot.Point> seconds = new ArrayList<>();
  private final List<ScalingPlot.Point> gemmSeconds = new ArrayList<>();
  private final List<ScalingPlot.Point> needed = new ArrayList<>();
  private final List<ScalingPlot.Point> peaks = new ArrayList<>();

  /**
   * Adds a size.
   *
   * @param bytes that are known to be needed
   * @param peak bytes that the process has grown by, where that is known
   */
  void add(long size, BenchClock.Timing timing, long bytes, OptionalLong peak) {
    seconds.add(new ScalingPlot.Point(size, timing.seconds()));
    gemmSeconds.add(new ScalingPlot.Point(size, timing.flops() / timing.gemmRate()));
    needed.add(new ScalingPlot.Point(size, bytes));
    peak.ifPresent(grown -> peaks.add(new ScalingPlot.Point(size, grown)));
  }

  /**
   * Draws them.
   *
   * @param size what the sizes are
   * @param timed what takes the time
   * @param need what the needed memory is for
   */
  ScalingPlot plot(String title, String size, String timed, String need) {
    List<ScalingPlot.Curve> times =
        List.of(
            new ScalingPlot.Curve("measured", false, seconds),
            new ScalingPlot.Curve("at the rate of the gemm", true, gemmSeconds));
    List<ScalingPlot.Curve> memory = new ArrayList<>();
    memory.add(new ScalingPlot.Curve(need, true, needed));
    if (!peaks.isEmpty()) {
      memory.addFirst(new ScalingPlot.Curve("growth of the process at its peak", false, peaks));
    }
    return new ScalingPlot(
        title,
        size,
        List.of(
            new ScalingPlot.Panel(timed, ScalingPlot.Unit.SECONDS, times),
            new ScalingPlot.Panel("Memory", ScalingPlot.Unit.BYTES, memory)));
  }
}
