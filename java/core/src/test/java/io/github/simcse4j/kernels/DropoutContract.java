package io.github.simcse4j.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import io.github.simcse4j.random.Dropout;
import io.github.simcse4j.random.DropoutKey;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Tensor;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Which elements a hidden site drops. */
interface DropoutContract extends KernelsContract {

  /** The same bits on every backend. */
  @ParameterizedTest
  @EnumSource
  default void dropoutMask(BatchShape shape) {
    for (int channels : new int[] {1, 3, 4, 7, 33, 128}) {
      for (float keepProb : LayerNormContract.KEEP_PROBS) {
        check(
            "dropout_mask",
            "%s, %d channels, keepProb %s".formatted(shape, channels, keepProb),
            fixture -> {
              PackedBatch batch = shape.batch(fixture);
              Dropout dropout = DropoutKey.of(3, 8).at(Dropout.feedForwardSite(4), keepProb);
              fixture.result("mask", mask(fixture, batch, dropout, channels));
            });
      }
    }
  }

  /** Two million elements: an 8-bit threshold would be off by seven standard deviations. */
  @Test
  default void dropoutKeepsTheShareAskedFor() {
    int channels = 1024;
    long seed = seed("dropoutKeepsTheShareAskedFor");
    try (KernelsFixture fixture = new KernelsFixture(kernels(), dtype(), seed)) {
      int[] lengths = new int[32];
      Arrays.fill(lengths, 32);
      PackedBatch batch = Batches.random(fixture, 2, 0, lengths);
      Dropout dropout = DropoutKey.of(seed, 0).at(Dropout.EMBEDDING_SITE, 0.9f);
      double[] mask = fixture.values(mask(fixture, batch, dropout, channels));
      double deviation = Math.sqrt(0.9 * 0.1 / mask.length);
      double kept = Arrays.stream(mask).average().orElseThrow();
      assertEquals(0.9, kept, 5 * deviation, "share kept, seed " + seed);
    }
  }

  /** A sample's masks follow it to any batch; another view, sample, site or step has others. */
  @Test
  default void dropoutFollowsTheSample() {
    long seed = seed("dropoutFollowsTheSample");
    try (KernelsFixture fixture = new KernelsFixture(kernels(), dtype(), seed)) {
      DropoutKey key = DropoutKey.of(seed, 4);
      Dropout dropout = key.at(3, 0.5f);
      int[] samples = {70, 71, 72};
      PackedBatch three = Batches.random(fixture, 2, 0, samples, new int[] {9, 6, 2});
      PackedBatch one = Batches.random(fixture, 1, 1, new int[] {71}, new int[] {6});
      Tensor all = mask(fixture, three, dropout, 50);
      byte[] view0 = fixture.bytes(all.rows(9, 15));
      byte[] view1 = fixture.bytes(all.rows(17 + 9, 17 + 15));
      String label = "seed " + seed;
      assertArrayEquals(view1, fixture.bytes(mask(fixture, one, dropout, 50)), label);
      byte[] otherSite = fixture.bytes(mask(fixture, one, key.at(4, 0.5f), 50));
      Dropout nextStep = DropoutKey.of(seed, 5).at(3, 0.5f);
      byte[] otherStep = fixture.bytes(mask(fixture, one, nextStep, 50));
      byte[] otherSample = fixture.bytes(all.rows(17, 17 + 6));
      for (byte[] other : new byte[][] {view0, otherSite, otherStep, otherSample}) {
        assertFalse(Arrays.equals(view1, other), label);
      }
    }
  }

  private static Tensor mask(
      KernelsFixture fixture, PackedBatch batch, Dropout dropout, int channels) {
    Tensor mask = fixture.output(DType.U8, batch.rows(), channels);
    fixture.kernels().dropoutMask(batch, dropout, mask);
    return mask;
  }
}
