package io.github.simcse4j.model;

import io.github.simcse4j.files.AtomicFile;
import io.github.simcse4j.tensor.Shape;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Writes what makes a folder one of sentence-transformers, in the module types and key names from
 * before its version 5.4, which every version reads. A pooler that mixes layers becomes a
 * WeightedLayerPooling module, which needs {@code output_hidden_states} in config.json; the layer
 * behind {@code cls} becomes a Dense module.
 */
final class SentenceModulesWriter {

  private static final String TYPE_PREFIX = "sentence_transformers.models.";

  private final Path folder;
  private final EncoderConfig config;
  private final ModelContent content;
  private final Map<String, NamedTensor> tensors;
  private final List<Object> modules = new ArrayList<>();

  SentenceModulesWriter(
      Path folder, EncoderConfig config, ModelContent content, Map<String, NamedTensor> tensors) {
    this.folder = folder;
    this.config = config;
    this.content = content;
    this.tensors = tensors;
  }

  /** Whether the pooler takes part of other layers than the last. */
  static boolean mixesLayers(Pooler pooler) {
    return pooler == Pooler.AVG_TOP2 || pooler == Pooler.AVG_FIRST_LAST;
  }

  void write(boolean normalizes) throws IOException {
    add("Transformer", "");
    if (mixesLayers(content.pooler())) {
      writeLayerWeights(add("WeightedLayerPooling"));
    }
    writePooling(add("Pooling"));
    if (content.pooler() == Pooler.CLS) {
      writeDense(add("Dense"));
    }
    if (normalizes) {
      add("Normalize");
    }
    writeJson(folder.resolve(SentenceModules.FILE), modules);
    Map<String, Object> transformer = new LinkedHashMap<>();
    transformer.put("max_seq_length", content.maxLength());
    transformer.put("do_lower_case", false);
    writeJson(folder.resolve(SentenceModules.TRANSFORMER_CONFIG), transformer);
    Map<String, Object> sentence = new LinkedHashMap<>();
    sentence.put("model_type", "SentenceTransformer");
    sentence.put("prompts", Map.of());
    sentence.put("default_prompt_name", null);
    sentence.put("similarity_fn_name", "cosine");
    writeJson(folder.resolve(SentenceModules.FOLDER_CONFIG), sentence);
  }

  private void writeLayerWeights(Path module) throws IOException {
    int layers = config.layers();
    int start = 0;
    while (content.pooler().weight(start, layers) == 0) {
      start++;
    }
    float[] weights = new float[layers + 1 - start];
    for (int i = 0; i < weights.length; i++) {
      weights[i] = content.pooler().weight(start + i, layers);
    }
    Map<String, Object> json = new LinkedHashMap<>();
    json.put("word_embedding_dimension", config.hiddenSize());
    json.put("layer_start", start);
    json.put("num_hidden_layers", layers);
    writeJson(module.resolve("config.json"), json);
    var data = MemorySegment.ofArray(weights);
    writeWeights(
        module,
        List.of(NamedTensor.floats(SentenceModules.LAYER_WEIGHTS, Shape.of(weights.length), data)));
  }

  private void writePooling(Path module) throws IOException {
    boolean first = content.pooler().firstTokenOnly();
    boolean max = content.pooler() == Pooler.MAX;
    Map<String, Object> json = new LinkedHashMap<>();
    json.put("word_embedding_dimension", config.hiddenSize());
    json.put("pooling_mode_cls_token", first);
    json.put("pooling_mode_mean_tokens", !first && !max);
    json.put("pooling_mode_max_tokens", max);
    json.put("pooling_mode_mean_sqrt_len_tokens", false);
    writeJson(module.resolve("config.json"), json);
  }

  private void writeDense(Path module) throws IOException {
    Map<String, Object> json = new LinkedHashMap<>();
    json.put("in_features", config.hiddenSize());
    json.put("out_features", config.hiddenSize());
    json.put("bias", true);
    json.put("activation_function", SentenceModules.TANH);
    writeJson(module.resolve("config.json"), json);
    writeWeights(
        module,
        List.of(
            tensors.get(ParameterLayout.HEAD + ".weight").named("linear.weight"),
            tensors.get(ParameterLayout.HEAD + ".bias").named("linear.bias")));
  }

  private Path add(String type) throws IOException {
    String path = modules.size() + "_" + type;
    add(type, path);
    return Files.createDirectory(folder.resolve(path));
  }

  private void add(String type, String path) {
    Map<String, Object> module = new LinkedHashMap<>();
    module.put("idx", modules.size());
    module.put("name", Integer.toString(modules.size()));
    module.put("path", path);
    module.put("type", TYPE_PREFIX + type);
    modules.add(module);
  }

  private static void writeWeights(Path module, List<NamedTensor> weights) throws IOException {
    SafetensorsWriter.write(
        module.resolve(WeightFiles.SINGLE), ModelFolderWriter.METADATA, weights);
  }

  private static void writeJson(Path file, Object tree) throws IOException {
    AtomicFile.write(file, JsonObject.bytes(tree));
  }
}
