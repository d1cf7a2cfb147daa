package io.github.simcse4j.kernels.vector;

import static io.github.simcse4j.kernels.vector.Floats.LANES;
import static io.github.simcse4j.kernels.vector.Floats.MEMORY;
import static io.github.simcse4j.kernels.vector.Floats.ORDER;
import static io.github.simcse4j.kernels.vector.Floats.SPECIES;
import static io.github.simcse4j.kernels.vector.Floats.at;
import static io.github.simcse4j.kernels.vector.Floats.load;
import static io.github.simcse4j.kernels.vector.Floats.store;
import static jdk.incubator.vector.VectorOperators.EQ;
import static jdk.incubator.vector.VectorOperators.GT;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorSpecies;

/**
 * Sets logits of pairs that count as no negatives to minus infinity, over whole vectors of scratch.
 */
final class FalseNegatives {

  private static final VectorSpecies<Integer> INTS =
      VectorSpecies.of(int.class, SPECIES.vectorShape());

  private FalseNegatives() {}

  /** out = the logits up to a limit; {@code out} may be {@code x}. */
  static void above(long x, float limit, int n, long out) {
    for (int i = 0; i < n; i += LANES) {
      FloatVector value = load(at(x, i));
      store(value.blend(Float.NEGATIVE_INFINITY, value.compare(GT, limit)), at(out, i));
    }
  }

  /** The same with a limit for each. */
  static void aboveEach(long x, long limits, int n, long out) {
    for (int i = 0; i < n; i += LANES) {
      FloatVector value = load(at(x, i));
      VectorMask<Float> above = value.compare(GT, load(at(limits, i)));
      store(value.blend(Float.NEGATIVE_INFINITY, above), at(out, i));
    }
  }

  /**
   * Drops what says the same as an anchor or its partner, or whose partner says what the anchor
   * does.
   *
   * @param ids a number for what each says, at least 0
   * @param partnerIds the same of its partner, -1 for none
   */
  static void repeated(long x, int id, int partnerId, long ids, long partnerIds, int n) {
    for (int i = 0; i < n; i += LANES) {
      IntVector other = IntVector.fromMemorySegment(INTS, MEMORY, at(ids, i), ORDER);
      IntVector partner = IntVector.fromMemorySegment(INTS, MEMORY, at(partnerIds, i), ORDER);
      VectorMask<Integer> repeated =
          other.compare(EQ, id).or(other.compare(EQ, partnerId)).or(partner.compare(EQ, id));
      FloatVector value = load(at(x, i));
      store(value.blend(Float.NEGATIVE_INFINITY, repeated.cast(SPECIES)), at(x, i));
    }
  }
}
