package io.github.simcse4j.model;

import io.github.simcse4j.tensor.Shape;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * The MLP over the first token: {@code tanh(W x + b)}, as wide out as in.
 *
 * @param size H, the width of x and of the result
 * @param weight W, (H, H) row-major, F32
 * @param bias b, (H), F32
 */
public record Dense(int size, MemorySegment weight, MemorySegment bias) {

  public Dense {
    long row = (long) size * Float.BYTES;
    if (weight.byteSize() != row * size || bias.byteSize() != row) {
      throw new IllegalArgumentException(
          "a dense layer of size %d needs %d bytes of weights and %d of bias, got %d and %d"
              .formatted(size, row * size, row, weight.byteSize(), bias.byteSize()));
    }
  }

  /** The tensors {@code prefix.weight} and {@code prefix.bias}. */
  List<NamedTensor> tensors(String prefix) {
    return List.of(
        NamedTensor.floats(prefix + ".weight", Shape.of(size, size), weight),
        NamedTensor.floats(prefix + ".bias", Shape.of(size), bias));
  }
}
