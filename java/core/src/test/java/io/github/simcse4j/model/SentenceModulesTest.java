package io.github.simcse4j.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.simcse4j.files.InputException;
import io.github.simcse4j.tensor.Shape;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class SentenceModulesTest {

  /** Of sentence-transformers before 5.4, and the module types it has had since. */
  private static final String OLD = "sentence_transformers.models.";

  private static final String NEW = "sentence_transformers.sentence_transformer.modules.pooling.";

  @TempDir static Path template;
  @TempDir Path folder;

  /** Made once, for it is forced to the disk, and copied for every test. */
  @BeforeAll
  static void makeTemplate() throws IOException {
    TinyModel.create(template, Pooler.AVG);
  }

  @ParameterizedTest
  @CsvSource({
    "pooling_mode_cls_token, CLS_BEFORE_POOLER",
    "pooling_mode_mean_tokens, AVG",
    "pooling_mode_max_tokens, MAX",
    "unknown_key, AVG"
  })
  void readsTheOldKeysOfPooling(String key, Pooler pooler) throws IOException {
    sentenceFolder(OLD, "\"word_embedding_dimension\":8,\"" + key + "\":true");
    opens(pooler, 7);
  }

  @ParameterizedTest
  @CsvSource({"cls, CLS_BEFORE_POOLER", "mean, AVG", "max, MAX"})
  void readsTheNewKeysOfPooling(String mode, Pooler pooler) throws IOException {
    String width = "\"embedding_dimension\":8,\"include_prompt\":true,";
    sentenceFolder(NEW, width + "\"pooling_mode\":\"" + mode + "\"");
    opens(pooler, 7);
    sentenceFolder(
        NEW, width + "\"pooling_mode\":[\"" + mode + "\"],\"pooling_mode_lasttoken\":true");
    opens(pooler, 7);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "\"word_embedding_dimension\":9,\"pooling_mode_mean_tokens\":true",
        "\"pooling_mode_mean_tokens\":true",
        "\"embedding_dimension\":8,\"pooling_mode\":\"lasttoken\"",
        "\"embedding_dimension\":8,\"pooling_mode\":[\"cls\",\"mean\"]",
        "\"embedding_dimension\":8,\"pooling_mode\":3",
        "\"word_embedding_dimension\":8,\"pooling_mode_mean_sqrt_len_tokens\":true",
        "\"word_embedding_dimension\":8,\"pooling_mode_cls_token\":true,"
            + "\"pooling_mode_mean_tokens\":true",
        "\"word_embedding_dimension\":8,\"pooling_mode_mean_tokens\":1"
      })
  void refusesOtherPooling(String members) throws IOException {
    sentenceFolder(OLD, members);
    refuses("1_Pooling");
  }

  @Test
  void takesTheLengthFromTheTokenizerSinceVersion54() throws IOException {
    sentenceFolder(NEW, "\"embedding_dimension\":8,\"pooling_mode\":\"mean\"");
    write("sentence_bert_config.json", "{\"transformer_task\":\"feature-extraction\"}");
    write("tokenizer_config.json", "{\"model_max_length\":6}");
    opens(Pooler.AVG, 6);
    write("tokenizer_config.json", "{\"model_max_length\":1000000000000000019884624838656}");
    try (ModelFolder model = ModelFolder.open(folder)) {
      assertEquals(OptionalInt.empty(), model.maxLength());
    }
    write("sentence_bert_config.json", "{\"max_seq_length\":512,\"do_lower_case\":false}");
    opens(Pooler.AVG, 10);
    write("sentence_bert_config.json", "{\"max_seq_length\":-1}");
    refuses("max_seq_length");
  }

  @Test
  void readsAFolderWithItsEncoderInASubfolder() throws IOException {
    sentenceFolder(OLD, "\"word_embedding_dimension\":8,\"pooling_mode_mean_tokens\":true");
    Path inner = Files.createDirectory(folder.resolve("0_Transformer"));
    for (String name :
        List.of("config.json", "model.safetensors", "vocab.txt", "sentence_bert_config.json")) {
      Files.move(folder.resolve(name), inner.resolve(name));
    }
    modules(OLD, "0_Transformer", "1_Pooling");
    try (ModelFolder model = ModelFolder.open(folder)) {
      assertEquals(inner, model.tokenizerFolder());
      assertEquals(OptionalInt.of(7), model.maxLength());
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"../1_Pooling", "/etc", "0/../../x"})
  void refusesModulesOutsideTheFolder(String path) throws IOException {
    sentenceFolder(OLD, "\"word_embedding_dimension\":8");
    modules(OLD, "", path);
    refuses("leaves the folder");
  }

  @Test
  void refusesModulesThatItDoesNotCompute() throws IOException {
    sentenceFolder(OLD, "\"word_embedding_dimension\":8");
    modulesOf(module(OLD + "Transformer", ""), module(OLD + "LSTM", "1_LSTM"));
    refuses("LSTM");
    modulesOf(module(OLD + "Transformer", ""), module("custom.Pooling", "1_Pooling"));
    refuses("custom.Pooling");
    modulesOf(module(OLD + "Pooling", "1_Pooling"), module(OLD + "Transformer", ""));
    refuses("Transformer");
    modulesOf(module(OLD + "Transformer", ""));
    refuses("expected Transformer and Pooling");
    modulesOf(
        module(OLD + "Transformer", ""),
        module(OLD + "Pooling", "1_Pooling"),
        module(OLD + "Dense", "2_Dense"));
    refuses("around mean pooling");
    write("modules.json", "{}");
    refuses("not a JSON list");
    write("modules.json", "[1]");
    refuses("not a JSON object");
  }

  @Test
  void refusesADefaultPromptAndLowerCasingBeforeACasedTokenizer() throws IOException {
    sentenceFolder(OLD, "\"word_embedding_dimension\":8");
    write(
        "config_sentence_transformers.json",
        "{\"prompts\":{\"query\":\"q: \",\"none\":\"\"},\"default_prompt_name\":\"query\"}");
    refuses("default_prompt_name");
    write("config_sentence_transformers.json", "{\"prompts\":{\"query\":\"q: \"}}");
    opens(Pooler.AVG, 7);
    write("sentence_bert_config.json", "{\"do_lower_case\":true}");
    write("tokenizer_config.json", "{\"do_lower_case\":false}");
    refuses("do_lower_case");
  }

  @ParameterizedTest
  @CsvSource({
    "'activation_function', '\"torch.nn.modules.linear.Identity\"'",
    "'out_features', 4",
    "'in_features', 4",
    "'use_residual', true",
    "'module_input_name', '\"token_embeddings\"'"
  })
  void refusesOtherDenseLayers(String key, String value) throws IOException {
    TinyModel.create(folder, Pooler.CLS);
    String config = Files.readString(folder.resolve("2_Dense/config.json"));
    config = config.replaceAll(",?\\s*\"" + key + "\":[^,}]*", "").replaceFirst("\\{\\s*,", "{");
    write(
        "2_Dense/config.json",
        config.strip().replaceFirst("}$", ",\"" + key + "\":" + value + "}"));
    refuses("2_Dense");
  }

  @Test
  void refusesLayerWeightsThatNoPoolerHas() throws IOException {
    TinyModel.create(folder, Pooler.AVG_FIRST_LAST);
    for (float[] weights : new float[][] {{1, 2}, {0, 0}, {1, -1}}) {
      SafetensorsWriter.write(
          folder.resolve("1_WeightedLayerPooling/model.safetensors"),
          ModelFolderWriter.METADATA,
          List.of(
              NamedTensor.floats("layer_weights", Shape.of(2), MemorySegment.ofArray(weights))));
      refuses("mix the layers");
    }
    Files.writeString(
        folder.resolve("config.json"),
        Files.readString(folder.resolve("config.json"))
            .replace("\"output_hidden_states\": true", "\"output_hidden_states\": false"));
    refuses("output_hidden_states");
  }

  /** A folder made by the writer, with this configuration of its pooling in its place. */
  private void sentenceFolder(String types, String pooling) throws IOException {
    Files.createDirectories(folder.resolve("1_Pooling"));
    try (var files = Files.list(template)) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        Files.write(folder.resolve(file.getFileName()), Files.readAllBytes(file));
      }
    }
    write("1_Pooling/config.json", "{" + pooling + "}");
    modules(types, "", "1_Pooling");
  }

  private void modules(String types, String transformer, String pooling) throws IOException {
    modulesOf(module(OLD + "Transformer", transformer), module(types + "Pooling", pooling));
  }

  private void modulesOf(String... modules) throws IOException {
    write("modules.json", "[" + String.join(",", modules) + "]");
  }

  private static String module(String type, String path) {
    return "{\"idx\":0,\"name\":\"0\",\"path\":\"%s\",\"type\":\"%s\"}".formatted(path, type);
  }

  private void write(String name, String text) throws IOException {
    Files.writeString(folder.resolve(name), text);
  }

  private void opens(Pooler pooler, int maxLength) {
    try (ModelFolder model = ModelFolder.open(folder)) {
      assertEquals(Optional.of(pooler), model.pooler());
      assertEquals(OptionalInt.of(maxLength), model.maxLength());
    }
  }

  private void refuses(String reason) {
    var fault = assertThrows(InputException.class, () -> ModelFolder.open(folder).close());
    assertTrue(fault.getMessage().contains(reason), fault.getMessage());
    assertEquals(1, fault.getMessage().lines().count(), fault.getMessage());
  }
}
