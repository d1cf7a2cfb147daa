package io.github.simcse4j.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.simcse4j.files.InputException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class EncoderConfigTest {

  @TempDir Path folder;
  private Path file;

  @BeforeEach
  void name() {
    file = folder.resolve("config.json");
  }

  @Test
  void readsWhatItWrites() throws IOException {
    EncoderConfig config = TinyModel.CONFIG.withKeepProb(0.85, 1);
    Files.write(file, JsonObject.bytes(config.toJson()));
    assertEquals(config, EncoderConfig.read(file));
  }

  @Test
  void takesTheDefaultsOfBertWhereAKeyIsAbsent() throws IOException {
    Files.writeString(
        file,
        """
        {"model_type": "bert", "vocab_size": 100, "hidden_size": 8, "num_hidden_layers": 2,
         "num_attention_heads": 2, "intermediate_size": 16, "max_position_embeddings": 32,
         "pad_token_id": null}
        """);
    assertEquals(
        new EncoderConfig(100, 8, 2, 2, 16, 32, 2, 1e-12, 0.9, 0.9, 0, 0.02),
        EncoderConfig.read(file));
  }

  @ParameterizedTest
  @CsvSource({
    "model_type, \"roberta\", only BERT encoders",
    "model_type, \"distilbert\", only BERT encoders",
    "model_type, \"mpnet\", only BERT encoders",
    "model_type, null, is missing",
    "hidden_act, \"gelu_new\", error function",
    "hidden_act, \"relu\", error function",
    "position_embedding_type, \"relative_key\", absolute",
    "is_decoder, true, false",
    "add_cross_attention, true, false",
    "quantization_config, {}, quantised",
    "hidden_size, 9, not a multiple",
    "hidden_size, 0, 1 to",
    "hidden_size, -8, 1 to",
    "hidden_size, 8.0, an integer",
    "hidden_size, 99999999999, an integer",
    "hidden_size, \"8\", an integer",
    "vocab_size, 1000000000, 1 to",
    "vocab_size, null, is missing",
    "num_hidden_layers, 100000, 1 to",
    "num_attention_heads, 0, 1 to",
    "intermediate_size, 0, 1 to",
    "max_position_embeddings, 0, 1 to",
    "type_vocab_size, 0, 1 to",
    "layer_norm_eps, 0, epsilon",
    "layer_norm_eps, \"x\", a number",
    "hidden_dropout_prob, 1.0, keep probability",
    "hidden_dropout_prob, -0.1, keep probability",
    "attention_probs_dropout_prob, 1e999999999, keep probability",
    "pad_token_id, 12, pad token",
    "initializer_range, -1, initializer range",
  })
  void refusesWhatItDoesNotCompute(String key, String value, String reason) throws IOException {
    Map<String, Object> json = new LinkedHashMap<>(TinyModel.CONFIG.toJson());
    json.remove(key);
    String text = new String(JsonObject.bytes(json)).strip();
    Files.writeString(file, text.replaceFirst("}$", ",\"" + key + "\":" + value + "}"));
    refuses(reason);
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "[]", "{", "{\"a\":1,\"a\":2}", "{} {}", "nul", "{\"a\":NaN}"})
  void refusesWhatIsNotAnObject(String text) throws IOException {
    Files.writeString(file, text);
    refuses("config.json");
  }

  @Test
  void refusesNestingBombsInvalidUtf8AndAbsence() throws IOException {
    refuses("is not there");
    Files.writeString(file, "{\"a\":" + "[".repeat(1_000_000));
    refuses("not readable JSON");
    Files.write(file, new byte[] {'{', '"', (byte) 0xff, '"', ':', '1', '}'});
    refuses("not UTF-8");
  }

  @Test
  void saysWhichValueIsWrongToACaller() {
    var fault =
        assertThrows(
            IllegalArgumentException.class, () -> TinyModel.CONFIG.withKeepProb(Double.NaN, 1));
    assertTrue(fault.getMessage().contains("hidden keep probability"), fault.getMessage());
  }

  private void refuses(String reason) {
    var fault = assertThrows(InputException.class, () -> EncoderConfig.read(file));
    assertTrue(fault.getMessage().contains(reason), fault.getMessage());
    assertEquals(1, fault.getMessage().lines().count(), fault.getMessage());
  }
}
