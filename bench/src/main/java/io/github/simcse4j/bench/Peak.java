package io.github.simcse4j.bench;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.LongSupplier;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * What this machine reaches at best, to measure operations by: multiply-adds that never leave the
 * registers, and a copy that no cache holds.
 *
 * @param flops floating-point operations a second
 * @param bytes bytes read and written a second
 */
public record Peak(double flops, double bytes) {

  private static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;
  private static final int ACCUMULATORS = 10;
  private static final int ROUNDS = 100_000;
  private static final int COPIED = 1 << 24;
  private static final int REPEATS = 30;

  /** Measures both, each on so many threads at once; the best of several rounds. */
  public static Peak measure(int threads) {
    try (ExecutorService pool = Executors.newFixedThreadPool(threads)) {
      double flops = 0;
      double bytes = 0;
      List<float[][]> arrays = new ArrayList<>();
      for (int i = 0; i < threads; i++) {
        arrays.add(new float[][] {new float[COPIED], new float[COPIED]});
      }
      for (int repeat = 0; repeat < REPEATS; repeat++) {
        flops = Math.max(flops, total(pool, threads, i -> timed(Peak::multiplyAdds)));
        bytes = Math.max(bytes, total(pool, threads, i -> timed(() -> copy(arrays.get(i)))));
      }
      return new Peak(flops, bytes);
    }
  }

  private interface Work {
    double perSecond(int thread);
  }

  private static double total(ExecutorService pool, int threads, Work work) {
    List<Callable<Double>> calls = new ArrayList<>();
    for (int i = 0; i < threads; i++) {
      int thread = i;
      calls.add(() -> work.perSecond(thread));
    }
    double sum = 0;
    try {
      for (Future<Double> future : pool.invokeAll(calls)) {
        sum += future.get();
      }
    } catch (InterruptedException | ExecutionException e) {
      throw new IllegalStateException("the peak was not measured", e);
    }
    return sum;
  }

  private static double timed(LongSupplier work) {
    long start = System.nanoTime();
    long done = work.getAsLong();
    return done * 1e9 / (System.nanoTime() - start);
  }

  /** As many sums at once as hide the latency of a multiply-add and fit 16 registers. */
  private static long multiplyAdds() {
    FloatVector x = FloatVector.broadcast(SPECIES, 0.999f);
    FloatVector y = FloatVector.broadcast(SPECIES, 0.001f);
    FloatVector a = y;
    FloatVector b = y;
    FloatVector c = y;
    FloatVector d = y;
    FloatVector e = y;
    FloatVector f = y;
    FloatVector g = y;
    FloatVector h = y;
    FloatVector i = y;
    FloatVector j = y;
    for (int round = 0; round < ROUNDS; round++) {
      a = a.fma(x, y);
      b = b.fma(x, y);
      c = c.fma(x, y);
      d = d.fma(x, y);
      e = e.fma(x, y);
      f = f.fma(x, y);
      g = g.fma(x, y);
      h = h.fma(x, y);
      i = i.fma(x, y);
      j = j.fma(x, y);
    }
    FloatVector sum = a.add(b).add(c).add(d).add(e).add(f).add(g).add(h).add(i).add(j);
    long flops = 2L * ACCUMULATORS * ROUNDS * SPECIES.length();
    return Float.isNaN(sum.reduceLanes(VectorOperators.ADD)) ? 0 : flops;
  }

  private static long copy(float[][] arrays) {
    System.arraycopy(arrays[0], 0, arrays[1], 0, COPIED);
    return 2L * COPIED * Float.BYTES;
  }
}
