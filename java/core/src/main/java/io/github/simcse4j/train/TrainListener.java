package io.github.simcse4j.train;

/** Is told how a training goes, on the training thread. */
public interface TrainListener {

  /**
   * How the batches that follow are encoded, at the start of an epoch and after memory ran out.
   *
   * @param cause what ran out, or empty; the step is then begun again
   */
  record Plan(MemoryPlan memory, String cause) {}

  /**
   * One step.
   *
   * @param step from 1
   * @param totalSteps of the run
   * @param epoch from 0, with the share of the current epoch that is done
   * @param loss mean over the step's batches
   * @param learningRate of the step
   * @param gradNorm global norm of the gradients before clipping
   * @param sentencesPerSecond sentences, pairs or triples of the step by its seconds
   * @param tokensPerSecond tokens encoded, every view counted, by its seconds
   * @param chunks how many a batch was encoded in, the most
   * @param tokensPerChunk most tokens of a chunk, every view counted
   */
  record Step(
      long step,
      long totalSteps,
      double epoch,
      double loss,
      double learningRate,
      double gradNorm,
      double sentencesPerSecond,
      double tokensPerSecond,
      int chunks,
      long tokensPerChunk) {}

  /**
   * One evaluation on the dev pairs.
   *
   * @param step after how many steps
   * @param spearman mean over the dev files
   * @param best whether it is the highest so far, and its weights were saved
   * @param seconds it took
   */
  record Evaluation(long step, double spearman, boolean best, double seconds) {}

  /** Before the first step. */
  default void onStart(TrainConfig config) {}

  default void onPlan(Plan plan) {}

  default void onStep(Step step) {}

  default void onEvaluation(Evaluation evaluation) {}

  default void onSummary(TrainSummary summary) {}
}
