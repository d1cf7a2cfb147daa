package io.github.simcse4j.model;

import io.github.simcse4j.files.InputException;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Shape;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * The modules of a sentence-transformers folder ({@code modules.json}): Transformer, then
 * optionally WeightedLayerPooling, then Pooling, optionally Dense (tanh), optionally Normalize.
 * Whatever would make other vectors than the project computes is refused.
 */
final class SentenceModules {

  static final String FILE = "modules.json";
  static final String TRANSFORMER_CONFIG = "sentence_bert_config.json";
  static final String FOLDER_CONFIG = "config_sentence_transformers.json";
  static final String LAYER_WEIGHTS = "layer_weights";
  static final String TANH = "torch.nn.modules.activation.Tanh";

  /** Modules in the only order that the project computes. */
  private static final List<String> ORDER =
      List.of("Transformer", "WeightedLayerPooling", "Pooling", "Dense", "Normalize");

  /** Key of the sentence-transformers before 5.4, and the mode it switches on. */
  private static final Map<String, String> OLD_MODES = oldModes();

  private static final String SUPPORTED =
      "use a model of Transformer, Pooling (cls, mean or max), and optionally WeightedLayerPooling"
          + " (last two, or first and last), Dense (tanh, after cls) and Normalize";

  private static final double WEIGHT_TOLERANCE = 1e-6;

  private final Path folder;
  private final Map<String, Path> paths = new LinkedHashMap<>();

  private SentenceModules(Path folder) {
    this.folder = folder;
  }

  /** Reads {@code modules.json} and checks the order of its modules. */
  static SentenceModules read(Path folder) {
    SentenceModules modules = new SentenceModules(folder);
    List<String> types = new ArrayList<>();
    for (JsonObject module : JsonObject.readList(folder.resolve(FILE))) {
      String type = module.string("type");
      String name = type.substring(type.lastIndexOf('.') + 1);
      types.add(name);
      if (!type.startsWith("sentence_transformers.")
          || ORDER.indexOf(name) <= lastIndex(types.subList(0, types.size() - 1))) {
        throw modules.fault("module '" + type + "'", "is not supported at this place");
      }
      modules.paths.put(name, modules.inside(module.string("path", "")));
    }
    if (!modules.paths.containsKey("Transformer") || !modules.paths.containsKey("Pooling")) {
      throw modules.fault("", "names " + types + ", expected Transformer and Pooling among them");
    }
    modules.refuseDefaultPrompt();
    return modules;
  }

  /** Where config.json, the weights and the tokenizer lie. */
  Path transformer() {
    return paths.get("Transformer");
  }

  boolean normalizes() {
    return paths.containsKey("Normalize");
  }

  /** The longest input in tokens: of sentence-transformers' own key, else of the tokenizer. */
  OptionalInt maxLength(EncoderConfig config) {
    int length = 0;
    Path own = transformer().resolve(TRANSFORMER_CONFIG);
    if (Files.exists(own)) {
      JsonObject json = JsonObject.read(own);
      refuseLowerCase(json);
      length = json.integer("max_seq_length", 0);
      if (length != 0 && length < ModelFolder.SHORTEST) {
        throw json.fault(
            "max_seq_length", (long) length, "at least " + ModelFolder.SHORTEST + " tokens");
      }
    }
    Path tokenizer = transformer().resolve(TokenizerFiles.CONFIG);
    if (length == 0 && Files.exists(tokenizer)) {
      Object value = JsonObject.read(tokenizer).members().get("model_max_length");
      // Tokenizers without a limit say 10^30, which is no Long.
      length = value instanceof Long limit ? Math.clamp(limit, 0, config.maxPositions()) : 0;
    }
    return length == 0
        ? OptionalInt.empty()
        : OptionalInt.of(Math.min(length, config.maxPositions()));
  }

  /**
   * The pooler of these modules.
   *
   * @param encoderJson the encoder's config.json, for the switch that hands out all layers
   */
  Pooler pooler(EncoderConfig config, JsonObject encoderJson, Arena arena) {
    JsonObject json = JsonObject.read(paths.get("Pooling").resolve("config.json"));
    requireWidth(json, config);
    String mode = mode(json);
    boolean weighted = paths.containsKey("WeightedLayerPooling");
    boolean dense = paths.containsKey("Dense");
    if (weighted && mode.equals("mean") && !dense) {
      return weightedMean(config, encoderJson, arena);
    }
    if (weighted || dense && !mode.equals("cls")) {
      throw fault("", "combines modules around " + mode + " pooling that the project does not");
    }
    return switch (mode) {
      case "cls" -> dense ? Pooler.CLS : Pooler.CLS_BEFORE_POOLER;
      case "mean" -> Pooler.AVG;
      case "max" -> Pooler.MAX;
      default ->
          throw InputException.in(
              json.file(), "", "pools by " + mode + ", expected cls, mean or max", SUPPORTED);
    };
  }

  /** The MLP of the Dense module, if there is one. */
  Optional<Dense> dense(EncoderConfig config, Arena arena) {
    Path path = paths.get("Dense");
    if (path == null) {
      return Optional.empty();
    }
    JsonObject json = JsonObject.read(path.resolve("config.json"));
    int size = config.hiddenSize();
    boolean ours =
        json.integer("in_features") == size
            && json.integer("out_features") == size
            && json.string("activation_function", TANH).equals(TANH)
            && json.string("module_input_name", "sentence_embedding").equals("sentence_embedding")
            && !json.bool("use_residual", false);
    if (!ours) {
      throw InputException.in(
          json.file(),
          "",
          "is not a tanh layer from " + size + " to " + size + " over the sentence vector",
          SUPPORTED);
    }
    var weights = new ModelWeights(WeightFiles.open(path, arena), arena);
    MemorySegment weight = weights.floats("linear.weight", Shape.of(size, size));
    MemorySegment bias =
        json.bool("bias", true)
            ? weights.floats("linear.bias", Shape.of(size))
            : arena.allocate((long) size * DType.F32.bytes(), DType.F32.bytes());
    return Optional.of(new Dense(size, weight, bias));
  }

