package io.github.simcse4j.model;

import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Shape;
import java.lang.foreign.MemorySegment;

/**
 * A tensor to be written under a name.
 *
 * @param name the key in the file, such as {@code encoder.layer.0.output.dense.weight}
 * @param dtype the element type
 * @param shape the extents, row-major
 * @param data the elements, little-endian, exactly {@code shape.elements() * dtype.bytes()} bytes;
 *     owned by the caller
 */
public record NamedTensor(String name, DType dtype, Shape shape, MemorySegment data) {

  public NamedTensor {
    if (name.isEmpty() || name.equals(SafetensorsHeader.METADATA)) {
      throw new IllegalArgumentException("'" + name + "' cannot name a tensor");
    }
    long expected = Math.multiplyExact(shape.elements(), (long) dtype.bytes());
    if (data.byteSize() != expected) {
      throw new IllegalArgumentException(
          "tensor '%s' of shape %s and type %s needs %d bytes, its data has %d"
              .formatted(name, shape, dtype, expected, data.byteSize()));
    }
  }

  /** A tensor of F32. */
  public static NamedTensor floats(String name, Shape shape, MemorySegment data) {
    return new NamedTensor(name, DType.F32, shape, data);
  }

  NamedTensor named(String other) {
    return new NamedTensor(other, dtype, shape, data);
  }
}
