package io.github.simcse4j.model;

import io.github.simcse4j.kernels.EmbeddingTables;
import io.github.simcse4j.kernels.LayerNorm;
import io.github.simcse4j.tensor.Tensor;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Named views into the flat array of parameters, or of their gradients. Its matrices and its biases
 * and layer norms may lie apart and be of two types.
 */
final class EncoderParameters {

  private final ParameterLayout layout;
  private final Tensor matrices;
  private final Tensor vectors;
  private final Map<String, ParameterLayout.Entry> entries = new HashMap<>();
  private final EmbeddingTables tables;
  private final LayerNorm embeddingNorm;
  private final List<LayerParameters> layers = new ArrayList<>();

  /**
   * @param flat all of them (P)
   */
  EncoderParameters(ParameterLayout layout, Tensor flat) {
    this(layout, flat.rows(0, layout.decayed()), flat.rows(layout.decayed(), layout.elements()));
  }

  /**
   * @param matrices the first {@link ParameterLayout#decayed} elements
   * @param vectors the rest
   */
  EncoderParameters(ParameterLayout layout, Tensor matrices, Tensor vectors) {
    this.layout = layout;
    this.matrices = matrices;
    this.vectors = vectors;
    layout.entries().forEach(entry -> entries.put(entry.name(), entry));
    this.tables =
        new EmbeddingTables(
            tensor("embeddings.word_embeddings.weight"),
            tensor("embeddings.position_embeddings.weight"),
            tensor("embeddings.token_type_embeddings.weight"));
    this.embeddingNorm = norm("embeddings.LayerNorm");
    for (int l = 0; l < layout.config().layers(); l++) {
      layers.add(layer(ParameterLayout.layer(l)));
    }
  }

  private LayerParameters layer(String prefix) {
    long h = layout.config().hiddenSize();
    return new LayerParameters(
        tensor(prefix + "attention.self.query.weight", 3 * h, h),
        tensor(prefix + "attention.self.query.bias", 3 * h),
        tensor(prefix + "attention.output.dense.weight"),
        tensor(prefix + "attention.output.dense.bias"),
        norm(prefix + "attention.output.LayerNorm"),
        tensor(prefix + "intermediate.dense.weight"),
        tensor(prefix + "intermediate.dense.bias"),
        tensor(prefix + "output.dense.weight"),
        tensor(prefix + "output.dense.bias"),
        norm(prefix + "output.LayerNorm"));
  }

  private LayerNorm norm(String prefix) {
    return new LayerNorm(
        tensor(prefix + ".weight"),
        tensor(prefix + ".bias"),
        (float) layout.config().layerNormEps());
  }

  /** The view of one parameter, by its Hugging Face name. */
  Tensor tensor(String name) {
    ParameterLayout.Entry entry = entries.get(name);
    if (entry == null) {
      throw new IllegalArgumentException("there is no parameter " + name);
    }
    return tensor(name, entry.shape().extents());
  }

  /** What starts with this parameter, in a shape of the caller's. */
  private Tensor tensor(String name, long... extents) {
    long offset = entries.get(name).offset();
    return offset < layout.decayed()
        ? matrices.slice(offset, extents)
        : vectors.slice(offset - layout.decayed(), extents);
  }

  EmbeddingTables tables() {
    return tables;
  }

  LayerNorm embeddingNorm() {
    return embeddingNorm;
  }

  LayerParameters layer(int layer) {
    return layers.get(layer);
  }

  Tensor headWeight() {
    return tensor(ParameterLayout.HEAD + ".weight");
  }

  Tensor headBias() {
    return tensor(ParameterLayout.HEAD + ".bias");
  }
}