  private Pooler weightedMean(EncoderConfig config, JsonObject encoderJson, Arena arena) {
    Path path = paths.get("WeightedLayerPooling");
    JsonObject json = JsonObject.read(path.resolve("config.json"));
    requireWidth(json, config);
    int layers = config.layers();
    int start = json.integer("layer_start", 4);
    if (json.integer("num_hidden_layers", 12) != layers || start < 0 || start > layers) {
      throw InputException.in(
          json.file(), "", "does not fit an encoder of " + layers + " layers", SUPPORTED);
    }
    if (!encoderJson.bool("output_hidden_states", false)) {
      throw InputException.in(
          encoderJson.file(),
          "key 'output_hidden_states'",
          "is not true, so that WeightedLayerPooling has no layers to mix",
          "set it to true");
    }
    var weights = new ModelWeights(WeightFiles.open(path, arena), arena);
    MemorySegment stored = weights.floats(LAYER_WEIGHTS, Shape.of(layers + 1L - start));
    double[] found = new double[layers + 1];
    double sum = 0;
    for (int layer = start; layer <= layers; layer++) {
      found[layer] = stored.getAtIndex(ValueLayout.JAVA_FLOAT, layer - start);
      sum += found[layer];
    }
    for (Pooler pooler : List.of(Pooler.AVG_TOP2, Pooler.AVG_FIRST_LAST, Pooler.AVG)) {
      if (matches(found, sum, pooler)) {
        return pooler;
      }
    }
    throw InputException.in(
        path, LAYER_WEIGHTS, "mix the layers in a way that no pooler does", SUPPORTED);
  }

  private static boolean matches(double[] found, double sum, Pooler pooler) {
    for (int state = 0; state < found.length; state++) {
      double expected = pooler.weight(state, found.length - 1);
      // Written so that a sum of 0, which gives NaN, does not match.
      if (!(Math.abs(found[state] / sum - expected) <= WEIGHT_TOLERANCE)) {
        return false;
      }
    }
    return true;
  }

  private static String mode(JsonObject json) {
    Object mode = json.members().get("pooling_mode");
    if (mode == null) {
      List<String> on = new ArrayList<>();
      OLD_MODES.forEach((key, name) -> {
        if (json.bool(key, false)) {
          on.add(name);
        }
      });
      return on.isEmpty() ? "mean" : String.join(" and ", on);
    }
    if (mode instanceof List<?> modes) {
      return String.join(" and ", modes.stream().map(String::valueOf).toList());
    }
    return json.string("pooling_mode");
  }

  private static void requireWidth(JsonObject json, EncoderConfig config) {
    String key =
        json.has("embedding_dimension") ? "embedding_dimension" : "word_embedding_dimension";
    if (json.integer(key) != config.hiddenSize()) {
      throw json.fault(
          key, (long) json.integer(key), config.hiddenSize() + ", the encoder's hidden size");
    }
  }

  private void refuseDefaultPrompt() {
    Path file = folder.resolve(FOLDER_CONFIG);
    if (!Files.exists(file)) {
      return;
    }
    JsonObject json = JsonObject.read(file);
    String name = json.string("default_prompt_name", "");
    if (json.has("prompts") && !json.object("prompts").string(name, "").isEmpty()) {
      throw json.fault(
          "default_prompt_name", name, "null, for no prompt is put before a sentence here");
    }
  }

  private void refuseLowerCase(JsonObject json) {
    Path tokenizer = transformer().resolve(TokenizerFiles.CONFIG);
    if (json.bool("do_lower_case", false)
        && Files.exists(tokenizer)
        && !JsonObject.read(tokenizer).bool("do_lower_case", true)) {
      throw json.fault(
          "do_lower_case", true, "false as in tokenizer_config.json, which alone is followed");
    }
  }

  /** A module's folder, which must lie in the model's folder. */
  private Path inside(String path) {
    try {
      Path resolved = folder.resolve(path).normalize();
      if (resolved.startsWith(folder.normalize())) {
        return resolved;
      }
    } catch (InvalidPathException e) {
      throw fault("path '" + path + "'", "is no path");
    }
    throw fault("path '" + path + "'", "leaves the folder");
  }

  private static int lastIndex(List<String> types) {
    return types.isEmpty() ? -1 : ORDER.indexOf(types.getLast());
  }

  private InputException fault(String place, String problem) {
    return InputException.in(folder.resolve(FILE), place, problem, SUPPORTED);
  }

  private static Map<String, String> oldModes() {
    Map<String, String> modes = new LinkedHashMap<>();
    modes.put("pooling_mode_cls_token", "cls");
    modes.put("pooling_mode_max_tokens", "max");
    modes.put("pooling_mode_mean_tokens", "mean");
    modes.put("pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len_tokens");
    modes.put("pooling_mode_weightedmean_tokens", "weightedmean");
    modes.put("pooling_mode_lasttoken", "lasttoken");
    return modes;
  }
}
