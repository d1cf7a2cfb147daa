package io.github.simcse4j.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Tensor;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The contrastive loss. */
interface SimilarityContract extends KernelsContract {

  String OPERATION = "similarity_softmax";

  float LOSS_SCALE = 4f;

  @ParameterizedTest(name = "{0} queries, {1} keys, hidden {2}")
  @CsvSource({
    "1, 1, 1",
    "1, 3, 7",
    "2, 2, 16",
    "15, 16, 17",
    "16, 31, 33",
    "17, 17, 128",
    "31, 33, 32",
    "64, 64, 64",
    "3, 200, 15",
    "130, 131, 65"
  })
  default void similarity(int n, int m, int hidden) {
    for (float temperature : new float[] {0.05f, 0.2f, 1f}) {
      for (boolean spikes : new boolean[] {false, true}) {
        check(
            OPERATION,
            "%d x %d, hidden %d, temperature %s%s"
                .formatted(n, m, hidden, temperature, spikes ? ", outliers" : ""),
            fixture -> {
              double[] queries = spikes ? fixture.spiky(n * hidden) : fixture.normal(n * hidden);
              double[] keys = fixture.normal((long) m * hidden);
              int[] targets = fixture.random().ints(n, 0, m).toArray();
              Contrast contrast = Contrast.inBatch(temperature);
              similarity(fixture, queries, keys, targets, hidden, contrast);
            });
      }
    }
  }

  /**
   * Cosines of keys that repeat their query nearly, as after training, at every usual temperature.
   */
  @ParameterizedTest
  @ValueSource(floats = {0.01f, 0.02f, 0.05f, 0.1f, 1f})
  default void similarityOfNeighbours(float temperature) {
    int n = 33;
    int hidden = 64;
    check(
        OPERATION,
        "neighbours, temperature " + temperature,
        fixture -> {
          double[] queries = fixture.normal(n * hidden);
          double[] noise = fixture.normal(n * hidden);
          double[] keys = new double[n * hidden];
          int[] targets = permutation(fixture, n);
          for (int i = 0; i < keys.length; i++) {
            keys[targets[i / hidden] * hidden + i % hidden] = queries[i] + 3 * noise[i];
          }
          similarity(fixture, queries, keys, targets, hidden, Contrast.inBatch(temperature));
        });
  }

  /** Triples: M = 2 N keys, each query's own hard negative weighted. */
  @ParameterizedTest
  @ValueSource(floats = {0f, 0.7f, -2f, 3f})
  default void similarityWithHardNegatives(float bias) {
    int n = 17;
    int hidden = 33;
    check(
        OPERATION,
        "hard negatives of weight " + bias,
        fixture -> {
          int[] targets = new int[n];
          Arrays.setAll(targets, i -> i);
          double[] keys = fixture.normal(2 * n * hidden);
          double[] queries = fixture.normal(n * hidden);
          similarity(
              fixture,
              queries,
              keys,
              targets,
              hidden,
              Contrast.inBatch(0.1f).withOwnNegatives(n, bias));
        });
  }

  /** Zero vectors are similar to nothing and get no gradient, and do not spoil the others. */
  @Test
  default void similarityOfZeroVectors() {
    int n = 5;
    int hidden = 17;
    check(
        OPERATION,
        "zero vectors",
        fixture -> {
          double[] queries = fixture.normal(n * hidden);
          double[] keys = fixture.normal(n * hidden);
          Arrays.fill(queries, hidden, 2 * hidden, 0);
          Arrays.fill(keys, 3 * hidden, 4 * hidden, 0);
          int[] targets = {4, 3, 2, 1, 0};
          similarity(fixture, queries, keys, targets, hidden, Contrast.inBatch(0.05f));
        });
  }

  /** Vectors of very different lengths: only directions count. */
  @ParameterizedTest
  @ValueSource(doubles = {1e-12, 1e-6, 1e6, 1e12})
  default void similarityDoesNotDependOnLength(double length) {
    int n = 6;
    int hidden = 20;
    check(
        OPERATION,
        "vectors times " + length,
        fixture -> {
          double[] queries = fixture.normal(n * hidden);
          double[] keys = fixture.normal(n * hidden);
          for (int i = 0; i < queries.length; i++) {
            queries[i] *= length;
          }
          int[] targets = permutation(fixture, n);
          similarity(fixture, queries, keys, targets, hidden, Contrast.inBatch(0.05f));
        });
  }

