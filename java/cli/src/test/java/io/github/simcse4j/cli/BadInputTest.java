package io.github.simcse4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Whatever is wrong with what a user hands over: one sentence, exit code 2, nothing half-written.
 */
final class BadInputTest {

  private static final String WEIGHTS = "model.safetensors";

  @TempDir private static Path shared;
  private static Sandbox sandbox;

  @TempDir private Path folder;
  private Path model;

  @BeforeAll
  static void make() throws IOException {
    sandbox = Sandbox.make(shared);
  }

  @BeforeEach
  void copy() throws IOException {
    model = sandbox.copyOfModel(folder.resolve("model"));
  }

  @Test
  void weightsThatAreNotThereOrCut() throws IOException {
    byte[] whole = Files.readAllBytes(model.resolve(WEIGHTS));
    weights(Arrays.copyOf(whole, whole.length - 1));
    refusesModel(WEIGHTS, "truncated");
    weights(Arrays.copyOf(whole, 4));
    refusesModel(WEIGHTS, "at least 8");
    weights(littleEndian(whole.clone()).putLong(0, 1L << 40).array());
    refusesModel(WEIGHTS, "bytes 0 to 7");
    weights(littleEndian(whole.clone()).putLong(0, -1).array());
    refusesModel(WEIGHTS, "bytes 0 to 7");
    Files.delete(model.resolve(WEIGHTS));
    refusesModel("model", "has no model.safetensors");
    Files.write(model.resolve("pytorch_model.bin"), new byte[9]);
    refusesModel("pytorch_model.bin", "pickle", "save_pretrained");
  }

  @Test
  void weightsWithAHostileHeader() throws IOException {
    byte[] whole = Files.readAllBytes(model.resolve(WEIGHTS));
    header(whole, h -> h.replace("[512,1024]", "[0,512]"));
    refusesModel(WEIGHTS, "tensor 'embeddings.LayerNorm.", "overlap");
    String end = "9223372036854775807";
    header(whole, h -> h.replace("[512,1024]", "[9223372036854775295," + end + "]"));
    refusesModel(WEIGHTS, "header", "promises");
    header(whole, h -> h.replace("[512,1024]", "[512," + end + "0]"));
    refusesModel(WEIGHTS, "integers from 0");
    header(whole, h -> h.replaceFirst("\"shape\":\\[\\d+", "\"shape\":[4611686018427387904"));
    refusesModel(WEIGHTS, "tensor '");
    header(whole, h -> h.replaceFirst("\"shape\":\\[\\d+", "\"shape\":[-1"));
    refusesModel(WEIGHTS, "integers from 0");
    header(whole, h -> h.replace("output.dense.bias", "output.dense.weight"));
    refusesModel(WEIGHTS, "twice");
    header(whole, h -> h.replaceFirst("\"F32\"", "\"F33\""));
    refusesModel(WEIGHTS, "'F33' is unknown");
    header(whole, h -> h.replace("embeddings.word_embeddings.weight", "embeddings.other.weight"));
    refusesModel(WEIGHTS, "embeddings.word_embeddings.weight", "missing");
    header(whole, h -> "[".repeat(50_000));
    refusesModel(WEIGHTS, "header");
  }

  @Test
  void weightsThatDoNotFitTheRest() throws IOException {
    replace("config.json", "\"hidden_size\" *: *128", "\"hidden_size\":64");
    refusesModel(WEIGHTS, "shape", "config.json");
    copyAgain();
    Files.writeString(
        model.resolve("vocab.txt"), Files.readString(model.resolve("vocab.txt")) + "more\nwords\n");
    refusesModel("model", "the tokenizer has", "rows");
    copyAgain();
    byte[] whole = Files.readAllBytes(model.resolve(WEIGHTS));
    ByteBuffer bytes = littleEndian(whole);
    weights(bytes.putFloat(whole.length - 4, Float.NaN).array());
    refusesModel(WEIGHTS, "NaN");
    refuses(() -> trains(folder.resolve("out")), WEIGHTS, "NaN");
  }

