package io.github.simcse4j.model;

import io.github.simcse4j.files.InputException;
import io.github.simcse4j.tensor.Shape;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * The tensors of a model by their Hugging Face names without the {@code bert.} prefix, such as
 * {@code encoder.layer.0.output.dense.weight}. They are found with or without the prefix, and layer
 * norms under the older names {@code gamma} and {@code beta} too.
 */
public final class ModelWeights {

  private static final String PREFIX = "bert.";

  private final Path source;
  private final Map<String, Safetensors.Entry> entries;
  private final Arena arena;

  ModelWeights(WeightFiles.Tensors tensors, Arena arena) {
    this.source = tensors.source();
    this.entries = tensors.entries();
    this.arena = arena;
  }

  /** All names as the file spells them, also of tensors that the encoder does not use. */
  public Set<String> names() {
    return Collections.unmodifiableSet(entries.keySet());
  }

  /** Whether the tensor is there under any of its spellings. */
  public boolean has(String name) {
    return find(name).isPresent();
  }

  /**
   * The tensor's elements as F32, row-major, read-only where they are the mapped file itself:
   * stored F32 is not copied, F16 and BF16 are converted into memory of the model folder. Alive as
   * long as the folder is open.
   *
   * @throws InputException where the tensor is missing, its shape is not {@code expected}, its type
   *     is not F32, F16 or BF16, or an element is NaN or infinite
   */
  public MemorySegment floats(String name, Shape expected) {
    Safetensors.Entry entry = check(name, expected);
    MemorySegment floats = FloatDecoder.decode(entry.dtype().orElseThrow(), entry.data(), arena);
    long index = FloatDecoder.firstNotFinite(floats);
    if (index >= 0) {
      throw fault(
          entry.name(),
          "element " + index + " is NaN or infinite, expected finite weights",
          "use a checkpoint whose training did not diverge");
    }
    return floats;
  }

  /**
   * Gives back the physical memory of a tensor that was read; it is read from the file again when
   * needed.
   */
  void unload(String name) {
    find(name)
        .map(Safetensors.Entry::data)
        .filter(MemorySegment::isMapped)
        .ifPresent(MemorySegment::unload);
  }

  /** Does what {@link #floats} does, but for the elements: those are not read. */
  Safetensors.Entry check(String name, Shape expected) {
    Safetensors.Entry entry =
        find(name)
            .orElseThrow(
                () -> fault(name, "is missing", "use the weights that belong to config.json"));
    if (!entry.shape().equals(expected)) {
      throw fault(
          entry.name(),
          "has shape " + entry.shape() + ", config.json makes it " + expected,
          "use the config.json and weights of the same model");
    }
    if (entry.dtype().filter(FloatDecoder::decodes).isEmpty()) {
      throw fault(
          entry.name(),
          "has type " + entry.typeName() + ", expected F32, F16 or BF16",
          "save the model in one of these types");
    }
    return entry;
  }

  static String withoutPrefix(String name) {
    return name.startsWith(PREFIX) ? name.substring(PREFIX.length()) : name;
  }

  private Optional<Safetensors.Entry> find(String name) {
    return spellings(name).stream().filter(entries::containsKey).findFirst().map(entries::get);
  }

  private static List<String> spellings(String name) {
    List<String> spellings = new ArrayList<>(List.of(name, PREFIX + name));
    if (name.endsWith("LayerNorm.weight") || name.endsWith("LayerNorm.bias")) {
      String older = name.replaceFirst("weight$", "gamma").replaceFirst("bias$", "beta");
      spellings.add(older);
      spellings.add(PREFIX + older);
    }
    return spellings;
  }

  private InputException fault(String tensor, String problem, String remedy) {
    return InputException.in(source, "tensor '" + tensor + "'", problem, remedy);
  }
}
