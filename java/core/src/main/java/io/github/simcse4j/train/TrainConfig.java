package io.github.simcse4j.train;

import io.github.simcse4j.files.InputException;
import io.github.simcse4j.model.Pooler;
import io.github.simcse4j.objective.ContrastiveObjective;
import io.github.simcse4j.objective.ContrastiveOptions;

/**
 * Everything that decides the outcome of a training, apart from model and data.
 *
 * @param batchSize sentences, pairs or triples in a batch
 * @param gradientAccumulation batches whose gradients make one step
 * @param epochs passes over the data
 * @param maxSteps steps after which the training ends whatever {@code epochs} says; 0 for no bound
 * @param learningRate the highest learning rate of the schedule
 * @param warmupSteps steps over which the learning rate rises from 0
 * @param weightDecay AdamW's decay of all but biases and layer norms
 * @param maxGradNorm the global gradient norm above which gradients are scaled down; 0 for never
 * @param maxLength tokens after which a sentence is cut, special tokens included
 * @param temperature divides the cosine similarities
 * @param hardNegativeWeight added to the logit of a query's own hard negative
 * @param lossOptions what the loss has beyond the published one
 * @param pooler how a sentence's vector is made
 * @param mlpOnlyTrain whether the linear layer of the pooler {@code cls} is left out once trained
 * @param keepProb the probability that dropout keeps a number; {@link #MODEL_KEEP_PROB} for what
 *     the model's own config says
 * @param evalSteps steps between two evaluations on the dev pairs; 0 for one at the end alone
 * @param shuffle whether every epoch has an order of its own; otherwise it is the order of the
 *     files
 * @param dropLast whether an epoch's last, smaller batch is left out
 * @param lengthAware whether the sentences of a batch are ordered by length
 * @param seed of the order of the data, the dropout masks and fresh weights
 */
public record TrainConfig(
    int batchSize,
    int gradientAccumulation,
    double epochs,
    long maxSteps,
    double learningRate,
    long warmupSteps,
    double weightDecay,
    double maxGradNorm,
    int maxLength,
    float temperature,
    float hardNegativeWeight,
    ContrastiveOptions lossOptions,
    Pooler pooler,
    boolean mlpOnlyTrain,
    double keepProb,
    long evalSteps,
    boolean shuffle,
    boolean dropLast,
    boolean lengthAware,
    long seed) {

  /** Dropout as the model's config has it. */
  public static final double MODEL_KEEP_PROB = -1;

  /** Sixteen times the largest batch of the field, and few enough that their tokens are an int. */
  private static final int MOST_IN_BATCH = 1 << 20;

  public TrainConfig {
    requireBatchSize(batchSize);
    require(
        gradientAccumulation >= 1, "--gradient-accumulation", gradientAccumulation, "at least 1");
    require(epochs > 0 && epochs < 1e6, "--epochs", epochs, "above 0");
    require(maxSteps >= 0, "--max-steps", maxSteps, "at least 0");
    require(learningRate > 0 && learningRate < 1e3, "--learning-rate", learningRate, "above 0");
    require(warmupSteps >= 0, "--warmup-steps", warmupSteps, "at least 0");
    require(weightDecay >= 0 && weightDecay < 1e3, "--weight-decay", weightDecay, "at least 0");
    require(maxGradNorm >= 0, "--max-grad-norm", maxGradNorm, "at least 0");
    require(maxLength >= 3, "--max-length", maxLength, "at least 3: [CLS], a token and [SEP]");
    require(
        temperature > 0 && temperature < 1e6f, "--temperature", temperature, "a number above 0");
    require(
        Float.isFinite(hardNegativeWeight), "--hard-negative-weight", hardNegativeWeight, "finite");
    requireLossOptions(lossOptions);
    require(
        keepProb == MODEL_KEEP_PROB || keepProb > 0 && keepProb <= 1,
        "--dropout",
        1 - keepProb,
        "at least 0 and below 1");
    require(evalSteps >= 0, "--eval-steps", evalSteps, "at least 0");
  }

  /** Refuses a batch of nothing to tell apart and one that is too large. */
  public static void requireBatchSize(int batchSize) {
    require(
        batchSize >= 2 && batchSize <= MOST_IN_BATCH,
        "--batch-size",
        batchSize,
        "2 to " + MOST_IN_BATCH);
  }

  /** Refuses a margin that leaves nothing over. */
  public static void requireLossOptions(ContrastiveOptions options) {
    float margin = options.falseNegativeMargin();
    require(margin > -2, "--false-negative-margin", margin, "a number above -2");
  }

  private static void require(boolean holds, String option, Object found, String expected) {
    if (!holds) {
      throw new InputException(option + " must be " + expected + ", found " + found + ".");
    }
  }

  /** The same settings with another seed. */
  public TrainConfig withSeed(long other) {
    return new TrainConfig(
        batchSize,
        gradientAccumulation,
        epochs,
        maxSteps,
        learningRate,
        warmupSteps,
        weightDecay,
        maxGradNorm,
        maxLength,
        temperature,
        hardNegativeWeight,
        lossOptions,
        pooler,
        mlpOnlyTrain,
        keepProb,
        evalSteps,
        shuffle,
        dropLast,
        lengthAware,
        other);
  }

  /** The same settings with another loss. */
  public TrainConfig withLossOptions(ContrastiveOptions other) {
    return new TrainConfig(
        batchSize,
        gradientAccumulation,
        epochs,
        maxSteps,
        learningRate,
        warmupSteps,
        weightDecay,
        maxGradNorm,
        maxLength,
        temperature,
        hardNegativeWeight,
        other,
        pooler,
        mlpOnlyTrain,
        keepProb,
        evalSteps,
        shuffle,
        dropLast,
        lengthAware,
        seed);
  }

  /** What the embeddings are trained for. */
  public ContrastiveObjective objective() {
    return new ContrastiveObjective(temperature, hardNegativeWeight, lossOptions);
  }

  /** Steps of the whole run over this many batches an epoch. */
  public long totalSteps(long batchesPerEpoch) {
    double steps = Math.ceil(stepsPerEpoch(batchesPerEpoch) * epochs);
    long total = Math.max(1, (long) steps);
    return maxSteps > 0 ? maxSteps : total;
  }

  /** Steps of one epoch; the last may have fewer batches than the others. */
  public long stepsPerEpoch(long batchesPerEpoch) {
    return Math.ceilDiv(batchesPerEpoch, gradientAccumulation);
  }

  /** Views of every sentence: two for SimCSE's masks on single sentences, else one. */
  public static int views(int columns) {
    return columns == 1 ? 2 : 1;
  }
}
