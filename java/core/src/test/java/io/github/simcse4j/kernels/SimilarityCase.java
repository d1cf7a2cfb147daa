package io.github.simcse4j.kernels;

import io.github.simcse4j.kernels.KernelsFixture.Result;
import io.github.simcse4j.tensor.Bfloat16;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Tensor;
import java.util.Arrays;
import java.util.Random;
import java.util.stream.IntStream;

/**
 * Vectors, targets and ids of one call of the contrastive loss.
 *
 * @param queries (N, hidden)
 * @param keys (M, hidden)
 * @param ids of the queries, then of the keys
 */
record SimilarityCase(double[] queries, double[] keys, int[] targets, int hidden, double[] ids) {

  static final float LOSS_SCALE = 4f;

  /** How far from every limit cosines are kept, so that rounding does not decide. */
  private static final double CLEAR = 3e-3;

  /** Vectors of any directions, half of which say what another says. */
  static SimilarityCase random(KernelsFixture fixture, int n, int m, int hidden, int[] targets) {
    double[] queries = fixture.normal((long) n * hidden);
    double[] keys = fixture.normal((long) m * hidden);
    return new SimilarityCase(queries, keys, targets, hidden, ids(fixture, n + m));
  }

  /**
   * Queries near each other and keys near their queries, drawn until no cosine is close to the
   * limit of its anchor, in numbers that are the same in every type.
   */
  static SimilarityCase neighbours(
      KernelsFixture fixture, int n, int m, int hidden, double margin) {
    Random random = fixture.random();
    int[] targets = columns(fixture, n, m);
    double[] queries = new double[n * hidden];
    double[] keys = coarse(fixture.normal((long) m * hidden));
    double[] common = fixture.normal(hidden);
    boolean[] drawn = new boolean[m];
    Arrays.fill(drawn, true);
    for (int target : targets) {
      drawn[target] = false;
    }
    for (int i = 0; i < n; i++) {
      drawn[targets[i]] = true;
      do {
        for (int c = 0; c < hidden; c++) {
          double value = random.nextGaussian() + common[c] / 2;
          queries[i * hidden + c] = coarse(value);
          keys[targets[i] * hidden + c] = coarse(value + 1.5 * random.nextGaussian());
        }
      } while (isClose(queries, keys, targets, drawn, i, hidden, margin));
    }
    return new SimilarityCase(queries, keys, targets, hidden, ids(fixture, n + m));
  }

  private static double[] ids(KernelsFixture fixture, int count) {
    return fixture.random().longs(count, 0, count).mapToDouble(id -> id * 0x1p30 - 7).toArray();
  }

  private static double[] coarse(double[] values) {
    return Arrays.stream(values).map(SimilarityCase::coarse).toArray();
  }

  private static double coarse(double value) {
    return Bfloat16.toFloat(Bfloat16.of((float) value));
  }

  /** Whether pair {@code last} brings a cosine close to a limit, among all that was drawn. */
  private static boolean isClose(
      double[] queries,
      double[] keys,
      int[] targets,
      boolean[] drawn,
      int last,
      int hidden,
      double margin) {
    for (int i = 0; i <= last; i++) {
      double limit = cosine(queries, i, keys, targets[i], hidden) + margin;
      for (int j = 0; j < drawn.length; j++) {
        boolean met = drawn[j] && (i == last || j == targets[last]) && j != targets[i];
        if (met
            && (within(limit, cosine(queries, i, keys, j, hidden))
                || within(limit, cosine(keys, targets[i], keys, j, hidden)))) {
          return true;
        }
      }
      for (int j = i == last ? 0 : last; j <= last; j++) {
        if (j != i
            && (within(limit, cosine(queries, i, queries, j, hidden))
                || within(limit, cosine(keys, targets[i], queries, j, hidden)))) {
          return true;
        }
      }
    }
    return false;
  }

  private static boolean within(double limit, double cosine) {
    return Math.abs(limit - cosine) < CLEAR;
  }

