package io.github.simcse4j.cli;

import io.github.simcse4j.data.Columns;
import io.github.simcse4j.data.PreparedStore;
import io.github.simcse4j.data.TokenStore;
import io.github.simcse4j.data.TokenStores;
import io.github.simcse4j.data.quickstart.QuickstartCorpus;
import io.github.simcse4j.model.ModelFolder;
import io.github.simcse4j.tokenizer.Tokenizer;
import io.github.simcse4j.tokenizer.Tokenizers;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;

/** Tokenised sentences to train on, of a file or generated for the time of a benchmark. */
final class BenchText implements AutoCloseable {

  private static final long SEED = 42;

  private final PreparedStore prepared;
  private final String source;
  private final Path folder;

  private BenchText(PreparedStore prepared, String source, Path folder) {
    this.prepared = prepared;
    this.source = source;
    this.folder = folder;
  }

  /**
   * Tokenises the sentences for a model.
   *
   * @param input where they are, or null to generate as many as {@code count}
   */
  static BenchText prepare(ModelFolder model, Path input, int count, int maxLength)
      throws IOException {
    Tokenizer tokenizer = Tokenizers.load(model.tokenizerFolder());
    model.requireVocabulary(tokenizer.vocabularySize());
    if (input != null) {
      return new BenchText(
          TokenStores.prepare(List.of(input), Columns.all(), tokenizer, maxLength, null),
          input.getFileName().toString(),
          null);
    }
    Path folder = Files.createTempDirectory("simcse-bench");
    try {
      Path text = folder.resolve(QuickstartCorpus.SENTENCES_FILE);
      Files.write(text, sentences(count));
      PreparedStore prepared =
          TokenStores.prepare(
              List.of(text),
              Columns.parse("0"),
              tokenizer,
              maxLength,
              folder.resolve("sentences.tokens.arrow"));
      return new BenchText(prepared, "generated sentences", folder);
    } catch (IOException | RuntimeException e) {
      delete(folder);
      throw e;
    }
  }

  /** Distinct sentences, as far as there are so many. */
  private static Iterable<String> sentences(int count) {
    List<String> distinct =
        QuickstartCorpus.generate(SEED, Math.min(count, QuickstartCorpus.MOST), 1).sentences();
    Stream<String> repeated = Stream.generate(distinct::stream).flatMap(all -> all).limit(count);
    return repeated::iterator;
  }

  TokenStore store() {
    return prepared.store();
  }

  /** What the sentences are. */
  String description() {
    return String.format(
        Locale.ROOT,
        "text: %s, %.1f tokens each on average, %d at most",
        source,
        store().tokens() / (double) store().sentences(),
        store().longest());
  }

  @Override
  public void close() throws IOException {
    prepared.close();
    if (folder != null) {
      delete(folder);
    }
  }

  private static void delete(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      for (Path file : files.toList()) {
        Files.delete(file);
      }
    }
    Files.delete(folder);
  }
}
