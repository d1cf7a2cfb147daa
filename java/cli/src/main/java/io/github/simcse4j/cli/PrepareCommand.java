package io.github.simcse4j.cli;

import io.github.simcse4j.data.PreparedStore;
import io.github.simcse4j.data.TokenStores;
import io.github.simcse4j.tokenizer.Tokenizer;
import io.github.simcse4j.tokenizer.Tokenizers;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code simcse prepare}. */
@Command(
    name = "prepare",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    customSynopsis = "simcse prepare --model DIR --train FILE... --out FILE [OPTIONS]",
    description = "Tokenises sentences into an Arrow file, which --train takes as it takes text.")
final class PrepareCommand implements Callable<Integer> {

  @Spec private CommandSpec spec;

  @Option(
      names = "--model",
      required = true,
      paramLabel = "DIR",
      description = "Folder with the tokenizer.")
  private Path model;

  @Option(
      names = "--max-length",
      paramLabel = "N",
      defaultValue = "32",
      description = "Tokens after which a sentence is cut (default: ${DEFAULT-VALUE}).")
  private int maxLength;

  @Option(
      names = "--out",
      required = true,
      paramLabel = "FILE",
      description = "Arrow file to write.")
  private Path out;

  @Mixin private CorpusOptions corpus;

  @Override
  public Integer call() {
    Tokenizer tokenizer = Tokenizers.load(model);
    try (PreparedStore prepared =
        TokenStores.prepare(corpus.files(), corpus.columns(), tokenizer, maxLength, out)) {
      spec.commandLine().getOut().println(prepared.summary().text());
      spec.commandLine().getOut().flush();
    }
    return ExitCode.OK;
  }
}
