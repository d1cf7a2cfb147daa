package io.github.simcse4j.train;

/**
 * What a training did.
 *
 * @param steps steps taken
 * @param sentences sentences, pairs or triples learnt from
 * @param tokens tokens encoded, every view counted
 * @param seconds of the training alone, without evaluation, saving and preparing
 * @param evaluationSeconds of evaluation and saving
 * @param lastLoss loss of the last step
 * @param bestStep step of the weights that were kept
 * @param bestSpearman their dev score, or NaN without dev pairs
 */
public record TrainSummary(
    long steps,
    long sentences,
    long tokens,
    double seconds,
    double evaluationSeconds,
    double lastLoss,
    long bestStep,
    double bestSpearman) {

  public double sentencesPerSecond() {
    return sentences / seconds;
  }

  public double tokensPerSecond() {
    return tokens / seconds;
  }
}