  @Test
  void weightsThatOverflow() throws IOException {
    byte[] whole = Files.readAllBytes(model.resolve(WEIGHTS));
    ByteBuffer bytes = littleEndian(whole);
    for (int at = whole.length / 4; at < whole.length; at += 4) {
      bytes.putFloat(at, 3e38f);
    }
    weights(whole);
    CommandRun run = encode(model, folder.resolve("v.npy"));
    assertEquals(2, run.code(), run.err());
    assertEquals(2, run.err().lines().count(), run.err());
    assertFalse(Files.exists(folder.resolve("v.npy")));
    CommandRun training = trains(folder.resolve("out"));
    assertEquals(2, training.code(), training.err());
    String fault = training.err().lines().toList().getLast();
    assertTrue(fault.startsWith("simcse: the length of the embeddings is "), fault);
    assertTrue(fault.contains(" at step 1, "), fault);
    assertTrue(fault.endsWith("; choose another --model or raise --temperature."), fault);
    assertFalse(Files.exists(folder.resolve("out")));
  }

  @Test
  void shardsThatAreNotThere() throws IOException {
    Files.move(model.resolve(WEIGHTS), folder.resolve("outside.safetensors"));
    index("../outside.safetensors");
    refusesModel("model.safetensors.index.json", "../outside.safetensors", "plain name");
    index(folder.resolve("outside.safetensors").toString());
    refusesModel("model.safetensors.index.json", "plain name");
    index("model-00001-of-00001.safetensors");
    refusesModel("model.safetensors.index.json", "not in the folder");
  }

  @Test
  void modelFoldersThatAreNone() throws IOException {
    Path absent = folder.resolve("absent");
    refuses(() -> encode(absent, folder.resolve("v.npy")), absent.toString(), "not a folder");
    replace("config.json", "\\}", "");
    refusesModel("config.json");
    copyAgain();
    replace("config.json", "\"bert\"", "\"roberta\"");
    refusesModel("config.json", "roberta", "bert");
    copyAgain();
    Files.delete(model.resolve("vocab.txt"));
    refusesModel("tokenizer.json or vocab.txt");
    Files.write(model.resolve("vocab.txt"), new byte[] {'a', '\n', (byte) 0xFF, '\n'});
    refusesModel("vocab.txt", "line 2", "UTF-8");
  }

  @Test
  void textThatIsNone() throws IOException {
    refusesText(folder.resolve("absent.txt"), "no such file");
    refusesText(model, "found a folder");
    refusesText(write("text.doc", "a\n"), "no known kind");
    refusesText(
        write("bad.txt", "good\nb\u00ffd\n", StandardCharsets.ISO_8859_1), "line 2", "UTF-8");
    refusesText(write("empty.txt", "\n \n"), "no sentence");
    refusesText(write("bad.csv", "a,b\n\"c,d\n"), "line 2", "quote");
    refusesText(write("ragged.csv", "a,b\nc\n"), "line 2", "expected 2 cells");
    refusesText(write("wide.csv", "a,b,c,d\n"), "1 to 3 columns");
    refusesText(write("bad.jsonl", "{\"text\":\"a\"}\n{\"text\":\n"), "line 2");
    refusesText(write("bad.txt.gz", "no gzip"), "gzip");
    refusesText(write("bad.arrow", "ARROW1 and nothing more"), "bad.arrow");
    Path tokens = folder.resolve("few.arrow");
    Path few = write("few.txt", "a cat\na dog\n");
    Sandbox.run("prepare", "--model", model, "--train", few, "--out", tokens, "--max-length", 12);
    refuses(
        () -> Sandbox.train(model, tokens, folder.resolve("out")),
        "few.arrow",
        "--batch-size 4 is larger than the 2 sentences");
  }

