package io.github.simcse4j.cli;

import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.kernels.KernelsSelection;
import io.github.simcse4j.train.MemorySettings;
import io.github.simcse4j.train.MetricsWriter;
import io.github.simcse4j.train.TrainConfig;
import io.github.simcse4j.train.TrainListener;
import io.github.simcse4j.train.TrainSummary;
import io.github.simcse4j.train.Training;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code simcse train}. */
@Command(
    name = "train",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    customSynopsis = "simcse train --model DIR --train FILE... --out DIR [OPTIONS]",
    description = "Trains a sentence encoder from a BERT model.",
    footer = {
      "",
      "Recipe           batch  epochs   rate  length  temperature  pooler",
      "unsup-bert-base     64       1  3e-05      32         0.05  cls, in training",
      "sup-bert-base      512       3  5e-05      32         0.05  cls",
      "quickstart          64       2  1e-03      40         0.10  avg",
      "",
      "One column of text trains unsupervised SimCSE, two columns pairs, three columns pairs with a"
          + " hard negative. The model of the best dev score is written to --out, or the last one"
          + " without --dev, as a folder that sentence-transformers and transformers load."
    })
final class TrainCommand implements Callable<Integer> {

  @Spec private CommandSpec spec;

  @Option(
      names = "--model",
      required = true,
      paramLabel = "DIR",
      description = "Hugging Face or sentence-transformers folder to start from.")
  private Path model;

  @Mixin private CorpusOptions corpus;

  @Option(
      names = "--dev",
      arity = "1..*",
      paramLabel = "FILE",
      description = "Graded pairs to choose the best weights by; as --tasks of 'simcse eval'.")
  private List<String> dev = List.of();

  @Option(
      names = "--out",
      required = true,
      paramLabel = "DIR",
      description = "Folder to write; a model that is in it is replaced.")
  private Path out;

  @Option(
      names = "--eval-max-length",
      paramLabel = "N",
      description =
          "Tokens after which sentences are cut in evaluation and by the written model (default: what"
              + " the model allows).")
  private int evalMaxLength;

  @Option(
      names = "--metrics",
      paramLabel = "FILE",
      description =
          "JSON lines: the settings, one object per step and evaluation, and a summary last.")
  private Path metrics;

  @Option(
      names = "--tokens",
      paramLabel = "FILE",
      description =
          "Arrow file for the tokenised sentences (default: one beside the first --train file).")
  private Path tokens;

  @Mixin private TrainOptions options;
  @Mixin private MemoryOptions memoryOptions;
  @Mixin private KernelsOptions kernelsOptions;

  @Override
  public Integer call() {
    PrintWriter err = spec.commandLine().getErr();
    TrainConfig config = options.config();
    MemorySettings memory = memoryOptions.settings();
    Training.Files files =
        new Training.Files(
            model, corpus.files(), corpus.columns(), tokens, dev, out, evalMaxLength);
    KernelsSelection selection = kernelsOptions.select();
    try (Kernels kernels = selection.kernels();
        MetricsWriter writer = metrics == null ? null : new MetricsWriter(metrics);
        Training training = new Training(files, config, memory, kernels, kernelsOptions.dtype());
        ProgressReport progress = new ProgressReport(err, Terminal.isStandardError())) {
      err.println(selection.line());
      err.println(training.prepared().text());
      err.println(config.objective().text());
      err.flush();
      List<TrainListener> listeners = new ArrayList<>();
      listeners.add(progress);
      if (writer != null) {
        listeners.add(writer);
      }
      report(spec.commandLine().getOut(), training.run(listeners));
    }
    return ExitCode.OK;
  }

  private void report(PrintWriter to, TrainSummary summary) {
    to.printf(
        Locale.ROOT,
        "trained %,d steps on %,d rows in %.1f s: %,.1f sentences/s, %,.0f tokens/s, last loss %.4f%n",
        summary.steps(),
        summary.sentences(),
        summary.seconds(),
        summary.sentencesPerSecond(),
        summary.tokensPerSecond(),
        summary.lastLoss());
    if (!Double.isNaN(summary.bestSpearman())) {
      to.printf(
          Locale.ROOT,
          "dev Spearman %.4f at step %,d%n",
          summary.bestSpearman(),
          summary.bestStep());
    }
    to.println("saved " + out);
    to.println("next: simcse eval --model " + out + " --tasks FILE_OR_DIR");
    to.println(
        "      simcse encode --model " + out + " --input sentences.txt --output vectors.npy");
    to.flush();
  }
}
