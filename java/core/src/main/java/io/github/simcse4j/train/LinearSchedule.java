package io.github.simcse4j.train;

/**
 * The learning rate rises in a line from 0 over the warm-up steps and falls in a line to 0 at the
 * end, as the Transformers library's linear schedule does.
 *
 * @param peak the learning rate after the warm-up
 * @param warmupSteps steps of the rise
 * @param totalSteps steps of the whole run
 */
record LinearSchedule(double peak, long warmupSteps, long totalSteps) {

  /** The learning rate of step {@code step}, counted from 1. */
  double learningRate(long step) {
    long done = step - 1;
    if (done < warmupSteps) {
      return peak * done / Math.max(1, warmupSteps);
    }
    return peak * Math.max(0, totalSteps - done) / Math.max(1, totalSteps - warmupSteps);
  }
}