  @Test
  void gradedPairsThatAreNone() throws IOException {
    refusesPairs(folder.resolve("absent.tsv").toString(), "absent.tsv", "no such file");
    String header = "score\tsentence1\tsentence2\n";
    refusesPairs(write("few.tsv", header + "1\ta\tb\n2\ta\n").toString(), "line 3", "2 tab-sep");
    refusesPairs(write("word.tsv", header + "1\ta\tb\nx\ta\tb\n").toString(), "line 3", "'x'");
    refusesPairs(write("nan.tsv", header + "NaN\ta\tb\n").toString(), "line 2", "'NaN'");
    refusesPairs(write("none.tsv", header).toString(), "no scored pair");
    refusesPairs(write("odd.tsv", "a\tb\n").toString(), "no known layout");
    refusesPairs(write("two.tsv", "1\ta\tb\n") + ":score=0,left=1,right=1", "same number");
    refusesPairs(
        write("latin.tsv", header + "1\t\u00ff\tb\n", StandardCharsets.ISO_8859_1).toString(),
        "line 2",
        "UTF-8");
  }

  @Test
  void optionsThatAreNone() {
    refusesOption("--device", "tpu", "--device tpu", "cpu");
    refusesOption("--pooler", "best", "best", "avg_first_last");
    refusesOption("--recipe", "magic", "magic", "unsup-bert-base");
    refusesOption("--columns", "0,,1", "0,,1");
    refusesOption("--columns", "name", "column name", "[text]");
    refusesOption("--columns", "7", "column 7", "[text]");
    refusesOption("--epochs", "many", "--epochs", "many");
    refusesOption("--epochs", "NaN", "--epochs", "above 0");
    refusesOption("--dropout", "2", "--dropout", "below 1");
    refusesOption("--dropout", "NaN", "--dropout", "below 1");
    refusesOption("--learning-rate", "-1", "--learning-rate", "above 0");
    refusesOption("--eval-max-length", "-1", "--eval-max-length", "3 to 64");
    refusesOption("--speed", "9", "--speed", "simcse train --help");
    refuses(() -> CommandRun.of("train"), "--model", "--out", "--train", "simcse train --help");
    refuses(() -> CommandRun.of("tran"), "tran", "train");
    Object[] encode = {"--model", model, "--input", sandbox.text(), "--output"};
    Path vectors = folder.resolve("v.npy");
    for (String length : new String[] {"-5", "2", "65"}) {
      refuses(
          () -> run("encode", encode, vectors, "--max-length", length), "--max-length", "3 to 64");
    }
    refuses(() -> run("encode", encode, vectors, "--column", "0,1"), "--column", "one column");
    refuses(() -> run("encode", encode, folder.resolve("v.bin")), "v.bin", ".npy");
    String[] kernels = {"encode", "--model", "m", "--input", "-", "--output", "v.npy", "--kernels"};
    refuses(() -> with(kernels, "opencl"), "--kernels opencl", "cuda", "vector");
    refuses(
        () -> with(kernels, "auto", "--device", "cuda:9999"),
        "--device cuda:9999",
        "cannot be used here (cuda: ",
        "use --device cpu");
    refuses(() -> with(kernels, "auto", "--device", "cuda:x"), "--device cuda:x", "cuda:0");
    refuses(
        () -> with(kernels, "vector", "--device", "cuda"),
        "--kernels vector does not compute on --device cuda");
    refuses(() -> with(kernels, "vector", "--threads", "0"), "--threads", "at least 1");
    refuses(() -> with(kernels, "vector", "--precision", "fp8"), "--precision", "fp8", "bf16");
    refuses(
        () -> with(kernels, "vector", "--precision", "bf16"),
        "--kernels vector --precision bf16",
        "make native",
        "--precision fp32");
    refuses(() -> with(kernels, "vector", "--threads", "99999"), "--threads", "at most 1024");
  }

  @Test
  void trainingLengthsAndBatchesThatCannotBe() {
    Object[] fixed = {"--model", model, "--train", sandbox.text(), "--out", folder.resolve("out")};
    refuses(() -> run("train", fixed, "--max-length", 65), "--max-length is 65", "64 positions");
    refuses(() -> run("train", fixed, "--max-length", 2), "--max-length");
    refuses(() -> run("train", fixed, "--batch-size", 1), "--batch-size must be 2 to");
    // Known only once the text is tokenised, which is kept for the next attempt.
    run("train", fixed, "--batch-size", 13)
        .refused("text.txt", "--batch-size 13 is larger than the 12 sentences");
    run("train", fixed, "--batch-size", 4, "--max-tokens-per-chunk", 5)
        .refused("--max-tokens-per-chunk 5 is smaller than the longest", "--max-length");
    assertFalse(Files.exists(folder.resolve("out")));
    refuses(() -> run("train", fixed, "--batch-size", 2_000_000_000), "--batch-size must be 2 to");
  }

