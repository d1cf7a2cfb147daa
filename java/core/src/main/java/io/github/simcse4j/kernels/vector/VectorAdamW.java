package io.github.simcse4j.kernels.vector;

import static io.github.simcse4j.kernels.vector.Floats.LANES;
import static io.github.simcse4j.kernels.vector.Floats.MEMORY;
import static io.github.simcse4j.kernels.vector.Floats.ORDER;
import static io.github.simcse4j.kernels.vector.Floats.SPECIES;
import static io.github.simcse4j.kernels.vector.Floats.address;
import static io.github.simcse4j.kernels.vector.Floats.at;
import static io.github.simcse4j.kernels.vector.Floats.get;
import static io.github.simcse4j.kernels.vector.Floats.put;
import static jdk.incubator.vector.VectorOperators.F2D;

import io.github.simcse4j.kernels.AdamWStep;
import io.github.simcse4j.tensor.Bfloat16;
import io.github.simcse4j.tensor.Tensor;
import java.util.Arrays;
import jdk.incubator.vector.DoubleVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/** The gradient norm and the AdamW update; both are as fast as memory. */
final class VectorAdamW {

  private static final VectorSpecies<Double> DOUBLES =
      VectorSpecies.of(double.class, SPECIES.vectorShape());

  private final WorkerPool pool;
  private final Scratch scratch;
  private double[] partials = new double[0];

  VectorAdamW(WorkerPool pool, Scratch scratch) {
    this.pool = pool;
    this.scratch = scratch;
  }

  /** Squares are summed in double: a gradient of 1e20 must be clipped, not become infinite. */
  void gradientNorm(Tensor gradients, Tensor norm) {
    long count = gradients.elements();
    long start = address(gradients);
    int chunks = Math.toIntExact(Math.ceilDiv(count, FlatArrays.CHUNK));
    if (partials.length < chunks) {
      partials = new double[chunks];
    }
    Arrays.fill(partials, 0, chunks, 0);
    pool.run(
        chunks,
        (chunk, worker) -> {
          long from = (long) chunk * FlatArrays.CHUNK;
          int numbers = (int) Math.min(FlatArrays.CHUNK, count - from);
          int whole = numbers & -LANES;
          double rest = 0;
          for (int i = whole; i < numbers; i++) {
            double g = get(at(start, from + i));
            rest += g * g;
          }
          partials[chunk] = squares(at(start, from), whole) + rest;
        });
    double sum = 0;
    for (int chunk = 0; chunk < chunks; chunk++) {
      sum += partials[chunk];
    }
    put(address(norm), (float) Math.sqrt(sum));
  }

  private static double squares(long x, int count) {
    DoubleVector front = DoubleVector.zero(DOUBLES);
    DoubleVector back = DoubleVector.zero(DOUBLES);
    for (int i = 0; i < count; i += LANES) {
      FloatVector g = FloatVector.fromMemorySegment(SPECIES, MEMORY, x, ORDER);
      DoubleVector first = (DoubleVector) g.convertShape(F2D, DOUBLES, 0);
      DoubleVector second = (DoubleVector) g.convertShape(F2D, DOUBLES, 1);
      front = first.fma(first, front);
      back = second.fma(second, back);
      x += Floats.VECTOR;
    }
    double sum = 0;
    for (double part : front.add(back).toArray()) {
      sum += part;
    }
    return sum;
  }

  void adamw(
      AdamWStep step,
      Tensor parameters,
      Tensor gradients,
      Tensor firstMoment,
      Tensor secondMoment,
      Tensor norm) {
    Update update = Update.of(step, get(address(norm)));
    FlatArrays.run(
        pool,
        scratch,
        parameters.elements(),
        3,
        update::apply,
        address(parameters),
        address(firstMoment),
        address(secondMoment),
        address(gradients));
  }

  /** Writes the parameters in BF16. */
  void round(Tensor parameters, Tensor copy) {
    long count = parameters.elements();
    long from = address(parameters);
    long to = address(copy);
    pool.run(
        Math.toIntExact(Math.ceilDiv(count, FlatArrays.CHUNK)),
        (chunk, worker) -> {
          long first = (long) chunk * FlatArrays.CHUNK;
          long end = Math.min(first + FlatArrays.CHUNK, count);
          for (long i = first; i < end; i++) {
            Floats.putShort(to + i * Short.BYTES, Bfloat16.of(get(at(from, i))));
          }
        });
  }

  /**
   * The numbers of one update, with the bias corrections folded in: p = p keep - rate m / (sqrt(v)
   * root + epsilon).
   */
  private record Update(
      float clip,
      float beta1,
      float rest1,
      float beta2,
      float rest2,
      float rate,
      float root,
      float epsilon,
      float keep) {

    static Update of(AdamWStep step, float norm) {
      double correction1 = 1 - Math.pow(step.beta1(), step.step());
      double correction2 = 1 - Math.pow(step.beta2(), step.step());
      return new Update(
          (float) step.clipFactor(norm),
          (float) step.beta1(),
          (float) (1 - step.beta1()),
          (float) step.beta2(),
          (float) (1 - step.beta2()),
          (float) (step.learningRate() / correction1),
          (float) (1 / Math.sqrt(correction2)),
          (float) step.epsilon(),
          (float) (1 - step.learningRate() * step.weightDecay()));
    }

    void apply(long[] arrays, int count) {
      long parameters = arrays[0];
      long firstMoment = arrays[1];
      long secondMoment = arrays[2];
      long gradients = arrays[3];
      for (int i = 0; i < count; i += LANES) {
        long offset = (long) i * Float.BYTES;
        FloatVector g = FloatVector.fromMemorySegment(SPECIES, MEMORY, gradients + offset, ORDER);
        FloatVector m = FloatVector.fromMemorySegment(SPECIES, MEMORY, firstMoment + offset, ORDER);
        FloatVector v =
            FloatVector.fromMemorySegment(SPECIES, MEMORY, secondMoment + offset, ORDER);
        FloatVector p = FloatVector.fromMemorySegment(SPECIES, MEMORY, parameters + offset, ORDER);
        g = g.mul(clip);
        m = m.mul(beta1).add(g.mul(rest1));
        v = v.mul(beta2).add(g.mul(rest2).mul(g));
        FloatVector change = m.mul(rate).div(v.sqrt().fma(root, epsilon));
        p = p.mul(keep).sub(change);
        m.intoMemorySegment(MEMORY, firstMoment + offset, ORDER);
        v.intoMemorySegment(MEMORY, secondMoment + offset, ORDER);
        p.intoMemorySegment(MEMORY, parameters + offset, ORDER);
      }
    }
  }
}
