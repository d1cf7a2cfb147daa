package io.github.simcse4j.model;

import io.github.simcse4j.files.InputException;
import io.github.simcse4j.tensor.Shape;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * A model as it lies on the disk: a Hugging Face folder ({@code config.json}, {@code
 * model.safetensors} or shards, a tokenizer) or a sentence-transformers folder, which adds {@code
 * modules.json} and the pooling. Weights are memory-mapped and stay so until the folder is closed.
 * Opening checks that every tensor of the encoder is there in the right shape; the numbers are
 * checked when they are asked for. May be used by several threads.
 */
public final class ModelFolder implements AutoCloseable {

  /** The linear layer that transformers puts behind the first token. */
  static final String BERT_POOLER = "pooler.dense";

  /** Tokens of the shortest sentence: [CLS], one of text and [SEP]. */
  static final int SHORTEST = 3;

  private final Path path;
  private final Arena arena;
  private final Path transformer;
  private final JsonObject configJson;
  private final EncoderConfig config;
  private final ModelWeights weights;
  private final Optional<Pooler> pooler;
  private final Optional<Dense> mlp;
  private final boolean normalizes;
  private final OptionalInt maxLength;

  private ModelFolder(Path path, Arena arena) {
    this.path = path;
    this.arena = arena;
    Optional<SentenceModules> modules =
        Files.exists(path.resolve(SentenceModules.FILE))
            ? Optional.of(SentenceModules.read(path))
            : Optional.empty();
    this.transformer = modules.map(SentenceModules::transformer).orElse(path);
    this.configJson = JsonObject.read(transformer.resolve("config.json"));
    this.config = EncoderConfig.of(configJson);
    this.weights = new ModelWeights(WeightFiles.open(transformer, arena), arena);
    for (ParameterLayout.Entry parameter : new ParameterLayout(config, false).entries()) {
      weights.check(parameter.name(), parameter.shape());
    }
    this.pooler = modules.map(m -> m.pooler(config, configJson, arena));
    this.mlp = modules.flatMap(m -> m.dense(config, arena)).or(this::storedMlp);
    this.normalizes = modules.map(SentenceModules::normalizes).orElse(false);
    this.maxLength = modules.map(m -> m.maxLength(config)).orElse(OptionalInt.empty());
  }

  /**
   * Opens a folder.
   *
   * @throws InputException where a file is missing, damaged, hostile, or describes a model that the
   *     project does not compute exactly
   */
  public static ModelFolder open(Path path) {
    if (!Files.isDirectory(path)) {
      WeightFiles.refusePickles(path);
      throw InputException.in(
          path, "", "is not a folder", "give the folder of a Hugging Face model");
    }
    Arena arena = Arena.ofShared();
    try {
      return new ModelFolder(path, arena);
    } catch (RuntimeException e) {
      arena.close();
      throw e;
    }
  }

  /** The folder that was opened. */
  public Path path() {
    return path;
  }

  public EncoderConfig config() {
    return config;
  }

  public ModelWeights weights() {
    return weights;
  }

  /** Where the tokenizer's files lie. */
  public Path tokenizerFolder() {
    return transformer;
  }

  /** How the folder says sentences are pooled; empty for a plain Hugging Face folder. */
  public Optional<Pooler> pooler() {
    return pooler;
  }

  /**
   * The linear layer of pooler {@code cls}: the Dense module of sentence-transformers, else {@code
   * mlp.dense} of a SimCSE checkpoint, else BERT's own {@code pooler.dense}, where published SimCSE
   * models keep it.
   */
  public Optional<Dense> mlp() {
    return mlp;
  }

  /** Whether the folder says that sentence vectors are scaled to length 1. */
  public boolean normalizes() {
    return normalizes;
  }

  /**
   * The longest input in tokens, with [CLS] and [SEP], where a sentence-transformers folder says.
   */
  public OptionalInt maxLength() {
    return maxLength;
  }

  /**
   * Checks that every id of a tokenizer has a row in the word embedding.
   *
   * @param tokenizerSize the tokenizer's largest id plus 1
   * @throws InputException where it has not
   */
  public void requireVocabulary(int tokenizerSize) {
    if (tokenizerSize > config.vocabularySize()) {
      throw InputException.in(
          transformer,
          "",
          "the tokenizer has %d entries, the weights only %d rows"
              .formatted(tokenizerSize, config.vocabularySize()),
          "use the tokenizer and weights of the same model");
    }
  }

  /**
   * Checks a length that was asked for, in tokens with [CLS] and [SEP].
   *
   * @param option what asked for it, for the message
   * @param length 0 where nothing was asked for
   * @throws InputException where nothing of a sentence would stay, or the model has not so many
   *     positions
   */
  public void requireLength(String option, int length) {
    int positions = config.maxPositions();
    if (length != 0 && (length < SHORTEST || length > positions)) {
      throw InputException.in(
          path,
          "config.json",
          "the model has %d positions and %s is %d".formatted(positions, option, length),
          "choose a length of %d to %d".formatted(SHORTEST, positions));
    }
  }

  /** Unmaps the weights; every memory that came from this folder is gone. */
  @Override
  public void close() {
    arena.close();
  }

  JsonObject configJson() {
    return configJson;
  }

  private Optional<Dense> storedMlp() {
    int size = config.hiddenSize();
    for (String name : List.of(ParameterLayout.HEAD, BERT_POOLER)) {
      if (weights.has(name + ".weight") && weights.has(name + ".bias")) {
        return Optional.of(
            new Dense(
                size,
                weights.floats(name + ".weight", Shape.of(size, size)),
                weights.floats(name + ".bias", Shape.of(size))));
      }
    }
    return Optional.empty();
  }
}
