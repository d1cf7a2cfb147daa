package io.github.simcse4j.cli;

import io.github.simcse4j.train.TrainListener;
import java.io.PrintWriter;
import java.util.Locale;

/**
 * Shows a training on standard error: a bar that redraws itself on a terminal, else a line at
 * times.
 */
final class ProgressReport implements TrainListener {

  private static final int BAR_WIDTH = 24;
  private static final long REDRAW_NANOS = 100_000_000L;
  private static final long LINE_NANOS = 10_000_000_000L;

  private final PrintWriter err;
  private final boolean terminal;
  private final long start = System.nanoTime();
  private long last;
  private int drawn;

  ProgressReport(PrintWriter err, boolean terminal) {
    this.err = err;
    this.terminal = terminal;
  }

  @Override
  public void onStep(Step step) {
    long now = System.nanoTime();
    boolean end = step.step() == step.totalSteps();
    boolean first = step.step() == 1;
    if (!end && !first && now - last < (terminal ? REDRAW_NANOS : LINE_NANOS)) {
      return;
    }
    last = now;
    double share = step.step() / (double) step.totalSteps();
    double remaining = (now - start) * 1e-9 * (1 - share) / share;
    String text =
        String.format(
            Locale.ROOT,
            "step %d/%d  epoch %.2f  loss %.4f  %,.0f sentences/s  %s left",
            step.step(),
            step.totalSteps(),
            step.epoch(),
            step.loss(),
            step.sentencesPerSecond(),
            duration(remaining));
    if (terminal) {
      draw(bar(share) + " " + text);
    } else {
      err.println(text);
    }
    if (end && terminal) {
      err.println();
      drawn = 0;
    }
    err.flush();
  }

  @Override
  public void onEvaluation(Evaluation evaluation) {
    String text =
        String.format(
            Locale.ROOT,
            "step %d  dev Spearman %.4f%s",
            evaluation.step(),
            evaluation.spearman(),
            evaluation.best() ? "  (best so far, saved)" : "");
    if (terminal) {
      draw(text);
      err.println();
      drawn = 0;
    } else {
      err.println(text);
    }
    err.flush();
  }

  private void draw(String text) {
    err.print("\r" + text + " ".repeat(Math.max(0, drawn - text.length())));
    drawn = text.length();
  }

  private static String bar(double share) {
    int filled = (int) Math.round(share * BAR_WIDTH);
    return "[" + "#".repeat(filled) + "-".repeat(BAR_WIDTH - filled) + "]";
  }

  private static String duration(double seconds) {
    long whole = Math.round(seconds);
    return whole < 60
        ? whole + " s"
        : whole < 3600
            ? String.format(Locale.ROOT, "%d:%02d min", whole / 60, whole % 60)
            : String.format(Locale.ROOT, "%d:%02d h", whole / 3600, whole / 60 % 60);
  }
}