  @Test
  void temperaturesAndMemoryThatCannotBe() {
    for (String temperature : new String[] {"0", "-0.05", "NaN", "Infinity"}) {
      refusesOption("--temperature", temperature, "--temperature must be a number above 0");
    }
    for (String margin : new String[] {"-2", "NaN", "-Infinity"}) {
      String[] words = {"--false-negative-margin must be a number above -2", margin};
      refusesOption("--false-negative-margin", margin, words);
      refuses(
          () ->
              Sandbox.run(
                  "plan", "--model", model, "--batch-size", 8, "--false-negative-margin=" + margin),
          words);
    }
    refusesOption("--false-negative-margin", "wide", "--false-negative-margin", "wide");
    refusesOption("--activations", "some", "--activations", "use auto, keep or replay");
    refusesOption("--max-kept-chunks", "0", "--max-kept-chunks must be at least 1");
    for (String tokens : new String[] {"0", "-1", "many", "1e9", "99999999999"}) {
      refusesOption("--max-tokens-per-chunk", tokens, "must be auto or a number above 0", tokens);
    }
    for (String memory : new String[] {"0", "-1", "NaN", "Infinity", "1e-12"}) {
      refusesOption("--memory", memory, "--memory must be above 0");
    }
    refusesOption("--memory", "0.001", "the weights ask for", "more than 1.0 MB", "--model");
    Object[] plan = {"--model", model};
    refuses(() -> run("plan", plan), "--batch-size");
    refuses(() -> run("plan", plan, "--batch-size", 1), "--batch-size must be 2 to");
    refuses(() -> run("plan", plan, "--batch-size", 8, "--columns", 4), "--columns", "1, 2 or 3");
    refuses(() -> run("plan", plan, "--batch-size", 8, "--max-length", 0), "--max-length");
    refuses(() -> run("plan", plan, "--batch-size", 8, "--max-length", 65), "64 positions");
    refuses(() -> run("plan", plan, "--batch-size", 8, "--mean-length", "NaN"), "--mean-length");
    refuses(() -> run("plan", plan, "--batch-size", 8, "--mean-length", 33), "--mean-length");
    refuses(
        () -> run("plan", plan, "--batch-size", 8, "--max-tokens-per-chunk", 31),
        "--max-tokens-per-chunk 31",
        "32 tokens");
    refuses(
        () -> run("plan", plan, "--batch-size", 1_000_000, "--memory", 0.1),
        "the embeddings and the loss for",
        "lower --batch-size");
  }

  @Test
  void placesWhereNothingCanBeWritten() throws IOException {
    Path file = write("file.txt", "text\n");
    Path below = file.resolve("below");
    Path foreign = Files.createDirectory(folder.resolve("foreign"));
    Files.writeString(foreign.resolve("letter.txt"), "dear");
    refuses(() -> trains(file), "file.txt", "expected a folder");
    refuses(() -> trains(below), "below", "is no folder");
    refuses(() -> trains(foreign), "foreign", "holds no model");
    Path out = folder.resolve("out");
    refuses(() -> trains(out, "--metrics", foreign), "foreign");
    refuses(() -> trains(out, "--metrics", below), "below");
    refuses(() -> trains(out, "--tokens", file), "file.txt", ".arrow");
    refuses(() -> trains(out, "--tokens", "/"), ".arrow");
    refuses(() -> encode(model, Path.of(below + ".npy").resolve("v.npy")), "v.npy");
    refuses(() -> Sandbox.run("quickstart", "--out", below), "below", "is no folder");
    Object[] eval = {"--model", model, "--tasks", sandbox.pairs()};
    refuses(() -> run("eval", eval, "--json", below), "below", "is no folder");
    refuses(() -> run("eval", eval, "--spectrum", foreign), "foreign", "no plain file");
    Path foreignArrow = write("foreign.arrow", "mine");
    refuses(
        () ->
            Sandbox.run(
                "prepare", "--model", model, "--train", sandbox.text(), "--out", foreignArrow),
        "foreign.arrow",
        "no token store");
  }

