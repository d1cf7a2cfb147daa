package io.github.simcse4j.cli;

import io.github.simcse4j.data.BatchSampler;
import io.github.simcse4j.data.BatchSettings;
import io.github.simcse4j.data.Columns;
import io.github.simcse4j.data.PreparedStore;
import io.github.simcse4j.data.TokenStores;
import io.github.simcse4j.files.InputException;
import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.kernels.KernelsSelection;
import io.github.simcse4j.model.ModelFolder;
import io.github.simcse4j.model.ModelMemory;
import io.github.simcse4j.model.Pooler;
import io.github.simcse4j.model.SentenceModel;
import io.github.simcse4j.objective.ContrastiveOptions;
import io.github.simcse4j.tokenizer.Tokenizer;
import io.github.simcse4j.tokenizer.Tokenizers;
import io.github.simcse4j.train.BatchExtent;
import io.github.simcse4j.train.MemoryBudget;
import io.github.simcse4j.train.MemoryPlan;
import io.github.simcse4j.train.MemoryPlanner;
import io.github.simcse4j.train.MemorySettings;
import io.github.simcse4j.train.Recipes;
import io.github.simcse4j.train.TrainConfig;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code simcse plan}. */
@Command(
    name = "plan",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    customSynopsis = "simcse plan --model DIR --batch-size N [OPTIONS]",
    description =
        "Shows how a training would use memory, without training: what weights, optimiser, embeddings"
            + " and activations take up, and into how many chunks a batch is cut.",
    footer = {
      "",
      "With --train the largest batch of the first epoch is planned for, else one of sentences of"
          + " the length --mean-length."
    })
final class PlanCommand implements Callable<Integer> {

  /** Whose order of the data is planned for. */
  private static final String RECIPE = "unsup-bert-base";

  private static final int SHORTEST = 3;

  @Spec private CommandSpec spec;

  @Option(
      names = "--model",
      required = true,
      paramLabel = "DIR",
      description = "Hugging Face or sentence-transformers folder to start from.")
  private Path model;

  @Option(
      names = "--batch-size",
      required = true,
      paramLabel = "N",
      description = "Sentences, pairs or triples in a batch.")
  private int batchSize;

  @Option(
      names = "--train",
      arity = "1..*",
      paramLabel = "FILE",
      description = "Sentences, pairs or triples, as of 'simcse train'; all their columns.")
  private List<Path> train = List.of();

  @Option(
      names = "--columns",
      paramLabel = "K",
      defaultValue = "1",
      description =
          "Without --train: 1 for sentences, 2 for pairs, 3 for triples (default: ${DEFAULT-VALUE}).")
  private int columns;

  @Option(
      names = "--mean-length",
      paramLabel = "X",
      description =
          "Without --train: tokens of a sentence on average, special ones counted (default:"
              + " --max-length).")
  private Double meanLength;

  @Option(
      names = "--max-length",
      paramLabel = "N",
      defaultValue = "32",
      description = "Tokens after which a sentence is cut (default: ${DEFAULT-VALUE}).")
  private int maxLength;

  @Option(
      names = "--pooler",
      paramLabel = "P",
      defaultValue = "cls",
      converter = PoolerConverter.class,
      completionCandidates = PoolerConverter.Labels.class,
      description =
          "How a sentence's vector is made: ${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}).")
  private Pooler pooler;

  @Mixin private LossOptions lossOptions;
  @Mixin private MemoryOptions memoryOptions;
  @Mixin private KernelsOptions kernelsOptions;

  @Override
  public Integer call() {
    MemorySettings settings = memoryOptions.settings();
    TrainConfig.requireBatchSize(batchSize);
    requireNumbers();
    ContrastiveOptions loss = lossOptions.in(Recipes.of(RECIPE).lossOptions());
    KernelsSelection selection = kernelsOptions.select();
    try (Kernels kernels = selection.kernels();
        ModelFolder folder = ModelFolder.open(model)) {
      folder.requireLength("--max-length", maxLength);
      SentenceModel.requireHeads(folder.config(), kernels);
      BatchExtent extent = extent(folder);
      MemoryPlanner.requireChunkHolds(settings, extent.longest());
      ModelMemory size =
          ModelMemory.of(folder.config(), pooler, kernelsOptions.dtype(), kernels.traits());
      MemoryPlanner planner = new MemoryPlanner(size, MemoryBudget.of(settings, kernels), loss);
      planner.requireModelFits();
      MemoryPlan plan =
          planner.plan(
              extent,
              settings.maxTokensPerChunk(),
              settings.maxKeptChunks(),
              settings.activations());
      PrintWriter out = spec.commandLine().getOut();
      spec.commandLine().getErr().println(selection.line());
      spec.commandLine().getErr().flush();
      plan.lines().forEach(out::println);
      out.flush();
    }
    return ExitCode.OK;
  }

  private void requireNumbers() {
    if (maxLength < SHORTEST) {
      throw new InputException(
          "--max-length must be at least " + SHORTEST + ", found " + maxLength + ".");
    }
    if (columns < 1 || columns > 3) {
      throw new InputException("--columns must be 1, 2 or 3, found " + columns + ".");
    }
    // Written so that NaN is refused too.
    if (meanLength != null && !(meanLength >= 1 && meanLength <= maxLength)) {
      throw new InputException(
          "--mean-length must be from 1 to --max-length, "
              + maxLength
              + ", found "
              + meanLength
              + ".");
    }
  }

  private BatchExtent extent(ModelFolder folder) {
    if (train.isEmpty()) {
      double mean = meanLength == null ? maxLength : meanLength;
      return BatchExtent.estimate(batchSize, columns, mean, maxLength);
    }
    Tokenizer tokenizer = Tokenizers.load(folder.tokenizerFolder());
    folder.requireVocabulary(tokenizer.vocabularySize());
    try (PreparedStore prepared =
        TokenStores.prepare(train, Columns.all(), tokenizer, maxLength, null)) {
      TrainConfig recipe = Recipes.of(RECIPE);
      BatchSettings settings =
          new BatchSettings(batchSize, recipe.seed(), recipe.shuffle(), true, false);
      BatchSampler sampler = new BatchSampler(prepared.store(), settings);
      return BatchExtent.of(prepared.store(), sampler, 0, sampler.batches());
    }
  }
}
