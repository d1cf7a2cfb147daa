package io.github.simcse4j.kernels;

import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.Random;

/** Random packed batches. */
public final class Batches {

  /** Token ids run from 0 to this, exclusive; small, so that ids repeat. */
  public static final int VOCABULARY = 23;

  private Batches() {}

  /**
   * Sentences of the given lengths whose tokens lie out of order, with other ids between them, in a
   * larger array, as in a shuffled data set; their sample numbers are random and may be any 32
   * bits.
   */
  public static PackedBatch random(
      KernelsFixture fixture, int views, int firstView, int... lengths) {
    int[] samples = new int[lengths.length];
    Arrays.setAll(samples, b -> fixture.random().nextInt());
    return random(fixture, views, firstView, samples, lengths);
  }

  /** The same with sample numbers of the caller's. */
  public static PackedBatch random(
      KernelsFixture fixture, int views, int firstView, int[] samples, int[] lengths) {
    Random random = fixture.random();
    int count = lengths.length;
    int[] order = shuffled(count, random);
    double[] starts = new double[count];
    int end = 0;
    for (int b : order) {
      starts[b] = end + random.nextInt(4);
      end = (int) starts[b] + lengths[b];
    }
    double[] ids = new double[end + random.nextInt(4)];
    Arrays.setAll(ids, i -> random.nextInt(VOCABULARY));
    double[] cuSeqlens = new double[count + 1];
    int longest = 0;
    for (int b = 0; b < count; b++) {
      cuSeqlens[b + 1] = cuSeqlens[b] + lengths[b];
      longest = Math.max(longest, lengths[b]);
    }
    return new PackedBatch(
        fixture.input(DType.I32, ids, ids.length),
        fixture.input(DType.I64, starts, count),
        fixture.input(DType.I32, cuSeqlens, count + 1),
        integers(fixture, samples),
        (int) cuSeqlens[count],
        longest,
        views,
        firstView);
  }

  /** The same batch in memory of the host, where it may be staged from. */
  public static PackedBatch onHost(KernelsFixture fixture, PackedBatch batch) {
    return new PackedBatch(
        onHost(fixture, batch.ids()),
        onHost(fixture, batch.starts()),
        onHost(fixture, batch.cuSeqlens()),
        onHost(fixture, batch.samples()),
        batch.tokens(),
        batch.maxLength(),
        batch.views(),
        batch.firstView());
  }

  private static Tensor onHost(KernelsFixture fixture, Tensor tensor) {
    double[] values = fixture.values(tensor);
    Tensor host =
        Tensor.over(
            Arena.ofAuto().allocate(tensor.elements() * tensor.dtype().bytes(), Long.BYTES),
            tensor.dtype(),
            tensor.elements());
    for (int i = 0; i < values.length; i++) {
      host.set(i, values[i]);
    }
    return host;
  }

  /** An I32 input. */
  public static Tensor integers(KernelsFixture fixture, int... values) {
    return fixture.input(
        DType.I32, Arrays.stream(values).asDoubleStream().toArray(), values.length);
  }

  private static int[] shuffled(int count, Random random) {
    int[] order = new int[count];
    for (int i = 0; i < count; i++) {
      int j = random.nextInt(i + 1);
      order[i] = order[j];
      order[j] = i;
    }
    return order;
  }
}
