package io.github.simcse4j.cli;

import io.github.simcse4j.encode.SentenceEncoder;
import io.github.simcse4j.eval.Evaluation;
import io.github.simcse4j.eval.EvaluationReport;
import io.github.simcse4j.eval.ScoredPairs;
import io.github.simcse4j.eval.Spectrum;
import io.github.simcse4j.eval.SpectrumPlot;
import io.github.simcse4j.eval.StsTasks;
import io.github.simcse4j.eval.TaskResult;
import io.github.simcse4j.files.AtomicFile;
import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.kernels.KernelsSelection;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code simcse eval}. */
@Command(
    name = "eval",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    customSynopsis = "simcse eval --model DIR --tasks DIR_OR_FILE... [OPTIONS]",
    description =
        "Scores a model on graded sentence pairs: Spearman, Pearson, alignment, uniformity and the"
            + " spectrum of its vectors.")
final class EvalCommand implements Callable<Integer> {

  @Spec private CommandSpec spec;

  @Mixin private EncoderOptions encoderOptions;

  @Option(
      names = "--tasks",
      required = true,
      arity = "1..*",
      paramLabel = "DIR_OR_FILE",
      description = {
        "SentEval's folders (STS12-en-test to STS16-en-test, STSBenchmark, SICK) or the folder that"
            + " holds them, an STS-B or SICK file, or any tab-separated file as"
            + " FILE:score=4,left=5,right=6[,header=yes], columns counted from 0."
      })
  private List<String> tasks;

  @Option(names = "--json", paramLabel = "FILE", description = "Write the results as JSON too.")
  private Path json;

  @Option(
      names = "--spectrum",
      paramLabel = "FILE.svg",
      description = "Plot the singular values of each task's vectors.")
  private Path spectrum;

  @Mixin private KernelsOptions kernelsOptions;

  @Override
  public Integer call() throws IOException {
    PrintWriter out = spec.commandLine().getOut();
    Stream.of(json, spectrum).filter(Objects::nonNull).forEach(AtomicFile::requireWritable);
    List<ScoredPairs> pairs = StsTasks.read(tasks);
    KernelsSelection selection = kernelsOptions.select();
    try (Kernels kernels = selection.kernels();
        SentenceEncoder encoder = encoderOptions.load(kernels, kernelsOptions.dtype())) {
      spec.commandLine().getErr().println(selection.line());
      spec.commandLine().getErr().flush();
      EvaluationReport report = Evaluation.run(pairs, encoder::encode);
      out.print(report.table());
      out.flush();
      if (json != null) {
        report.writeJson(
            json,
            Map.of("model", encoderOptions.model().toString(), "pooler", encoder.pooler().label()));
      }
      if (spectrum != null) {
        LinkedHashMap<String, Spectrum> curves = new LinkedHashMap<>();
        for (TaskResult task : report.tasks()) {
          curves.put(task.name(), task.spectrum());
        }
        SpectrumPlot.write(spectrum, curves);
      }
    }
    return ExitCode.OK;
  }
}
