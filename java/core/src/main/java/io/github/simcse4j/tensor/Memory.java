package io.github.simcse4j.tensor;

/**
 * A block of memory that a backend computes in. Host and device memory are different types, so that
 * code that reads bytes must ask for {@link HostMemory} and cannot be handed a device address.
 */
public interface Memory extends AutoCloseable {

  /** Size in bytes. */
  long byteSize();

  /** Where it lies, for messages: {@code "host"} or a device name such as {@code "cuda:0"}. */
  String location();

  /** Gives the memory back; later calls do nothing. A view does not own what it shows. */
  @Override
  void close();
}
