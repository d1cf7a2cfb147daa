package io.github.simcse4j.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.simcse4j.files.InputException;
import io.github.simcse4j.tensor.Shape;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class ModelFolderWriterTest {

  @TempDir Path folder;

  @ParameterizedTest
  @EnumSource(Pooler.class)
  void readsBackWhatItWrote(Pooler pooler) throws IOException {
    Path first = TinyModel.create(folder.resolve("first"), Pooler.AVG);
    Path second = folder.resolve("deep/second");
    try (ModelFolder source = ModelFolder.open(first)) {
      ModelFolderWriter.write(second, source, TinyModel.content(pooler));
    }
    try (ModelFolder model = ModelFolder.open(second)) {
      assertEquals(TinyModel.CONFIG, model.config());
      // With two layers the last two are also the first and the last.
      Pooler expected = pooler == Pooler.AVG_FIRST_LAST ? Pooler.AVG_TOP2 : pooler;
      assertEquals(Optional.of(expected), model.pooler());
      assertEquals(OptionalInt.of(7), model.maxLength());
      for (NamedTensor tensor : TinyModel.tensors(false)) {
        MemorySegment floats = model.weights().floats(tensor.name(), tensor.shape());
        assertEquals(-1, tensor.data().mismatch(floats), tensor.name());
      }
      assertFalse(model.normalizes());
      assertTrue(model.weights().has("pooler.dense.weight"));
      assertFalse(model.weights().names().contains("mlp.dense.weight"));
    }
    assertEquals(List.of("deep", "first"), names(folder));
    assertEquals(List.of("second"), names(folder.resolve("deep")));
    assertTrue(Files.exists(second.resolve("vocab.txt")));
  }

  @Test
  void keepsTheMlpOfTrainingAsBertsPooler() throws IOException {
    var content = new ModelContent(TinyModel.tensors(true), Pooler.CLS_BEFORE_POOLER, 7);
    ModelFolderWriter.create(folder, TinyModel.CONFIG, TinyModel.VOCABULARY, true, content);
    try (ModelFolder model = ModelFolder.open(folder)) {
      assertEquals(Optional.of(Pooler.CLS_BEFORE_POOLER), model.pooler());
      NamedTensor weight =
          content.tensors().stream()
              .filter(tensor -> tensor.name().equals("mlp.dense.weight"))
              .findFirst()
              .orElseThrow();
      MemorySegment stored = model.weights().floats("pooler.dense.weight", Shape.of(8, 8));
      assertEquals(-1, weight.data().mismatch(stored));
      assertEquals(-1, weight.data().mismatch(model.mlp().orElseThrow().weight()));
    }
  }

  @Test
  void makesThePoolerThatBertWantsTheIdentity() throws IOException {
    TinyModel.create(folder, Pooler.AVG);
    try (ModelFolder model = ModelFolder.open(folder)) {
      MemorySegment weight = model.weights().floats("pooler.dense.weight", Shape.of(8, 8));
      for (int i = 0; i < 64; i++) {
        assertEquals(i % 9 == 0 ? 1 : 0, weight.getAtIndex(ValueLayout.JAVA_FLOAT, i));
      }
    }
  }

  @Test
  void carriesTheConfigAndNormalisationOver() throws IOException {
    Path source = TinyModel.create(folder.resolve("source"), Pooler.AVG);
    String config = Files.readString(source.resolve("config.json"));
    Files.writeString(
        source.resolve("config.json"),
        config
            .replace("\"BertModel\"", "\"BertForMaskedLM\"")
            .replace(
                "\"dtype\": \"float32\"", "\"torch_dtype\": \"float16\", \"my_key\": [1, 2.50]"));
    Files.writeString(
        source.resolve("modules.json"),
        Files.readString(source.resolve("modules.json"))
            .replaceFirst(
                "\\]\\s*$",
                ",{\"idx\":2,\"name\":\"2\",\"path\":\"2_Normalize\","
                    + "\"type\":\"sentence_transformers.models.Normalize\"}]"));
    Path out = folder.resolve("out");
    try (ModelFolder model = ModelFolder.open(source)) {
      assertTrue(model.normalizes());
      ModelFolderWriter.write(out, model, TinyModel.content(Pooler.AVG_TOP2));
      ModelFolderWriter.write(out, model, TinyModel.content(Pooler.AVG_TOP2));
    }
    JsonObject written = JsonObject.read(out.resolve("config.json"));
    assertEquals(List.of("BertModel"), written.members().get("architectures"));
    assertEquals("float32", written.string("dtype"));
    assertFalse(written.has("torch_dtype"));
    assertTrue(written.bool("output_hidden_states", false));
    assertTrue(Files.readString(out.resolve("config.json")).contains("2.50"));
    try (ModelFolder model = ModelFolder.open(out)) {
      assertTrue(model.normalizes());
      ModelFolderWriter.write(out, model, TinyModel.content(Pooler.AVG));
    }
    assertFalse(JsonObject.read(out.resolve("config.json")).has("output_hidden_states"));
  }

  @Test
  void replacesAModelAndKeepsWhatIsNotPartOfIt() throws IOException {
    Path out = TinyModel.create(folder.resolve("out"), Pooler.CLS);
    Files.writeString(out.resolve("run.jsonl"), "{}");
    Files.createDirectory(out.resolve("checkpoints"));
    Files.writeString(out.resolve("checkpoints/last"), "x");
    try (ModelFolder model = ModelFolder.open(out)) {
      ModelFolderWriter.write(out, model, TinyModel.content(Pooler.MAX));
      // The old file is still mapped, though its name is gone.
      assertEquals(Optional.of(Pooler.CLS), model.pooler());
      model.weights().floats("pooler.dense.weight", Shape.of(8, 8));
    }
    assertTrue(Files.exists(out.resolve("run.jsonl")));
    assertTrue(Files.exists(out.resolve("checkpoints/last")));
    assertFalse(Files.exists(out.resolve("2_Dense")));
    assertEquals(List.of("out"), names(folder));
  }

  @Test
  void refusesToReplaceWhatIsNoModel() throws IOException {
    Path file = Files.writeString(folder.resolve("file"), "x");
    Path other = Files.createDirectory(folder.resolve("other"));
    Files.writeString(other.resolve("thesis.txt"), "x");
    Files.writeString(other.resolve("config.json"), "{}");
    for (Path out : List.of(file, other)) {
      assertThrows(InputException.class, () -> ModelFolderWriter.requireWritable(out));
      assertThrows(InputException.class, () -> TinyModel.create(out, Pooler.AVG));
    }
    assertEquals(List.of("file", "other"), names(folder));
    Files.delete(other.resolve("thesis.txt"));
    Files.delete(other.resolve("config.json"));
    ModelFolderWriter.requireWritable(other);
    ModelFolderWriter.requireWritable(folder.resolve("absent/too"));
    TinyModel.create(other, Pooler.AVG);
  }

  @Test
  void leavesTheOldModelWhereWritingFails() throws IOException {
    Path out = TinyModel.create(folder.resolve("out"), Pooler.AVG);
    byte[] before = Files.readAllBytes(out.resolve("model.safetensors"));
    try (ModelFolder model = ModelFolder.open(out)) {
      Files.delete(out.resolve("vocab.txt"));
      var fault =
          assertThrows(
              InputException.class,
              () -> ModelFolderWriter.write(out, model, TinyModel.content(Pooler.CLS)));
      assertTrue(fault.getMessage().contains("vocab.txt"), fault.getMessage());
    }
    assertArrayEquals(before, Files.readAllBytes(out.resolve("model.safetensors")));
    assertEquals(List.of("out"), names(folder));
  }

  @Test
  void refusesTensorsThatAreNotTheEncoders() throws IOException {
    List<NamedTensor> missing = new ArrayList<>(TinyModel.tensors(false));
    missing.removeLast();
    refuses(missing, Pooler.AVG);
    List<NamedTensor> more = new ArrayList<>(TinyModel.tensors(false));
    more.add(more.getFirst().named("cls.predictions.bias"));
    refuses(more, Pooler.AVG);
    refuses(TinyModel.tensors(false), Pooler.CLS);
    List<NamedTensor> misnamed = new ArrayList<>(TinyModel.tensors(false));
    misnamed.set(0, misnamed.get(1).named(misnamed.get(0).name()));
    refuses(misnamed, Pooler.AVG);
    assertEquals(List.of(), names(folder));
  }

  @Test
  void dropsFixedLengthsOfATokenizerAndNothingElse() {
    String json =
        "{\n  \"version\": \"1.0\", \"truncation\" : {\"length\": 8, \"x\": {\"y\": \"}\"}},\n"
            + "  \"padding\":{\"strategy\":{\"Fixed\":128}} ,\"model\":{\"vocab\":{\"ü\\u0000\": 1,"
            + " \"padding\": {\"a\": 1e-7}}}}\n";
    String expected =
        "{\n  \"version\": \"1.0\", \"truncation\" : null,\n"
            + "  \"padding\":null ,\"model\":{\"vocab\":{\"ü\\u0000\": 1,"
            + " \"padding\": {\"a\": 1e-7}}}}\n";
    Path file = Path.of("tokenizer.json");
    byte[] bytes = json.getBytes(StandardCharsets.UTF_8);
    byte[] dropped = TokenizerFiles.withoutFixedLengths(file, bytes);
    assertEquals(expected, new String(dropped, StandardCharsets.UTF_8));
    assertArrayEquals(dropped, TokenizerFiles.withoutFixedLengths(file, dropped));
    for (String bad : List.of("", "[]", "{\"padding\":{", "{\"a\" 1}")) {
      assertThrows(
          InputException.class,
          () -> TokenizerFiles.withoutFixedLengths(file, bad.getBytes(StandardCharsets.UTF_8)));
    }
  }

  private void refuses(List<NamedTensor> tensors, Pooler pooler) {
    Path out = folder.resolve("out");
    var content = new ModelContent(tensors, pooler, 7);
    assertThrows(
        IllegalArgumentException.class,
        () -> ModelFolderWriter.create(out, TinyModel.CONFIG, TinyModel.VOCABULARY, true, content));
  }

  private static List<String> names(Path folder) throws IOException {
    try (var files = Files.list(folder)) {
      return files.map(file -> file.getFileName().toString()).sorted().toList();
    }
  }
}
