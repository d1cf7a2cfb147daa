package io.github.simcse4j.model;

import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Shape;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.UnaryOperator;

/** A BERT of two layers and eight channels with seeded weights, and folders of it. */
final class TinyModel {

  static final EncoderConfig CONFIG =
      new EncoderConfig(12, 8, 2, 2, 16, 10, 2, 1e-12, 0.9, 0.9, 0, 0.02);

  static final List<String> VOCABULARY =
      List.of(
          "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "dog", "##s", "sat", "on",
          "mat");

  private TinyModel() {}

  /** The encoder's tensors, and with {@code head} those of {@code mlp.dense}. */
  static List<NamedTensor> tensors(boolean head) {
    List<NamedTensor> tensors = new ArrayList<>();
    for (var parameter : new ParameterLayout(CONFIG, head).entries()) {
      Random random = new Random(parameter.name().hashCode());
      float[] values = new float[(int) parameter.shape().elements()];
      for (int i = 0; i < values.length; i++) {
        values[i] = (float) random.nextGaussian();
      }
      tensors.add(
          NamedTensor.floats(parameter.name(), parameter.shape(), MemorySegment.ofArray(values)));
    }
    return tensors;
  }

  static ModelContent content(Pooler pooler) {
    return new ModelContent(tensors(pooler == Pooler.CLS), pooler, 7);
  }

  /** A sentence-transformers folder. */
  static Path create(Path folder, Pooler pooler) throws IOException {
    ModelFolderWriter.create(folder, CONFIG, VOCABULARY, true, content(pooler));
    return folder;
  }

  /** A plain folder of config.json and weights under other names. */
  static Path plain(Path folder, UnaryOperator<String> rename) throws IOException {
    return plain(
        folder, tensors(false).stream().map(t -> t.named(rename.apply(t.name()))).toList());
  }

  static Path plain(Path folder, List<NamedTensor> tensors) throws IOException {
    Files.createDirectories(folder);
    Files.write(folder.resolve("config.json"), JsonObject.bytes(CONFIG.toJson()));
    SafetensorsWriter.write(
        folder.resolve(WeightFiles.SINGLE), ModelFolderWriter.METADATA, tensors);
    return folder;
  }

  /** The tensors with one of them replaced. */
  static List<NamedTensor> with(String name, DType dtype, Shape shape, MemorySegment data) {
    Map<String, NamedTensor> tensors = new HashMap<>();
    tensors(false).forEach(tensor -> tensors.put(tensor.name(), tensor));
    tensors.put(name, new NamedTensor(name, dtype, shape, data));
    return List.copyOf(tensors.values());
  }
}
