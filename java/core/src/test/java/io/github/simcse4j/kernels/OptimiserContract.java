package io.github.simcse4j.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Tensor;
import java.util.Arrays;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The gradient norm and AdamW, in the type in which parameters are kept. */
interface OptimiserContract extends KernelsContract {

  @ParameterizedTest
  @ValueSource(ints = {1, 15, 16, 17, 33, 1000, 100_003})
  default void gradientNorm(int count) {
    for (boolean outliers : new boolean[] {false, true}) {
      check(
          "gradient_norm",
          count + " elements" + (outliers ? " with outliers" : ""),
          fixture -> {
            double[] values = outliers ? fixture.spiky(count) : fixture.normal(count);
            Tensor gradients = fixture.input(fixture.accumulator(), values, count);
            Tensor norm = fixture.output(fixture.accumulator(), 1);
            fixture.kernels().gradientNorm(gradients, norm);
            fixture.result("norm", norm);
          });
    }
    check(
        "gradient_norm",
        count + " zeros",
        fixture -> {
          Tensor gradients = fixture.input(fixture.accumulator(), new double[count], count);
          Tensor norm = fixture.output(fixture.accumulator(), 1);
          fixture.kernels().gradientNorm(gradients, norm);
          fixture.result("norm", norm);
        });
  }

  @ParameterizedTest(name = "{0} elements, step {1}, decay {2}, clipped to {3}")
  @CsvSource({
    "1, 1, 0, 0",
    "16, 1, 0.01, 1",
    "17, 2, 0.01, 0",
    "33, 1000, 0, 1",
    "1000, 100000, 0.1, 1",
    "50021, 7, 0.01, 1"
  })
  default void adamw(int count, long number, double weightDecay, double maxGradNorm) {
    AdamWStep step = new AdamWStep(number, 3e-3, 0.9, 0.999, 1e-8, weightDecay, maxGradNorm);
    for (boolean fromZero : new boolean[] {false, true}) {
      for (boolean copies : new boolean[] {false, true}) {
        check(
            "adamw",
            "%d elements%s%s, %s"
                .formatted(count, fromZero ? " from zero" : "", copies ? ", copied" : "", step),
            fixture -> adamw(fixture, count, step, fromZero, copies));
      }
    }
  }

  /**
   * @param fromZero starts from parameters of 0, so that the update is not hidden behind their
   *     size, and from moments of 0, as training does
   * @param copies asks for the parameters in BF16 too
   */
  private static void adamw(
      KernelsFixture fixture, int count, AdamWStep step, boolean fromZero, boolean copies) {
    DType type = fixture.accumulator();
    double[] start = fromZero ? new double[count] : fixture.normal(count);
    double[] first = fromZero ? new double[count] : fixture.normal(count);
    double[] second = fromZero ? new double[count] : fixture.normal(count);
    for (int i = 0; i < count; i++) {
      second[i] *= second[i];
    }
    double[] gradient = fixture.spiky(count);
    gradient[count / 2] = 0;
    Tensor parameters = fixture.inOut(type, start, count);
    Tensor firstMoment = fixture.inOut(type, first, count);
    Tensor secondMoment = fixture.inOut(type, second, count);
    Tensor gradients = fixture.input(type, gradient, count);
    Tensor norm = fixture.output(type, 1);
    fixture.kernels().gradientNorm(gradients, norm);
    Tensor copy = copies ? fixture.output(DType.BF16, count) : null;
    fixture.kernels().adamw(step, parameters, gradients, firstMoment, secondMoment, norm, copy);
    fixture.result("parameters", parameters);
    fixture.result("firstMoment", firstMoment);
    fixture.result("secondMoment", secondMoment);
    if (copies) {
      assertArrayEquals(
          Arrays.stream(fixture.values(parameters)).map(ConvertContract::bfloat16).toArray(),
          fixture.values(copy),
          "the copy is not the parameters rounded");
    }
  }
}
