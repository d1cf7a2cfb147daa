package io.github.simcse4j.cli;

import io.github.simcse4j.files.InputException;
import io.github.simcse4j.model.Pooler;
import io.github.simcse4j.train.Recipes;
import io.github.simcse4j.train.TrainConfig;
import java.util.Iterator;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** A recipe and what is changed in it. */
final class TrainOptions {

  @Option(
      names = "--recipe",
      paramLabel = "NAME",
      defaultValue = "unsup-bert-base",
      completionCandidates = RecipeNames.class,
      description =
          "Settings to start from: ${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}); see the table"
              + " below. The options that follow change single ones.")
  private String recipe;

  @Option(
      names = "--batch-size",
      paramLabel = "N",
      description = "Sentences, pairs or triples in a batch, 2 to 1048576.")
  private Integer batchSize;

  @Option(
      names = "--gradient-accumulation",
      paramLabel = "N",
      description = "Batches whose gradients make one step.")
  private Integer gradientAccumulation;

  @Option(names = "--epochs", paramLabel = "X", description = "Passes over the data.")
  private Double epochs;

  @Option(
      names = "--max-steps",
      paramLabel = "N",
      description = "Steps of the run, whatever the epochs come to; 0 for no bound.")
  private Long maxSteps;

  @Option(
      names = {"--learning-rate", "--lr"},
      paramLabel = "X",
      description = "Highest learning rate of the linear schedule.")
  private Double learningRate;

  @Option(
      names = "--warmup-steps",
      paramLabel = "N",
      description = "Steps of rising learning rate.")
  private Long warmupSteps;

  @Option(
      names = "--weight-decay",
      paramLabel = "X",
      description = "AdamW's decay; biases and layer norms are left out.")
  private Double weightDecay;

  @Option(
      names = "--max-grad-norm",
      paramLabel = "X",
      description = "Global gradient norm above which gradients are scaled down; 0 for never.")
  private Double maxGradNorm;

  @Option(
      names = "--max-length",
      paramLabel = "N",
      description = "Tokens after which a training sentence is cut.")
  private Integer maxLength;

  @Option(
      names = "--temperature",
      paramLabel = "X",
      description = "Divides the cosine similarities.")
  private Float temperature;

  @Option(
      names = "--hard-negative-weight",
      paramLabel = "X",
      description = "Added to the logit of a query's own hard negative.")
  private Float hardNegativeWeight;

  @Mixin private LossOptions lossOptions;

  @Option(
      names = "--pooler",
      paramLabel = "P",
      converter = PoolerConverter.class,
      completionCandidates = PoolerConverter.Labels.class,
      description = "How a sentence's vector is made: ${COMPLETION-CANDIDATES}.")
  private Pooler pooler;

  @Option(
      names = "--mlp-only-train",
      negatable = true,
      description = "Use the linear layer of the pooler cls in training alone, as SimCSE does.")
  private Boolean mlpOnlyTrain;

  @Option(
      names = "--dropout",
      paramLabel = "X",
      description = "Probability that dropout sets a number to 0; in place of the model's own.")
  private Double dropout;

  @Option(
      names = "--eval-steps",
      paramLabel = "N",
      description = "Steps between two evaluations on --dev; 0 for one at the end.")
  private Long evalSteps;

  @Option(
      names = "--shuffle",
      negatable = true,
      description = "Give every epoch an order of its own.")
  private Boolean shuffle;

  @Option(
      names = "--drop-last",
      negatable = true,
      description = "Leave out an epoch's last batch where it is not full.")
  private Boolean dropLast;

  @Option(
      names = "--length-aware",
      negatable = true,
      description = "Order the sentences of a batch by length; who is in a batch does not change.")
  private Boolean lengthAware;

  @Option(
      names = "--seed",
      paramLabel = "N",
      description = "Seed of data order, dropout and fresh weights; equal seeds give equal bytes.")
  private Long seed;

  /** The recipe with the changes. */
  TrainConfig config() {
    TrainConfig base = Recipes.of(recipe);
    // Written so that NaN is refused too.
    if (dropout != null && !(dropout >= 0 && dropout < 1)) {
      throw new InputException("--dropout must be at least 0 and below 1, found " + dropout + ".");
    }
    return new TrainConfig(
        or(batchSize, base.batchSize()),
        or(gradientAccumulation, base.gradientAccumulation()),
        or(epochs, base.epochs()),
        or(maxSteps, base.maxSteps()),
        or(learningRate, base.learningRate()),
        or(warmupSteps, base.warmupSteps()),
        or(weightDecay, base.weightDecay()),
        or(maxGradNorm, base.maxGradNorm()),
        or(maxLength, base.maxLength()),
        or(temperature, base.temperature()),
        or(hardNegativeWeight, base.hardNegativeWeight()),
        lossOptions.in(base.lossOptions()),
        or(pooler, base.pooler()),
        or(mlpOnlyTrain, base.mlpOnlyTrain()),
        dropout == null ? base.keepProb() : 1 - dropout,
        or(evalSteps, base.evalSteps()),
        or(shuffle, base.shuffle()),
        or(dropLast, base.dropLast()),
        or(lengthAware, base.lengthAware()),
        or(seed, base.seed()));
  }

  /** What was given, or else what holds without. */
  static <T> T or(T given, T otherwise) {
    return given != null ? given : otherwise;
  }

  /** The recipes' names, for {@code --help}. */
  static final class RecipeNames implements Iterable<String> {
    @Override
    public Iterator<String> iterator() {
      return Recipes.names().iterator();
    }
  }
}
