package io.github.simcse4j.cli;

import io.github.simcse4j.data.Columns;
import io.github.simcse4j.data.RowReader;
import io.github.simcse4j.data.RowReaders;
import io.github.simcse4j.encode.SentenceEncoder;
import io.github.simcse4j.encode.VectorWriter;
import io.github.simcse4j.encode.VectorWriters;
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

/** {@code simcse encode}. */
@Command(
    name = "encode",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    customSynopsis = "simcse encode --model DIR --input FILE|- --output FILE [OPTIONS]",
    description = "Writes the vector of every sentence of a file.")
final class EncodeCommand implements Callable<Integer> {

  /** Lines read, encoded and written at a time. */
  private static final int BLOCK = 8192;

  @Spec private CommandSpec spec;

  @Mixin private EncoderOptions encoderOptions;

  @Option(
      names = "--input",
      required = true,
      paramLabel = "FILE",
      description =
          ".txt (one sentence per line), .csv, .tsv or .jsonl, each also .gz, or Arrow; - for lines on"
              + " standard input.")
  private Path input;

  @Option(
      names = "--column",
      paramLabel = "C",
      converter = ColumnsConverter.class,
      description = "The column to encode, by 0-based position or by name (default: the first).")
  private Columns columns = Columns.parse("0");

  @Option(
      names = "--output",
      required = true,
      paramLabel = "FILE",
      description = "Vectors to write: .arrow, .npy or .jsonl.")
  private Path output;

  @Option(
      names = "--text",
      negatable = true,
      defaultValue = "true",
      fallbackValue = "true",
      description = "Write the sentences too, where the format can hold them (default: yes).")
  private boolean text;

  @Mixin private KernelsOptions kernelsOptions;

  @Override
  public Integer call() {
    PrintWriter err = spec.commandLine().getErr();
    KernelsSelection selection = kernelsOptions.select();
    try (Kernels kernels = selection.kernels();
        RowReader rows = rows();
        SentenceEncoder encoder = encoderOptions.load(kernels, kernelsOptions.dtype());
        VectorWriter writer = VectorWriters.open(output, encoder.dimension(), text)) {
      err.println(selection.line());
      err.flush();
      long count = 0;
      long nanos = 0;
      List<String> block = new ArrayList<>();
      while (read(rows, block)) {
        long start = System.nanoTime();
        float[] vectors = encoder.encode(block);
        nanos += System.nanoTime() - start;
        writer.write(block, vectors, block.size());
        count += block.size();
      }
      writer.commit();
      err.printf(
          Locale.ROOT,
          "encoded %,d sentences in %.1f s: %,.1f sentences/s; %s%n",
          count,
          nanos * 1e-9,
          count / Math.max(nanos * 1e-9, 1e-9),
          output);
      err.flush();
    }
    return ExitCode.OK;
  }

  private RowReader rows() {
    if (columns.selected().size() != 1) {
      throw new InputException("--column must be one column, found '" + columns + "'.");
    }
    return input.toString().equals("-")
        ? RowReaders.lines(System.in, "standard input", columns)
        : RowReaders.open(input, columns);
  }

  /**
   * Fills the block with the next sentences; every row gives one, so that rows and vectors agree.
   */
  private boolean read(RowReader rows, List<String> block) {
    block.clear();
    while (block.size() < BLOCK && rows.next()) {
      block.add(rows.text(0));
    }
    return !block.isEmpty();
  }
}
