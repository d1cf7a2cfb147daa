package io.github.simcse4j.cli;

import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.kernels.KernelsSelection;
import io.github.simcse4j.train.Quickstart;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/**
 * A small model, a few sentences and a few graded pairs of the quickstart, made once; tests copy
 * what they change.
 *
 * @param model folder of an untrained encoder, 128 wide
 * @param text the first sentences, one per line
 * @param pairs the first graded pairs, as an option of evaluation
 */
record Sandbox(Path model, Path text, String pairs) {

  static final int SENTENCES = 12;

  private static final int PAIRS = 8;

  /** Computing small things in plain loops is faster than compiling fast ones. */
  private static final List<String> KERNELS = List.of("--kernels", "reference", "--threads", "1");

  static Sandbox make(Path folder) throws IOException {
    Path whole = folder.resolve("quickstart");
    try (Kernels kernels = KernelsSelection.select("cpu", "reference", 1).kernels()) {
      Quickstart quickstart = Quickstart.make(whole, 1, kernels);
      Path text = head(quickstart.sentences(), folder.resolve("text.txt"), SENTENCES);
      Path pairs = head(whole.resolve("dev.tsv"), folder.resolve("pairs.tsv"), PAIRS + 1);
      return new Sandbox(quickstart.start(), text, pairs.toString());
    }
  }

  /** Runs a command on the smallest device. */
  static CommandRun run(String command, Object... arguments) {
    List<String> all = new ArrayList<>(List.of(command));
    Stream.of(arguments).map(Object::toString).forEach(all::add);
    if (!command.equals("prepare")) {
      all.addAll(KERNELS);
    }
    return CommandRun.of(all.toArray(String[]::new));
  }

  /** Trains for two steps of four rows. */
  static CommandRun train(Path model, Path text, Path out, Object... more) {
    List<Object> all =
        new ArrayList<>(List.of("--model", model, "--train", text, "--out", out, "--max-steps", 2));
    all.addAll(List.of("--batch-size", 4, "--max-length", 12));
    all.addAll(List.of(more));
    return run("train", all.toArray());
  }

  /** The sentences. */
  List<String> sentences() throws IOException {
    return Files.readAllLines(text);
  }

  /** A copy of the model that a test may damage. */
  Path copyOfModel(Path to) throws IOException {
    try (Stream<Path> paths = Files.walk(model)) {
      for (Path path : paths.toList()) {
        Files.copy(path, to.resolve(model.relativize(path).toString()));
      }
    }
    return to;
  }

  private static Path head(Path from, Path to, int lines) throws IOException {
    return Files.write(to, Files.readAllLines(from).subList(0, lines));
  }
}
