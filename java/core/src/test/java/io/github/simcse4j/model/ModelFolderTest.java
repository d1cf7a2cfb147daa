package io.github.simcse4j.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.simcse4j.files.InputException;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Shape;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ModelFolderTest {

  private static final String WORDS = "embeddings.word_embeddings.weight";
  private static final String NORM = "encoder.layer.1.output.LayerNorm.weight";

  @TempDir Path folder;

  @Test
  void findsTensorsUnderEverySpelling() throws IOException {
    List<UnaryOperator<String>> spellings =
        List.of(
            name -> name,
            name -> "bert." + name,
            name -> name.replace("LayerNorm.weight", "LayerNorm.gamma"),
            name -> "bert." + name.replace("LayerNorm.bias", "LayerNorm.beta"));
    for (int i = 0; i < spellings.size(); i++) {
      Path plain = TinyModel.plain(folder.resolve("m" + i), spellings.get(i));
      try (ModelFolder model = ModelFolder.open(plain)) {
        for (NamedTensor tensor : TinyModel.tensors(false)) {
          MemorySegment floats = model.weights().floats(tensor.name(), tensor.shape());
          assertEquals(-1, tensor.data().mismatch(floats), tensor.name());
        }
        assertEquals(Optional.empty(), model.pooler());
        assertEquals(OptionalInt.empty(), model.maxLength());
        assertEquals(plain, model.tokenizerFolder());
        assertFalse(model.mlp().isPresent());
      }
    }
  }

  @Test
  void convertsHalvesAndBrainFloats() throws IOException {
    Shape shape = Shape.of(8);
    short[] halves = new short[8];
    short[] brains = new short[8];
    for (int i = 0; i < 8; i++) {
      halves[i] = Float.floatToFloat16(i - 3.5f);
      brains[i] = (short) (Float.floatToRawIntBits(i - 3.5f) >>> 16);
    }
    DType[] types = {DType.F16, DType.BF16};
    short[][] data = {halves, brains};
    for (int t = 0; t < types.length; t++) {
      Path plain = folder.resolve(types[t].name());
      TinyModel.plain(plain, TinyModel.with(NORM, types[t], shape, MemorySegment.ofArray(data[t])));
      try (ModelFolder model = ModelFolder.open(plain)) {
        MemorySegment floats = model.weights().floats(NORM, shape);
        for (int i = 0; i < 8; i++) {
          assertEquals(i - 3.5f, floats.getAtIndex(ValueLayout.JAVA_FLOAT, i));
        }
      }
    }
  }

  @Test
  void refusesTensorsThatDoNotFit() throws IOException {
    MemorySegment data = MemorySegment.ofArray(new float[8]);
    TinyModel.plain(folder, TinyModel.with(NORM, DType.F32, Shape.of(2, 4), data));
    refuses("tensor '" + NORM + "': has shape [2, 4], config.json makes it [8]");
    MemorySegment wide = MemorySegment.ofArray(new double[8]);
    TinyModel.plain(folder, TinyModel.with(NORM, DType.F64, Shape.of(8), wide));
    refuses("tensor '" + NORM + "': has type F64");
    TinyModel.plain(folder, name -> name.equals(NORM) ? "other" : name);
    refuses("tensor '" + NORM + "': is missing");
    MemorySegment words = MemorySegment.ofArray(new float[11 * 8]);
    TinyModel.plain(folder, TinyModel.with(WORDS, DType.F32, Shape.of(11, 8), words));
    refuses("has shape [11, 8], config.json makes it [12, 8]");
  }

  @Test
  void namesTheWeightThatIsNotANumber() throws IOException {
    float[] values = new float[12 * 8];
    values[41] = Float.NaN;
    MemorySegment data = MemorySegment.ofArray(values);
    TinyModel.plain(folder, TinyModel.with(WORDS, DType.F32, Shape.of(12, 8), data));
    try (ModelFolder model = ModelFolder.open(folder)) {
      var fault =
          assertThrows(InputException.class, () -> model.weights().floats(WORDS, Shape.of(12, 8)));
      assertTrue(fault.getMessage().contains(WORDS + "': element 41 is NaN"), fault.getMessage());
    }
  }

  @Test
  void refusesATokenizerLargerThanTheWeights() throws IOException {
    TinyModel.plain(folder, name -> name);
    try (ModelFolder model = ModelFolder.open(folder)) {
      model.requireVocabulary(12);
      var fault = assertThrows(InputException.class, () -> model.requireVocabulary(13));
      assertTrue(fault.getMessage().contains("13 entries"), fault.getMessage());
    }
  }

  @Test
  void findsTheMlpOfSimCseAndThePoolerOfBert() throws IOException {
    for (String name : List.of("mlp.dense", "pooler.dense", "bert.pooler.dense")) {
      List<NamedTensor> tensors =
          TinyModel.tensors(true).stream()
              .map(tensor -> tensor.named(tensor.name().replace("mlp.dense", name)))
              .toList();
      TinyModel.plain(folder, tensors);
      try (ModelFolder model = ModelFolder.open(folder)) {
        Dense mlp = model.mlp().orElseThrow();
        NamedTensor weight =
            TinyModel.tensors(true).stream()
                .filter(tensor -> tensor.name().equals("mlp.dense.weight"))
                .findFirst()
                .orElseThrow();
        assertEquals(-1, weight.data().mismatch(mlp.weight()));
      }
    }
  }

  @Test
  void refusesPicklesWithTheWayToConvertThem() throws IOException {
    Path pickle = Files.write(folder.resolve("pytorch_model.bin"), new byte[] {(byte) 0x80, 2});
    Files.write(folder.resolve("config.json"), JsonObject.bytes(TinyModel.CONFIG.toJson()));
    refuses("save_pretrained('" + folder + "')");
    var fault = assertThrows(InputException.class, () -> ModelFolder.open(pickle));
    assertTrue(fault.getMessage().contains("is a pickle"), fault.getMessage());
    Files.delete(pickle);
    refuses("has no model.safetensors");
    refuses("is not a folder", folder.resolve("absent"));
  }

  @Test
  void readsShards() throws IOException {
    shard("", "");
    try (ModelFolder model = ModelFolder.open(folder)) {
      for (NamedTensor tensor : TinyModel.tensors(false)) {
        MemorySegment floats = model.weights().floats(tensor.name(), tensor.shape());
        assertEquals(-1, tensor.data().mismatch(floats), tensor.name());
      }
    }
  }

  @ParameterizedTest
  @CsvSource({
    "../model-00002-of-00002.safetensors, plain name",
    "/etc/passwd, plain name",
    "sub/x.safetensors, plain name",
    "..\\\\x.safetensors, plain name",
    "C:x.safetensors, plain name",
    "'', plain name",
    "config.json, plain name",
    "model-00003-of-00003.safetensors, not in the folder",
    "model-00002-of-00002.safetensors, is not in the file that",
  })
  void refusesShardsElsewhere(String shard, String reason) throws IOException {
    shard("", ",\"" + WORDS + "x\":\"" + shard + "\"");
    refuses(reason);
  }

  @Test
  void refusesATensorInTwoShards() throws IOException {
    shard(NORM, "");
    refuses("tensor '" + NORM + "': is also in model-0000");
  }

  @Test
  void refusesAnIndexWithoutAMap() throws IOException {
    shard("", "");
    Files.writeString(folder.resolve(WeightFiles.INDEX), "{\"weight_map\":[]}");
    refuses("key 'weight_map'");
    Files.writeString(folder.resolve(WeightFiles.INDEX), "{}");
    refuses("is missing");
    Files.writeString(folder.resolve(WeightFiles.INDEX), "{\"weight_map\":{\"a\":1}}");
    refuses("a string");
  }

  @Test
  void opensTheSharedModel() {
    String shared = System.getProperty("simcse.shared");
    Assumptions.assumeTrue(shared != null, "simcse.shared does not name the shared data");
    try (ModelFolder model = ModelFolder.open(Path.of(shared, "data/models/bert-mini-mlm"))) {
      assertEquals(30522, model.config().vocabularySize());
      assertEquals(0.9, model.config().hiddenKeepProb());
      for (var parameter : new ParameterLayout(model.config(), false).entries()) {
        model.weights().floats(parameter.name(), parameter.shape());
      }
    }
  }

  /** Two shards: word embeddings in the first, the others in the second. */
  private void shard(String inBoth, String more) throws IOException {
    List<NamedTensor> tensors = TinyModel.tensors(false);
    Files.write(folder.resolve("config.json"), JsonObject.bytes(TinyModel.CONFIG.toJson()));
    String[] names = {"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"};
    StringBuilder map = new StringBuilder();
    for (NamedTensor tensor : tensors) {
      map.append(map.isEmpty() ? "" : ",")
          .append(
              "\"%s\":\"%s\"".formatted(tensor.name(), names[tensor.name().equals(WORDS) ? 0 : 1]));
    }
    SafetensorsWriter.write(
        folder.resolve(names[0]),
        ModelFolderWriter.METADATA,
        tensors.stream().filter(t -> t.name().equals(WORDS) || t.name().equals(inBoth)).toList());
    SafetensorsWriter.write(
        folder.resolve(names[1]),
        ModelFolderWriter.METADATA,
        tensors.stream().filter(t -> !t.name().equals(WORDS)).toList());
    Files.write(
        folder.resolve(WeightFiles.INDEX),
        ("{\"metadata\":{\"total_size\":1},\"weight_map\":{" + map + more + "}}")
            .getBytes(StandardCharsets.UTF_8));
  }

  private void refuses(String reason) {
    refuses(reason, folder);
  }

  private static void refuses(String reason, Path path) {
    var fault = assertThrows(InputException.class, () -> ModelFolder.open(path).close());
    assertTrue(fault.getMessage().contains(reason), fault.getMessage());
    assertEquals(1, fault.getMessage().lines().count(), fault.getMessage());
  }
}
