package io.github.simcse4j.model;

import io.github.simcse4j.tensor.Shape;
import java.util.ArrayList;
import java.util.List;

/**
 * Where every parameter lies in one flat array. Those that weight decay applies to come first, then
 * biases and layer norms, so that the optimiser needs two calls; query, key and value are
 * neighbours.
 */
public final class ParameterLayout {

  /**
   * One parameter.
   *
   * @param name its name in a Hugging Face file, without the {@code bert.} prefix
   * @param shape its shape there
   * @param offset its first element in the flat array
   */
  public record Entry(String name, Shape shape, long offset) {}

  /** Every parameter starts at a multiple of this many elements: a 64-byte line of F32. */
  private static final int ALIGNMENT = 16;

  /**
   * The name of the linear layer behind the {@code cls} pooler, as SimCSE's checkpoints have it.
   */
  static final String HEAD = "mlp.dense";

  private final EncoderConfig config;
  private final boolean head;
  private final List<Entry> entries = new ArrayList<>();
  private final long decayed;
  private long end;

  /**
   * @param head whether there is a linear layer behind the pooler
   */
  public ParameterLayout(EncoderConfig config, boolean head) {
    this.config = config;
    this.head = head;
    addWeights();
    this.decayed = end;
    addBiasesAndNorms();
  }

  /** Name prefix of layer {@code layer}. */
  static String layer(int layer) {
    return "encoder.layer." + layer + ".";
  }

  private void addWeights() {
    long h = config.hiddenSize();
    long f = config.intermediateSize();
    add("embeddings.word_embeddings.weight", config.vocabularySize(), h);
    add("embeddings.position_embeddings.weight", config.maxPositions(), h);
    add("embeddings.token_type_embeddings.weight", config.typeVocabularySize(), h);
    for (int l = 0; l < config.layers(); l++) {
      add(layer(l) + "attention.self.query.weight", h, h);
      add(layer(l) + "attention.self.key.weight", h, h);
      add(layer(l) + "attention.self.value.weight", h, h);
      add(layer(l) + "attention.output.dense.weight", h, h);
      add(layer(l) + "intermediate.dense.weight", f, h);
      add(layer(l) + "output.dense.weight", h, f);
    }
    if (head) {
      add(HEAD + ".weight", h, h);
    }
  }

  private void addBiasesAndNorms() {
    long h = config.hiddenSize();
    add("embeddings.LayerNorm.weight", h);
    add("embeddings.LayerNorm.bias", h);
    for (int l = 0; l < config.layers(); l++) {
      add(layer(l) + "attention.self.query.bias", h);
      add(layer(l) + "attention.self.key.bias", h);
      add(layer(l) + "attention.self.value.bias", h);
      add(layer(l) + "attention.output.dense.bias", h);
      add(layer(l) + "attention.output.LayerNorm.weight", h);
      add(layer(l) + "attention.output.LayerNorm.bias", h);
      add(layer(l) + "intermediate.dense.bias", config.intermediateSize());
      add(layer(l) + "output.dense.bias", h);
      add(layer(l) + "output.LayerNorm.weight", h);
      add(layer(l) + "output.LayerNorm.bias", h);
    }
    if (head) {
      add(HEAD + ".bias", h);
    }
  }

  private void add(String name, long... extents) {
    Shape shape = Shape.of(extents);
    // Query, key and value are one matrix to the kernels, so that nothing may lie between them.
    boolean joined = name.contains("self.key") || name.contains("self.value");
    if (!joined) {
      end = (end + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    }
    entries.add(new Entry(name, shape, end));
    end += shape.elements();
  }

  public EncoderConfig config() {
    return config;
  }

  public boolean hasHead() {
    return head;
  }

  /** Every parameter, in the order of the flat array. */
  public List<Entry> entries() {
    return List.copyOf(entries);
  }

  public Entry entry(String name) {
    for (Entry entry : entries) {
      if (entry.name().equals(name)) {
        return entry;
      }
    }
    throw new IllegalArgumentException("there is no parameter " + name);
  }

  /** Elements of the flat array, alignment included. */
  public long elements() {
    return end;
  }

  /**
   * The first this many elements are subject to weight decay: the matrices. The rest, biases and
   * layer norms, are not.
   */
  public long decayed() {
    return decayed;
  }

  /** The number of parameters without alignment. */
  public long parameters() {
    return entries.stream().mapToLong(entry -> entry.shape().elements()).sum();
  }
}