  /** All logits are 100 or all are -100, whose exponentials overflow and vanish. */
  @ParameterizedTest
  @ValueSource(ints = {1, -1})
  default void similarityOfParallelVectors(int direction) {
    int n = 48;
    int hidden = 32;
    check(
        OPERATION,
        "cosines of %d, temperature 0.01".formatted(direction),
        fixture -> {
          double[] vector = fixture.normal(hidden);
          double[] queries = new double[n * hidden];
          double[] keys = new double[n * hidden];
          Arrays.setAll(queries, i -> vector[i % hidden]);
          Arrays.setAll(keys, i -> direction * vector[i % hidden]);
          int[] targets = permutation(fixture, n);
          similarity(fixture, queries, keys, targets, hidden, Contrast.inBatch(0.01f));
          double loss = fixture.results().get("loss").values()[0];
          assertEquals(Math.log(n), loss, 100 * tolerance(OPERATION));
        });
  }

  /** SimCSE's own call: the two views of a batch are the upper and lower half of one matrix. */
  @Test
  default void similarityOfTwoViews() {
    int n = 9;
    int hidden = 7;
    check(
        OPERATION,
        "halves of one matrix",
        fixture -> {
          Tensor views = fixture.activations(2 * n, hidden);
          Tensor gradients = fixture.output(2 * n, hidden);
          Tensor targets = fixture.output(DType.I32, n);
          fixture.kernels().iota(targets);
          similarity(
              fixture,
              views.rows(0, n),
              views.rows(n, 2 * n),
              targets,
              Contrast.inBatch(0.05f),
              gradients.rows(0, n),
              gradients.rows(n, 2 * n));
        });
  }

  private static void similarity(
      KernelsFixture fixture,
      double[] queries,
      double[] keys,
      int[] targets,
      int hidden,
      Contrast contrast) {
    int n = queries.length / hidden;
    int m = keys.length / hidden;
    similarity(
        fixture,
        fixture.input(fixture.dtype(), queries, n, hidden),
        fixture.input(fixture.dtype(), keys, m, hidden),
        Batches.integers(fixture, targets),
        contrast,
        fixture.output(n, hidden),
        fixture.output(m, hidden));
  }

  private static void similarity(
      KernelsFixture fixture,
      Tensor queries,
      Tensor keys,
      Tensor targets,
      Contrast contrast,
      Tensor dQueries,
      Tensor dKeys) {
    Kernels kernels = fixture.kernels();
    long n = queries.extent(0);
    Tensor loss = fixture.output(fixture.accumulator(), 1);
    Tensor lse = fixture.output(fixture.accumulator(), n);
    Tensor queryNorm = fixture.output(fixture.accumulator(), n);
    Tensor keyNorm = fixture.output(fixture.accumulator(), keys.extent(0));
    ContrastStatistics statistics = new ContrastStatistics(lse, queryNorm, keyNorm);
    kernels.similaritySoftmaxForward(
        new ContrastPairs(queries, keys, targets), contrast, loss, statistics);
    fixture.result("loss", loss, 1);
    fixture.result("lse", lse);
    fixture.result("queryNorm", queryNorm);
    fixture.result("keyNorm", keyNorm);
    kernels.similaritySoftmaxBackward(
        new ContrastPairs(queries, keys, targets),
        contrast,
        statistics,
        LOSS_SCALE,
        dQueries,
        dKeys);
    // Where the softmax is saturated or all vectors are parallel, gradients are differences of
    // almost
    // equal numbers: errors are then relative to a share of what was subtracted.
    double subtracted = 0.1 * LOSS_SCALE / n / contrast.temperature();
    fixture.result("dQueries", dQueries, subtracted / shortest(fixture, queryNorm));
    fixture.result("dKeys", dKeys, subtracted / shortest(fixture, keyNorm));
  }

  /** The smallest of these lengths that is not 0. */
  private static double shortest(KernelsFixture fixture, Tensor lengths) {
    return Arrays.stream(fixture.values(lengths)).filter(x -> x > 0).min().orElseThrow();
  }

  private static int[] permutation(KernelsFixture fixture, int n) {
    int[] targets = new int[n];
    for (int i = 0; i < n; i++) {
      int j = fixture.random().nextInt(i + 1);
      targets[i] = targets[j];
      targets[j] = i;
    }
    return targets;
  }
}
