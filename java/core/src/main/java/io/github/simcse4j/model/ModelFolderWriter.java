package io.github.simcse4j.model;

import io.github.simcse4j.files.AtomicFile;
import io.github.simcse4j.files.InputException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Writes model folders that load without a warning in {@code transformers} (BertModel) and {@code
 * sentence-transformers}, and there give the sentence vectors of this project.
 */
public final class ModelFolderWriter {

  /** What {@code transformers} asks a weight file to say of itself. */
  static final Map<String, String> METADATA = Map.of("format", "pt");

  private static final String CONFIG = "config.json";
  private static final String HIDDEN_STATES = "output_hidden_states";

  /** Everything in a folder that a model owns; the rest is the user's and is kept. */
  private static final Set<String> OWNED =
      Set.of(
          CONFIG,
          WeightFiles.SINGLE,
          WeightFiles.INDEX,
          "pytorch_model.bin",
          SentenceModules.FILE,
          SentenceModules.TRANSFORMER_CONFIG,
          SentenceModules.FOLDER_CONFIG);

  private ModelFolderWriter() {}

  /**
   * Checks, before a long run, that a model can be written here: the folder is absent, empty, or
   * holds a model, and can be replaced as a whole.
   *
   * @throws InputException where it cannot
   */
  public static void requireWritable(Path out) {
    FolderSwap.requireReplaceable(out, ModelFolderWriter::isModel);
  }

  /**
   * Writes a model that was made from another: its config.json with what changed, its tokenizer,
   * and its normalisation.
   *
   * @param out the folder; may be that of {@code source}. A model in it is replaced, other files in
   *     it stay
   * @throws InputException where {@code out} holds something else
   * @throws IllegalArgumentException where a tensor is missing, too many, or of another shape than
   *     the config of {@code source} gives it
   */
  public static void write(Path out, ModelFolder source, ModelContent content) throws IOException {
    EncoderConfig config = source.config();
    Map<String, Object> json = new LinkedHashMap<>(source.configJson().members());
    try (Arena arena = Arena.ofConfined()) {
      Map<String, NamedTensor> tensors = complete(config, content, source.mlp(), arena);
      replace(
          out,
          folder -> {
            writeModel(folder, json, tensors, content.pooler());
            TokenizerFiles.copy(source.tokenizerFolder(), folder);
            new SentenceModulesWriter(folder, config, content, tensors).write(source.normalizes());
          });
    }
  }

  /**
   * Writes a model that was made from nothing.
   *
   * @param vocabulary WordPiece entries in the order of their ids; no more than the config's
   *     vocabulary
   * @param lowerCase whether the tokenizer lower-cases text and strips its accents
   * @throws InputException where {@code out} holds something that is no model
   * @throws IllegalArgumentException as {@link #write} does
   */
  public static void create(
      Path out,
      EncoderConfig config,
      List<String> vocabulary,
      boolean lowerCase,
      ModelContent content)
      throws IOException {
    if (vocabulary.size() > config.vocabularySize()) {
      throw new IllegalArgumentException(
          "%d vocabulary entries do not fit %d rows"
              .formatted(vocabulary.size(), config.vocabularySize()));
    }
    try (Arena arena = Arena.ofConfined()) {
      Map<String, NamedTensor> tensors = complete(config, content, Optional.empty(), arena);
      replace(
          out,
          folder -> {
            writeModel(folder, config.toJson(), tensors, content.pooler());
            TokenizerFiles.create(folder, vocabulary, lowerCase, config.maxPositions());
            new SentenceModulesWriter(folder, config, content, tensors).write(false);
          });
    }
  }

  private static void replace(Path out, FolderSwap.Content content) throws IOException {
    FolderSwap.replace(out, ModelFolderWriter::isModel, ModelFolderWriter::isOwned, content);
  }

  private static boolean isModel(Path folder) {
    boolean weights =
        Files.exists(folder.resolve(WeightFiles.SINGLE))
            || Files.exists(folder.resolve(WeightFiles.INDEX));
    return weights && Files.exists(folder.resolve(CONFIG))
        || Files.exists(folder.resolve(SentenceModules.FILE));
  }

  private static boolean isOwned(Path entry) {
    String name = entry.getFileName().toString();
    return OWNED.contains(name)
        || TokenizerFiles.NAMES.contains(name)
        || name.matches("model-\\d+-of-\\d+\\.safetensors")
        || name.matches("\\d+_(Transformer|WeightedLayerPooling|Pooling|Dense|Normalize)");
  }

  /**
   * The tensors of the encoder and of the layer behind its first token, by their names here. Where
   * that layer was not trained it is the source's; where there is none either it is the identity,
   * for {@code transformers} warns about a model without one and makes it at random.
   */
  private static Map<String, NamedTensor> complete(
      EncoderConfig config, ModelContent content, Optional<Dense> source, Arena arena) {
    Map<String, NamedTensor> given = new HashMap<>();
    for (NamedTensor tensor : content.tensors()) {
      given.put(ModelWeights.withoutPrefix(tensor.name()), tensor);
    }
    boolean headTrained = given.containsKey(ParameterLayout.HEAD + ".weight");
    if (content.pooler() == Pooler.CLS && !headTrained) {
      throw new IllegalArgumentException("pooler cls needs tensor " + ParameterLayout.HEAD);
    }
    if (!headTrained) {
      Dense head = source.orElseGet(() -> identity(config.hiddenSize(), arena));
      for (NamedTensor tensor : head.tensors(ParameterLayout.HEAD)) {
        given.put(tensor.name(), tensor);
      }
    }
    Map<String, NamedTensor> complete = new LinkedHashMap<>();
    for (ParameterLayout.Entry parameter : new ParameterLayout(config, true).entries()) {
      NamedTensor tensor = given.remove(parameter.name());
      if (tensor == null || !tensor.shape().equals(parameter.shape())) {
        String found = tensor == null ? "none" : tensor.shape().toString();
        throw new IllegalArgumentException(
            "tensor '%s' must have shape %s, got %s"
                .formatted(parameter.name(), parameter.shape(), found));
      }
      complete.put(parameter.name(), tensor.named(parameter.name()));
    }
    if (!given.isEmpty()) {
      throw new IllegalArgumentException("the encoder has no tensors named " + given.keySet());
    }
    return complete;
  }

  private static Dense identity(int size, Arena arena) {
    MemorySegment weight = arena.allocate(ValueLayout.JAVA_FLOAT, (long) size * size);
    for (long i = 0; i < size; i++) {
      weight.setAtIndex(ValueLayout.JAVA_FLOAT, i * size + i, 1);
    }
    return new Dense(size, weight, arena.allocate(ValueLayout.JAVA_FLOAT, size));
  }

  private static void writeModel(
      Path folder, Map<String, Object> json, Map<String, NamedTensor> tensors, Pooler pooler)
      throws IOException {
    List<NamedTensor> renamed = new ArrayList<>();
    for (NamedTensor tensor : tensors.values()) {
      renamed.add(
          tensor.named(tensor.name().replace(ParameterLayout.HEAD, ModelFolder.BERT_POOLER)));
    }
    SafetensorsWriter.write(folder.resolve(WeightFiles.SINGLE), METADATA, renamed);
    json.put("architectures", List.of("BertModel"));
    json.remove("torch_dtype");
    json.put("dtype", "float32");
    json.remove(HIDDEN_STATES);
    if (SentenceModulesWriter.mixesLayers(pooler)) {
      json.put(HIDDEN_STATES, true);
    }
    AtomicFile.write(folder.resolve(CONFIG), JsonObject.bytes(json));
  }
}
