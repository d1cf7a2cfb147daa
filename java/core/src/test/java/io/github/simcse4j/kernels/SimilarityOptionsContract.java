package io.github.simcse4j.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Arrays;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The options of the contrastive loss, alone and together. */
interface SimilarityOptionsContract extends KernelsContract {

  String OPERATION = "similarity_softmax";

  /** Both directions, same-side negatives and ids in every combination, over odd shapes. */
  @ParameterizedTest(name = "{0} queries, {1} keys, hidden {2}")
  @CsvSource({
    "1, 1, 1",
    "1, 3, 7",
    "2, 2, 16",
    "16, 31, 33",
    "17, 17, 128",
    "31, 33, 32",
    "32, 32, 5",
    "33, 64, 64",
    "130, 600, 17",
    "600, 130, 15"
  })
  default void similarityOptions(int n, int m, int hidden) {
    for (int options = 1; options < 8; options++) {
      boolean both = (options & 1) != 0;
      boolean sameSide = (options & 2) != 0;
      boolean ids = (options & 4) != 0;
      if (both && n > m) {
        continue;
      }
      check(
          OPERATION,
          "%d x %d, hidden %d, %s%s%s"
              .formatted(
                  n,
                  m,
                  hidden,
                  both ? "both directions " : "",
                  sameSide ? "same side " : "",
                  ids ? "ids" : ""),
          fixture -> {
            int[] targets =
                both
                    ? SimilarityCase.columns(fixture, n, m)
                    : fixture.random().ints(n, 0, m).toArray();
            SimilarityCase.random(fixture, n, m, hidden, targets)
                .run(fixture, options(Contrast.inBatch(0.05f), both, sameSide), ids);
          });
    }
  }

  /** Every option at once at the temperatures between which users choose. */
  @ParameterizedTest
  @ValueSource(floats = {0.01f, 0.05f, 0.3f, 1f})
  default void similarityOptionsTogether(float temperature) {
    int n = 33;
    int m = 70;
    int hidden = 20;
    check(
        OPERATION,
        "all options, temperature " + temperature,
        fixture -> {
          Contrast contrast =
              Contrast.inBatch(temperature)
                  .withOwnNegatives(n, 0.7f)
                  .withBothDirections()
                  .withSameSideNegatives()
                  .withFalseNegativeMargin(0.1f);
          SimilarityCase.neighbours(fixture, n, m, hidden, 0.1f).run(fixture, contrast, true);
        });
  }

  /** What is more similar than the positive, by a margin, is left out of either direction. */
  @ParameterizedTest(name = "margin {0}, both directions {1}, same side {2}")
  @CsvSource({
    "0.2, false, false",
    "0, false, false",
    "-0.3, false, false",
    "0.2, true, false",
    "-0.3, true, false",
    "0, true, true",
    "-0.1, true, true",
    "0.1, false, true",
    "-1.9, true, true",
    "1.9, true, true"
  })
  default void similarityWithAMargin(float margin, boolean both, boolean sameSide) {
    for (int n : new int[] {1, 32, 130}) {
      int m = n == 130 ? 200 : n;
      check(
          OPERATION,
          "margin %s, %d x %d, %b, %b".formatted(margin, n, m, both, sameSide),
          fixture -> {
            Contrast contrast =
                options(Contrast.inBatch(0.1f), both, sameSide).withFalseNegativeMargin(margin);
            SimilarityCase.neighbours(fixture, n, m, 24, margin).run(fixture, contrast, false);
          });
    }
  }

  /** A query's own hard negative has its weight in both directions, where it has a query too. */
  @ParameterizedTest(name = "weight {0} from column {1} on, same side {2}")
  @CsvSource({
    "0.7, 17, false",
    "-2, 17, true",
    "3, 0, false",
    "3, 0, true",
    "1.5, 5, false",
    "1.5, 5, true"
  })
  default void similarityOfHardNegativesInBothDirections(float bias, int offset, boolean sameSide) {
    int n = 17;
    check(
        OPERATION,
        "both directions, hard negatives of weight %s from %d on, %b"
            .formatted(bias, offset, sameSide),
        fixture -> {
          int[] targets = IntStream.range(0, n).toArray();
          SimilarityCase.random(fixture, n, 2 * n, 33, targets)
              .run(
                  fixture,
                  options(Contrast.inBatch(0.1f), true, sameSide).withOwnNegatives(offset, bias),
                  sameSide);
        });
  }

  /** Sentences that all say the same leave each anchor its positive alone: no loss, no gradient. */
  @Test
  default void similarityOfOneSentence() {
    int n = 40;
    check(
        OPERATION,
        "one sentence everywhere",
        fixture -> {
          SimilarityCase.random(fixture, n, n, 9, SimilarityCase.columns(fixture, n, n))
              .withIds(new double[2 * n])
              .run(fixture, options(Contrast.inBatch(0.05f), true, true), true);
          assertEquals(0, fixture.results().get("loss").values()[0], 1e-5);
        });
  }

  /** Ids differ in all of their 64 bits. */
  @Test
  default void similarityComparesWholeIds() {
    int n = 24;
    check(
        OPERATION,
        "ids that differ in the upper or the lower half",
        fixture -> {
          double[] ids = new double[2 * n];
          Arrays.setAll(ids, i -> (i % 2 == 0 ? 1 : -1) * ((i % 3) * 0x1p32 + i % 5));
          SimilarityCase.random(fixture, n, n, 9, SimilarityCase.columns(fixture, n, n))
              .withIds(ids)
              .run(fixture, options(Contrast.inBatch(0.05f), true, true), true);
        });
  }

  /**
   * Both directions with same-side negatives are NT-Xent as its paper writes it: cross entropy over
   * the 2 N x 2 N similarities without their diagonal (Chen et al. 2020, equation 1).
   */
  @Test
  default void similarityIsNtXent() {
    int n = 19;
    int hidden = 13;
    check(
        OPERATION,
        "NT-Xent",
        fixture -> {
          int[] targets = IntStream.range(0, n).toArray();
          SimilarityCase data = SimilarityCase.neighbours(fixture, n, n, hidden, 0);
          SimilarityCase aligned =
              new SimilarityCase(data.queries(), data.keys(), targets, hidden, data.ids());
          aligned.run(fixture, options(Contrast.inBatch(0.1f), true, true), false);
          double expected = ntXent(data.queries(), data.keys(), hidden, 0.1f);
          double tolerance = 1e-5 * expected;
          assertEquals(expected, fixture.results().get("loss").values()[0], tolerance);
        });
  }

  private static double ntXent(double[] queries, double[] keys, int hidden, double temperature) {
    int n = queries.length / hidden;
    double[] all = Arrays.copyOf(queries, 2 * queries.length);
    System.arraycopy(keys, 0, all, queries.length, keys.length);
    double loss = 0;
    for (int i = 0; i < 2 * n; i++) {
      double sum = 0;
      for (int k = 0; k < 2 * n; k++) {
        sum += k == i ? 0 : Math.exp(SimilarityCase.cosine(all, i, all, k, hidden) / temperature);
      }
      loss +=
          Math.log(sum)
              - SimilarityCase.cosine(all, i, all, (i + n) % (2 * n), hidden) / temperature;
    }
    return loss / (2 * n);
  }

  private static Contrast options(Contrast contrast, boolean both, boolean sameSide) {
    Contrast directed = both ? contrast.withBothDirections() : contrast;
    return sameSide ? directed.withSameSideNegatives() : directed;
  }
}