  static double cosine(double[] a, int i, double[] b, int j, int hidden) {
    double product = 0;
    double aSquare = 0;
    double bSquare = 0;
    for (int c = 0; c < hidden; c++) {
      double x = a[i * hidden + c];
      double y = b[j * hidden + c];
      product += x * y;
      aSquare += x * x;
      bSquare += y * y;
    }
    return product / Math.sqrt(aSquare * bSquare);
  }

  /** N of M columns in random order. */
  static int[] columns(KernelsFixture fixture, int n, int m) {
    int[] columns = IntStream.range(0, m).toArray();
    for (int i = 0; i < n; i++) {
      int j = i + fixture.random().nextInt(m - i);
      int column = columns[j];
      columns[j] = columns[i];
      columns[i] = column;
    }
    return Arrays.copyOf(columns, n);
  }

  SimilarityCase withIds(double... others) {
    return new SimilarityCase(queries, keys, targets, hidden, others);
  }

  /** Runs the operation forward and backward and hands its results over. */
  void run(KernelsFixture fixture, Contrast contrast, boolean withIds) {
    int n = targets.length;
    int m = keys.length / hidden;
    Tensor queryIds = withIds ? fixture.input(DType.I64, Arrays.copyOf(ids, n), n) : null;
    Tensor keyIds = withIds ? fixture.input(DType.I64, Arrays.copyOfRange(ids, n, n + m), m) : null;
    ContrastPairs pairs =
        new ContrastPairs(
            fixture.input(fixture.dtype(), queries, n, hidden),
            fixture.input(fixture.dtype(), keys, m, hidden),
            Batches.integers(fixture, targets),
            queryIds,
            keyIds);
    run(fixture, pairs, contrast, fixture.output(n, hidden), fixture.output(m, hidden));
  }

  static void run(
      KernelsFixture fixture,
      ContrastPairs pairs,
      Contrast contrast,
      Tensor dQueries,
      Tensor dKeys) {
    long n = pairs.queries().extent(0);
    long m = pairs.keys().extent(0);
    DType type = fixture.accumulator();
    Tensor loss = fixture.output(type, 1);
    ContrastStatistics statistics =
        new ContrastStatistics(
            fixture.output(type, n),
            fixture.output(type, n),
            fixture.output(type, m),
            contrast.bothDirections() ? fixture.output(type, m) : null);
    fixture.kernels().similaritySoftmaxForward(pairs, contrast, loss, statistics);
    fixture.result("loss", loss, 1);
    fixture.result("lse", statistics.lse());
    fixture.result("queryNorm", statistics.queryNorm());
    fixture.result("keyNorm", statistics.keyNorm());
    if (contrast.bothDirections()) {
      keyLse(fixture, statistics.keyLse());
    }
    fixture
        .kernels()
        .similaritySoftmaxBackward(pairs, contrast, statistics, LOSS_SCALE, dQueries, dKeys);
    // Where the softmax is saturated or all vectors are parallel, gradients are differences of
    // almost equal numbers: errors are then relative to a share of what was subtracted.
    double subtracted = 0.1 * LOSS_SCALE / n / contrast.temperature();
    fixture.result("dQueries", dQueries, subtracted / shortest(fixture, statistics.queryNorm()));
    fixture.result("dKeys", dKeys, subtracted / shortest(fixture, statistics.keyNorm()));
  }

  /** Finite numbers as they are, and apart from them which are infinite. */
  private static void keyLse(KernelsFixture fixture, Tensor keyLse) {
    fixture.result("keyLse", keyLse);
    Result whole = fixture.results().get("keyLse");
    double infinity = Double.POSITIVE_INFINITY;
    double[] finite = Arrays.stream(whole.values()).map(x -> x == infinity ? 0 : x).toArray();
    double[] others = Arrays.stream(whole.values()).map(x -> x == infinity ? 1 : 0).toArray();
    fixture.results().put("keyLse", new Result(whole.dtype(), finite, whole.bytes(), 1));
    fixture.results().put("infinite keyLse", new Result(whole.dtype(), others, whole.bytes(), 0));
  }

  /** The smallest of these lengths that is not 0. */
  private static double shortest(KernelsFixture fixture, Tensor lengths) {
    return Arrays.stream(fixture.values(lengths)).filter(x -> x > 0).min().orElseThrow();
  }
}
