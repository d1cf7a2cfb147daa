package io.github.simcse4j.tensor;

/** Element types of tensors and weight files. */
public enum DType {
  F64(8),
  F32(4),
  BF16(2),
  F16(2),
  I64(8),
  I32(4),
  U8(1);

  private final int bytes;

  DType(int bytes) {
    this.bytes = bytes;
  }

  /** Size of one element in bytes. */
  public int bytes() {
    return bytes;
  }

  public boolean isFloat() {
    return this == F64 || this == F32 || this == BF16 || this == F16;
  }
}
