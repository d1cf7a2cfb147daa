package io.github.simcse4j.cli;

import io.github.simcse4j.encode.SentenceEncoder;
import io.github.simcse4j.eval.Evaluation;
import io.github.simcse4j.eval.ScoredPairs;
import io.github.simcse4j.eval.StsTasks;
import io.github.simcse4j.eval.TaskResult;
import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.kernels.KernelsSelection;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.train.Quickstart;
import io.github.simcse4j.train.Training;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code simcse quickstart}. */
@Command(
    name = "quickstart",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    customSynopsis = "simcse quickstart --out DIR [OPTIONS]",
    description =
        "Makes a small corpus and a small random encoder, trains it with unsupervised SimCSE and shows"
            + " what it learnt. Needs no data and no download.")
final class QuickstartCommand implements Callable<Integer> {

  @Spec private CommandSpec spec;

  @Option(
      names = "--out",
      required = true,
      paramLabel = "DIR",
      description = "Folder for everything.")
  private Path out;

  @Option(
      names = "--seed",
      paramLabel = "N",
      defaultValue = "42",
      description = "Seed of corpus, encoder and training (default: ${DEFAULT-VALUE}).")
  private long seed;

  @Mixin private KernelsOptions kernelsOptions;

  @Override
  public Integer call() throws IOException {
    PrintWriter err = spec.commandLine().getErr();
    KernelsSelection selection = kernelsOptions.select();
    try (Kernels kernels = selection.kernels()) {
      Quickstart quickstart = Quickstart.make(out, seed, kernels);
      err.println(selection.line());
      err.flush();
      ScoredPairs pairs = StsTasks.readOne(quickstart.pairs());
      DType dtype = kernelsOptions.dtype();
      TaskResult before = evaluate(quickstart.start(), pairs, kernels, dtype);
      try (Training training = quickstart.training(quickstart.config(), kernels, dtype);
          ProgressReport progress = new ProgressReport(err, Terminal.isStandardError())) {
        err.println(training.prepared().text());
        err.flush();
        training.run(List.of(progress));
      }
      TaskResult after = evaluate(quickstart.trained(), pairs, kernels, dtype);
      report(spec.commandLine().getOut(), quickstart, before, after);
    }
    return ExitCode.OK;
  }

  private static TaskResult evaluate(Path model, ScoredPairs pairs, Kernels kernels, DType dtype) {
    try (SentenceEncoder encoder = SentenceEncoder.load(model, null, 0, kernels, dtype)) {
      return Evaluation.run(pairs, encoder::encode);
    }
  }

  private static void report(
      PrintWriter to, Quickstart quickstart, TaskResult before, TaskResult after) {
    to.println();
    to.println("                         before    after");
    row(to, "Spearman (higher)", before.spearman(), after.spearman());
    row(to, "alignment (lower)", before.alignment(), after.alignment());
    row(to, "uniformity (lower)", before.uniformity(), after.uniformity());
    to.println();
    to.println("saved " + quickstart.trained() + ", a folder that sentence-transformers loads too");
    to.println("next: encode sentences, one per line:");
    to.println(
        "        simcse encode --model "
            + quickstart.trained()
            + " --input "
            + quickstart.sentences()
            + " --output vectors.npy");
    to.println("      train your own, from a Hugging Face BERT folder:");
    to.println(
        "        simcse train --model DIR --train sentences.txt --dev sts-dev.csv --out DIR");
    to.flush();
  }

  private static void row(PrintWriter to, String name, double before, double after) {
    to.printf(Locale.ROOT, "%-20s  %8.4f %8.4f%n", name, before, after);
  }
}
