package io.github.simcse4j.cli;

import io.github.simcse4j.train.MemoryPlan;
import io.github.simcse4j.train.TrainListener;
import java.io.PrintWriter;
import java.util.Locale;

/**
 * Shows a training on standard error: a bar that redraws itself on a terminal, else a line at
 * times.
 */
final class ProgressReport implements TrainListener, AutoCloseable {

  /** A line that fills a terminal wraps, and then a carriage return does not lead to its start. */
  private static final int LINE_WIDTH = 79;

  private static final int BAR_WIDTH = 24;
  private static final long REDRAW_NANOS = 100_000_000L;
  private static final long LINE_NANOS = 10_000_000_000L;

  private final PrintWriter err;
  private final boolean terminal;
  private final long start = System.nanoTime();
  private long last;
  private int drawn;
  private boolean planned;

  ProgressReport(PrintWriter err, boolean terminal) {
    this.err = err;
    this.terminal = terminal;
  }

  /** Says how a batch is cut, the first time and when that had to change. */
  @Override
  public void onPlan(Plan plan) {
    boolean ranOut = !plan.cause().isEmpty();
    MemoryPlan memory = plan.memory();
    if (ranOut) {
      close();
      err.printf(
          Locale.ROOT,
          "memory ran out (%s): going on with at most %,d tokens a chunk, %,d of %,d chunks kept,"
              + " --activations %s%n",
          plan.cause(),
          memory.tokensPerChunk(),
          memory.kept(),
          memory.chunks(),
          memory.activationsLabel());
    } else if (!planned && memory.chunks() > 1) {
      memory.lines().forEach(err::println);
    }
    planned = true;
    err.flush();
  }

  @Override
  public void onStep(Step step) {
    long now = System.nanoTime();
    boolean edge = step.step() == 1 || step.step() == step.totalSteps();
    if (!edge && now - last < (terminal ? REDRAW_NANOS : LINE_NANOS)) {
      return;
    }
    last = now;
    double share = step.step() / (double) step.totalSteps();
    String left = duration((now - start) * 1e-9 * (1 - share) / share) + " left";
    String rate = String.format(Locale.ROOT, "%,.0f sentences/s", step.sentencesPerSecond());
    String chunks =
        step.chunks() == 1
            ? ""
            : String.format(
                Locale.ROOT, "  %,d chunks of %,d tokens", step.chunks(), step.tokensPerChunk());
    String text =
        String.format(
            Locale.ROOT,
            "%d/%d  loss %.4f  %s%s  %s",
            step.step(),
            step.totalSteps(),
            step.loss(),
            rate,
            chunks,
            left);
    if (terminal) {
      draw(bar(share, LINE_WIDTH - text.length() - 3) + text);
    } else {
      err.println("step " + text);
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
      close();
    } else {
      err.println(text);
      err.flush();
    }
  }

  /** Leaves the line of the bar, so that whatever is printed next has one of its own. */
  @Override
  public void close() {
    if (drawn > 0) {
      err.println();
      err.flush();
      drawn = 0;
    }
  }

  private void draw(String text) {
    err.print("\r" + text + " ".repeat(Math.max(0, drawn - text.length())));
    drawn = text.length();
  }

  /** A bar with a space behind it, or nothing where there is no room. */
  private static String bar(double share, int room) {
    int width = Math.min(room, BAR_WIDTH);
    if (width < 1) {
      return "";
    }
    int filled = (int) Math.round(share * width);
    return "[" + "#".repeat(filled) + "-".repeat(width - filled) + "] ";
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
