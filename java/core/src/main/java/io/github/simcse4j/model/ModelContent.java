package io.github.simcse4j.model;

import io.github.simcse4j.tensor.DType;
import java.util.List;

/**
 * What training changes in a model folder.
 *
 * @param tensors in F32: the encoder's, named as in {@link ParameterLayout} with or without the
 *     {@code bert.} prefix, and {@code mlp.dense.weight} and {@code .bias} where there is that
 *     layer
 * @param pooler how a sentence vector is made when the model is used. {@link Pooler#CLS} uses the
 *     layer {@code mlp.dense}, which must be there; with any other pooler it is only kept as BERT's
 *     {@code pooler.dense}, as SimCSE does where it served in training alone
 * @param maxLength the longest input in tokens, with [CLS] and [SEP]
 */
public record ModelContent(List<NamedTensor> tensors, Pooler pooler, int maxLength) {

  public ModelContent {
    tensors = List.copyOf(tensors);
    if (maxLength < 1) {
      throw new IllegalArgumentException(
          "the maximum length is " + maxLength + ", expected at least 1");
    }
    for (NamedTensor tensor : tensors) {
      if (tensor.dtype() != DType.F32) {
        throw new IllegalArgumentException(
            "tensor '" + tensor.name() + "' has type " + tensor.dtype() + ", expected F32");
      }
    }
  }
}
