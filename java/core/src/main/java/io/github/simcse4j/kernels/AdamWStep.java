package io.github.simcse4j.kernels;

/**
 * The numbers of one AdamW update (Loshchilov and Hutter 2019, decoupled weight decay).
 *
 * @param step number of this update, from 1
 * @param learningRate step size after the schedule
 * @param beta1 decay of the first moment
 * @param beta2 decay of the second moment
 * @param epsilon added to the root of the second moment
 * @param weightDecay share of a parameter taken off per unit of learning rate
 * @param maxGradNorm gradients are scaled down to this global norm where theirs is larger; 0 for
 *     never
 */
public record AdamWStep(
    long step,
    double learningRate,
    double beta1,
    double beta2,
    double epsilon,
    double weightDecay,
    double maxGradNorm) {

  /** The factor on every gradient when their global norm is {@code norm}, as PyTorch clips. */
  public double clipFactor(double norm) {
    return maxGradNorm > 0 ? Math.min(1.0, maxGradNorm / (norm + 1e-6)) : 1.0;
  }
}
