package io.github.simcse4j.train;

import io.github.simcse4j.kernels.AdamWStep;
import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.model.ParameterLayout;
import io.github.simcse4j.model.SentenceModel;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Tensor;
import io.github.simcse4j.tensor.Workspace;

/**
 * AdamW (Loshchilov and Hutter 2019) over all parameters of a model: gradients, both moments, and
 * the update. Biases and layer norms are not decayed.
 */
final class AdamW {

  private static final double BETA_1 = 0.9;
  private static final double BETA_2 = 0.999;
  private static final double EPSILON = 1e-8;

  private final Kernels kernels;
  private final SentenceModel model;
  private final double weightDecay;
  private final double maxGradNorm;
  private final Tensor gradients;
  private final Tensor firstMoment;
  private final Tensor secondMoment;
  private long step;

  /**
   * @param memory where its tensors are taken from, {@link #bytes} in all; still zero there
   */
  AdamW(SentenceModel model, double weightDecay, double maxGradNorm, Workspace memory) {
    this.kernels = model.kernels();
    this.model = model;
    this.weightDecay = weightDecay;
    this.maxGradNorm = maxGradNorm;
    long count = model.layout().elements();
    DType dtype = model.parameters().dtype();
    this.gradients = memory.tensor(dtype, count);
    this.firstMoment = memory.tensor(dtype, count);
    this.secondMoment = memory.tensor(dtype, count);
  }

  /** What the optimiser of a model takes up, by the type of its parameters. */
  static long bytes(ParameterLayout layout, DType dtype) {
    return 3 * Workspace.bytes(dtype, layout.elements());
  }

  /** Where the backward pass adds its gradients (P). */
  Tensor gradients() {
    return gradients;
  }

  /** Sets all gradients to 0. */
  void zeroGradients() {
    kernels.zero(gradients);
  }

  /**
   * Applies the gradients.
   *
   * @param norm their global norm before clipping goes here (1)
   */
  void update(double learningRate, Tensor norm) {
    step++;
    kernels.gradientNorm(gradients, norm);
    long decayed = model.layout().decayed();
    update(0, decayed, learningRate, weightDecay, norm, model.copy());
    update(decayed, model.layout().elements(), learningRate, 0, norm, null);
  }

  private void update(
      long from, long to, double learningRate, double decay, Tensor norm, Tensor copy) {
    AdamWStep numbers =
        new AdamWStep(step, learningRate, BETA_1, BETA_2, EPSILON, decay, maxGradNorm);
    kernels.adamw(
        numbers,
        model.parameters().rows(from, to),
        gradients.rows(from, to),
        firstMoment.rows(from, to),
        secondMoment.rows(from, to),
        norm,
        copy);
  }
}
