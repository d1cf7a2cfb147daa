package io.github.simcse4j.kernels;

import java.util.ArrayList;
import java.util.List;

/** Marks in the order in which a backend works, and the time between them. */
public interface Timeline extends AutoCloseable {

  /** Marks the end of everything asked for so far. */
  void mark();

  /** Waits for the last mark; returns the seconds from each mark to the next, and forgets all. */
  double[] seconds();

  @Override
  void close();

  /** By the clock of the host, which waits at every mark. */
  final class OfHost implements Timeline {

    private final Kernels kernels;
    private final List<Long> marks = new ArrayList<>();

    OfHost(Kernels kernels) {
      this.kernels = kernels;
    }

    @Override
    public void mark() {
      kernels.synchronize();
      marks.add(System.nanoTime());
    }

    @Override
    public double[] seconds() {
      double[] seconds = new double[Math.max(0, marks.size() - 1)];
      for (int i = 0; i < seconds.length; i++) {
        seconds[i] = (marks.get(i + 1) - marks.get(i)) * 1e-9;
      }
      marks.clear();
      return seconds;
    }

    @Override
    public void close() {
      marks.clear();
    }
  }
}
