package io.github.simcse4j.cli;

import io.github.simcse4j.data.Columns;
import java.nio.file.Path;
import java.util.List;
import picocli.CommandLine.Option;

/** The options that name the text to learn from. */
final class CorpusOptions {

  @Option(
      names = "--train",
      required = true,
      arity = "1..*",
      paramLabel = "FILE",
      description = "Sentences: .txt, .csv, .tsv, .jsonl, each also .gz, or Arrow.")
  private List<Path> files;

  @Option(
      names = "--columns",
      paramLabel = "C,...",
      converter = ColumnsConverter.class,
      description = "Columns to use, by 0-based position or by name (default: all).")
  private Columns columns = Columns.all();

  List<Path> files() {
    return files;
  }

  Columns columns() {
    return columns;
  }
}
