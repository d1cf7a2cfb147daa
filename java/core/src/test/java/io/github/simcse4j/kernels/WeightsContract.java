package io.github.simcse4j.kernels;

import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Tensor;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Weights that a backend may keep packed follow every change that the contract allows. */
interface WeightsContract extends KernelsContract {

  @ParameterizedTest(name = "m={0} n={1} k={2}")
  @CsvSource({"1, 1, 1", "5, 33, 17", "64, 48, 130", "3, 200, 64"})
  default void heldWeights(int m, int n, int k) {
    check(
        "gemm",
        "held weights, %d x %d x %d".formatted(m, n, k),
        fixture -> {
          long count = (long) n * k;
          Tensor all = fixture.inOut(fixture.dtype(), fixture.normal(2 * count), 2 * count);
          fixture.kernels().holdWeights(all);
          Tensor a = fixture.activations(m, k);
          multiply(fixture, "first", a, all);
          multiply(fixture, "again", a, all);
          update(fixture, all);
          multiply(fixture, "updated", a, all);
          fixture.upload(all, fixture.normal(2 * count));
          multiply(fixture, "uploaded", a, all);
          if (fixture.dtype() == DType.BF16) {
            fixture.kernels().convert(fixture.parameters(2 * count), all);
          } else {
            fixture.upload(all, fixture.normal(2 * count));
          }
          multiply(fixture, "converted", a, all);
          fixture.kernels().zero(all.rows(0, count));
          multiply(fixture, "half of them zero", a, all);
          fixture.kernels().releaseWeights(all);
          fixture.upload(all, fixture.normal(2 * count));
          multiply(fixture, "released", a, all);
        });
  }

  /** C = A B^T with the first and C = A B with the second half of the weights. */
  private static void multiply(KernelsFixture fixture, String name, Tensor a, Tensor weights) {
    long m = a.extent(0);
    long k = a.extent(1);
    long count = weights.elements() / 2;
    Tensor first = weights.slice(0, count / k, k);
    Tensor second = weights.slice(count, k, count / k);
    Tensor c = fixture.output(m, count / k);
    Tensor d = fixture.output(m, count / k);
    fixture.kernels().gemm(false, true, a, first, c, GemmEpilogue.STORE);
    fixture.kernels().gemm(false, false, a, second, d, GemmEpilogue.STORE);
    fixture.result(name + ", transposed", c);
    fixture.result(name, d);
  }

  /** An AdamW step that changes the weights, as parameters or as the copy of others. */
  private static void update(KernelsFixture fixture, Tensor weights) {
    long count = weights.elements();
    DType type = fixture.accumulator();
    boolean copied = fixture.dtype() == DType.BF16;
    Tensor master = fixture.inOut(type, fixture.normal(count), count);
    Tensor moment = fixture.inOut(type, new double[(int) count], count);
    Tensor square = fixture.inOut(type, new double[(int) count], count);
    Tensor gradients = fixture.parameters(count);
    Tensor norm = fixture.output(type, 1);
    fixture.kernels().gradientNorm(gradients, norm);
    AdamWStep step = new AdamWStep(1, 0.25, 0.9, 0.999, 1e-8, 0.01, 1);
    Tensor parameters = copied ? master : weights;
    fixture
        .kernels()
        .adamw(step, parameters, gradients, moment, square, norm, copied ? weights : null);
  }
}