  /** Runs a command that must fail in one sentence with these words, and change no file. */
  private void refuses(Supplier<CommandRun> command, String... words) {
    Set<String> before = listing();
    command.get().refused(words);
    assertEquals(before, listing());
  }

  private void refusesModel(String... words) {
    refuses(() -> encode(model, folder.resolve("v.npy")), words);
  }

  private void refusesText(Path text, String... words) {
    refuses(() -> Sandbox.train(model, text, folder.resolve("out")), words);
    Path out = folder.resolve("tokens.arrow");
    refuses(() -> Sandbox.run("prepare", "--model", model, "--train", text, "--out", out), words);
  }

  private void refusesPairs(String pairs, String... words) {
    refuses(() -> Sandbox.run("eval", "--model", model, "--tasks", pairs), words);
    refuses(() -> trains(folder.resolve("out"), "--dev", pairs), words);
  }

  private void refusesOption(String option, String value, String... words) {
    refuses(() -> trains(folder.resolve("out"), option + "=" + value), words);
  }

  private CommandRun trains(Path out, Object... more) {
    return Sandbox.train(model, sandbox.text(), out, more);
  }

  private CommandRun encode(Path from, Path output) {
    return Sandbox.run("encode", "--model", from, "--input", sandbox.text(), "--output", output);
  }

  private static CommandRun run(String command, Object[] fixed, Object... more) {
    return Sandbox.run(command, Stream.concat(Stream.of(fixed), Stream.of(more)).toArray());
  }

  private static CommandRun with(String[] fixed, String... more) {
    return CommandRun.of(Stream.concat(Stream.of(fixed), Stream.of(more)).toArray(String[]::new));
  }

  /** Every file and folder of the tests, with sizes. */
  private Set<String> listing() {
    Set<String> found = new TreeSet<>();
    for (Path root : List.of(shared, folder)) {
      try (Stream<Path> paths = Files.walk(root)) {
        for (Path path : paths.toList()) {
          found.add(path + (Files.isDirectory(path) ? "" : " " + Files.size(path)));
        }
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
    return found;
  }

  private void copyAgain() throws IOException {
    model = sandbox.copyOfModel(Files.createTempDirectory(folder, "again").resolve("model"));
  }

  private static ByteBuffer littleEndian(byte[] bytes) {
    return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }

  private void weights(byte[] bytes) throws IOException {
    Files.write(model.resolve(WEIGHTS), bytes);
  }

  /** Writes the weights with a changed header of the right length. */
  private void header(byte[] whole, UnaryOperator<String> change) throws IOException {
    ByteBuffer bytes = littleEndian(whole);
    int end = 8 + Math.toIntExact(bytes.getLong(0));
    String before = new String(whole, 8, end - 8, StandardCharsets.UTF_8);
    byte[] after = change.apply(before).getBytes(StandardCharsets.UTF_8);
    assertNotEquals(before, new String(after, StandardCharsets.UTF_8), "nothing was changed");
    ByteBuffer made = ByteBuffer.allocate(8 + after.length + whole.length - end);
    made.order(ByteOrder.LITTLE_ENDIAN).putLong(after.length).put(after);
    weights(made.put(whole, end, whole.length - end).array());
  }

  private void replace(String name, String pattern, String replacement) throws IOException {
    Path file = model.resolve(name);
    String before = Files.readString(file);
    String after = before.replaceFirst(pattern, replacement);
    assertNotEquals(before, after, "nothing was changed");
    Files.writeString(file, after);
  }

  private void index(String shard) throws IOException {
    Files.writeString(
        model.resolve("model.safetensors.index.json"),
        "{\"weight_map\":{\"embeddings.word_embeddings.weight\":\"%s\"}}".formatted(shard));
  }

  private Path write(String name, String text) throws IOException {
    return write(name, text, StandardCharsets.UTF_8);
  }

  private Path write(String name, String text, Charset charset) throws IOException {
    return Files.writeString(folder.resolve(name), text, charset);
  }
}
