package io.github.simcse4j.kernels.vector;

import static io.github.simcse4j.kernels.vector.Floats.LANES;
import static io.github.simcse4j.kernels.vector.Floats.SPECIES;
import static io.github.simcse4j.kernels.vector.Floats.VECTOR;
import static io.github.simcse4j.kernels.vector.Floats.store;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.LSHR;
import static jdk.incubator.vector.VectorOperators.ULT;
import static jdk.incubator.vector.VectorOperators.XOR;

import io.github.simcse4j.random.Dropout;
import io.github.simcse4j.random.Philox;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.LongVector;
import jdk.incubator.vector.VectorShuffle;
import jdk.incubator.vector.VectorSpecies;

/**
 * The factors of dropout, equal bit for bit to {@link Dropout#keptOfBlock}: one Philox block in
 * each 64-bit lane, whose counter words are the lower halves of four vectors. C2 takes a product of
 * lanes as one 32 x 32 bit multiplication only where it sees both sides masked to their lower
 * halves, constants too.
 */
final class VectorPhilox {

  private static final VectorSpecies<Long> LONGS =
      VectorSpecies.of(long.class, SPECIES.vectorShape());
  private static final VectorShuffle<Long> ZIP_LOW = VectorShuffle.makeZip(LONGS, 0);
  private static final VectorShuffle<Long> ZIP_HIGH = VectorShuffle.makeZip(LONGS, 1);
  private static final long LOW = 0xFFFFFFFFL;

  private final int key0;
  private final int key1;
  private final int threshold;
  private final float scale;
  private final Dropout dropout;

  VectorPhilox(Dropout dropout) {
    this.dropout = dropout;
    this.key0 = dropout.key0();
    this.key1 = dropout.key1();
    this.threshold = (int) dropout.threshold();
    this.scale = dropout.scale();
  }

  /** Numbers that {@link #factors} writes for so many channels: a whole count of its steps. */
  static int padded(int channels) {
    return (channels + 2 * LANES - 1) & -2 * LANES;
  }

  /**
   * Writes what dropout multiplies each channel by, 0 or 1 / keepProb; 1 where nothing is dropped.
   *
   * @param position counter word c1: position, with the head in attention
   * @param out {@link #padded} numbers
   */
  void factors(int channels, int position, int sample, int view, long out) {
    if (!dropout.active()) {
      for (int i = 0; i < channels; i += LANES) {
        store(FloatVector.broadcast(SPECIES, 1f), out);
        out += VECTOR;
      }
      return;
    }
    int siteAndView = dropout.siteAndView(view);
    for (int i = 0; i < channels; i += 2 * LANES) {
      blocks(i / 4, position & LOW, sample & LOW, siteAndView & LOW, out);
      out += 2 * VECTOR;
    }
  }

  /** As many blocks as a vector has 64-bit lanes. */
  private void blocks(int first, long position, long sample, long siteAndView, long out) {
    LongVector c0 = LongVector.broadcast(LONGS, first).addIndex(1);
    LongVector c1 = LongVector.broadcast(LONGS, position);
    LongVector c2 = LongVector.broadcast(LONGS, sample);
    LongVector c3 = LongVector.broadcast(LONGS, siteAndView);
    LongVector multiplier0 = LongVector.broadcast(LONGS, Philox.MULTIPLIER_0).and(LOW);
    LongVector multiplier1 = LongVector.broadcast(LONGS, Philox.MULTIPLIER_1).and(LOW);
    int k0 = key0;
    int k1 = key1;
    for (int round = 0; round < Philox.ROUNDS; round++) {
      LongVector product0 = c0.and(LOW).mul(multiplier0);
      LongVector product1 = c2.and(LOW).mul(multiplier1);
      c0 = product1.lanewise(LSHR, 32).lanewise(XOR, c1).lanewise(XOR, k0 & LOW);
      c2 = product0.lanewise(LSHR, 32).lanewise(XOR, c3).lanewise(XOR, k1 & LOW);
      c1 = product1;
      c3 = product0;
      k0 += Philox.WEYL_0;
      k1 += Philox.WEYL_1;
    }
    LongVector front = c0.and(LOW).or(c1.lanewise(LSHL, 32));
    LongVector back = c2.and(LOW).or(c3.lanewise(LSHL, 32));
    FloatVector zero = FloatVector.zero(SPECIES);
    var low = front.rearrange(ZIP_LOW, back).reinterpretAsInts().compare(ULT, threshold);
    var high = front.rearrange(ZIP_HIGH, back).reinterpretAsInts().compare(ULT, threshold);
    zero.blend(scale, low.cast(SPECIES)).intoMemorySegment(Floats.MEMORY, out, Floats.ORDER);
    zero.blend(scale, high.cast(SPECIES))
        .intoMemorySegment(Floats.MEMORY, out + VECTOR, Floats.ORDER);
  }
}
