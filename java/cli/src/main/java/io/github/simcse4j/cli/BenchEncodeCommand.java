package io.github.simcse4j.cli;

import io.github.simcse4j.data.Columns;
import io.github.simcse4j.data.RowReader;
import io.github.simcse4j.data.RowReaders;
import io.github.simcse4j.encode.SentenceEncoder;
import io.github.simcse4j.files.InputException;
import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.kernels.KernelsSelection;
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

/** {@code simcse bench encode}. */
@Command(
    name = "encode",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    customSynopsis = "simcse bench encode --model DIR --input FILE [OPTIONS]",
    description = "Encodes the same sentences several times and prints the rate of each time.")
final class BenchEncodeCommand implements Callable<Integer> {

  @Spec private CommandSpec spec;

  @Mixin private EncoderOptions encoderOptions;

  @Option(
      names = "--input",
      required = true,
      paramLabel = "FILE",
      description = "Sentences; those of the first column are taken.")
  private Path input;

  @Option(
      names = "--count",
      paramLabel = "N",
      defaultValue = "2000",
      description = "Sentences to encode, from the start of the file (default: ${DEFAULT-VALUE}).")
  private int count;

  @Option(
      names = "--repetitions",
      paramLabel = "N",
      defaultValue = "5",
      description = "Times; the first ones warm the JVM up (default: ${DEFAULT-VALUE}).")
  private int repetitions;

  @Mixin private KernelsOptions kernelsOptions;

  @Override
  public Integer call() {
    PrintWriter out = spec.commandLine().getOut();
    List<String> sentences = sentences();
    KernelsSelection selection = kernelsOptions.select();
    try (Kernels kernels = selection.kernels();
        SentenceEncoder encoder = encoderOptions.load(kernels, kernelsOptions.dtype())) {
      spec.commandLine().getErr().println(selection.line());
      spec.commandLine().getErr().flush();
      for (int i = 0; i < repetitions; i++) {
        long start = System.nanoTime();
        encoder.encode(sentences);
        double seconds = (System.nanoTime() - start) * 1e-9;
        out.printf(
            Locale.ROOT,
            "%d sentences in %.3f s: %.1f sentences/s%n",
            sentences.size(),
            seconds,
            sentences.size() / seconds);
        out.flush();
      }
    }
    return ExitCode.OK;
  }

  private List<String> sentences() {
    List<String> sentences = new ArrayList<>();
    try (RowReader rows = RowReaders.open(input, Columns.parse("0"))) {
      while (sentences.size() < count && rows.next()) {
        sentences.add(rows.text(0));
      }
    }
    if (sentences.isEmpty()) {
      throw new InputException(
          input + ": has no sentence and --count is " + count + "; give text and a count above 0.");
    }
    return sentences;
  }
}
