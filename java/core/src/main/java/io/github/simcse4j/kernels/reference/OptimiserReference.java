package io.github.simcse4j.kernels.reference;

import io.github.simcse4j.kernels.AdamWStep;
import io.github.simcse4j.tensor.Tensor;

/** The gradient norm and AdamW. */
final class OptimiserReference {

  private OptimiserReference() {}

  static void gradientNorm(Tensor gradients, Tensor norm) {
    double squares = 0;
    for (long i = 0; i < gradients.elements(); i++) {
      squares += gradients.get(i) * gradients.get(i);
    }
    norm.set(0, Math.sqrt(squares));
  }

  static void adamw(
      AdamWStep step,
      Tensor parameters,
      Tensor gradients,
      Tensor firstMoment,
      Tensor secondMoment,
      Tensor norm) {
    double clip = step.clipFactor(norm.get(0));
    double correction1 = 1 - Math.pow(step.beta1(), step.step());
    double correction2 = 1 - Math.pow(step.beta2(), step.step());
    for (long i = 0; i < parameters.elements(); i++) {
      double g = clip * gradients.get(i);
      double m = step.beta1() * firstMoment.get(i) + (1 - step.beta1()) * g;
      double v = step.beta2() * secondMoment.get(i) + (1 - step.beta2()) * g * g;
      double p = parameters.get(i);
      double update = m / correction1 / (Math.sqrt(v / correction2) + step.epsilon());
      firstMoment.set(i, m);
      secondMoment.set(i, v);
      parameters.set(i, p - step.learningRate() * (update + step.weightDecay() * p));
    }
  }
}
