package io.github.simcse4j.model;

import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.HostMemory;
import io.github.simcse4j.tensor.Memory;
import io.github.simcse4j.tensor.Shape;
import io.github.simcse4j.tensor.Tensor;
import io.github.simcse4j.tensor.Workspace;

/**
 * The memory of a model's parameters. What is trained is kept in the accumulator type: the master
 * (P). Where products are computed in another type, there is a copy of the matrices in it; a model
 * that is only used then has no master of them.
 */
final class ModelParameters implements AutoCloseable {

  /** Numbers that pass through a conversion at once, or one row: 4 MB of F32. */
  private static final long CONVERTED_AT_ONCE = 1 << 20;

  private final ParameterLayout layout;
  private final Kernels kernels;
  private final DType dtype;
  private final Workspace memory;
  private final Tensor master;
  private final Tensor copy;
  private final Tensor vectors;

  /** Parameters of 0; see {@link SentenceModel}. */
  ModelParameters(ParameterLayout layout, Kernels kernels, DType dtype, boolean trainable) {
    this.layout = layout;
    this.kernels = kernels;
    this.dtype = dtype;
    DType accumulator = Kernels.accumulator(dtype);
    boolean copies = dtype != accumulator;
    long matrices = layout.decayed();
    long rest = layout.elements() - matrices;
    boolean keepsMaster = trainable || !copies;
    long kept = keepsMaster ? layout.elements() : rest;
    this.memory = new Workspace(kernels.allocate(bytes(layout, dtype, trainable)));
    this.copy = copies ? memory.tensor(dtype, matrices) : null;
    Tensor all = memory.tensor(accumulator, kept);
    this.master = keepsMaster ? all : null;
    this.vectors = all.rows(kept - rest, kept);
  }

  /** What these take up. */
  static long bytes(ParameterLayout layout, DType dtype, boolean trainable) {
    DType accumulator = Kernels.accumulator(dtype);
    boolean copies = dtype != accumulator;
    long matrices = layout.decayed();
    long kept = trainable || !copies ? layout.elements() : layout.elements() - matrices;
    return Workspace.bytes(accumulator, kept) + (copies ? Workspace.bytes(dtype, matrices) : 0);
  }

  DType dtype() {
    return dtype;
  }

  Tensor master() {
    if (master == null) {
      throw new IllegalStateException(
          "a model that is only used in " + dtype + " does not keep its parameters to train them");
    }
    return master;
  }

  Tensor copy() {
    return copy;
  }

  /** The matrices that products are computed with. */
  Tensor matrices() {
    return copy != null ? copy : master.rows(0, layout.decayed());
  }

  /** What the encoder computes with. */
  EncoderParameters views() {
    return new EncoderParameters(layout, matrices(), vectors);
  }

  /**
   * Sets one parameter.
   *
   * @param floats F32 of the parameter's shape, on the host
   */
  void set(ParameterLayout.Entry entry, Tensor floats) {
    boolean matrix = entry.offset() < layout.decayed();
    Tensor numbers = floats.reshape(entry.shape().elements());
    if (!matrix) {
      upload(numbers, vectors.slice(entry.offset() - layout.decayed(), numbers.elements()));
    } else if (copy == null) {
      upload(numbers, master.slice(entry.offset(), numbers.elements()));
    } else {
      setMatrix(entry.offset(), numbers);
    }
  }

  /** Fills the copy, by way of the master or of memory that is given back. */
  private void setMatrix(long offset, Tensor numbers) {
    long count = numbers.elements();
    long most = Math.min(count, CONVERTED_AT_ONCE);
    DType accumulator = vectors.dtype();
    try (Memory staging = master == null ? kernels.allocate(most * accumulator.bytes()) : null) {
      for (long from = 0; from < count; from += most) {
        long part = Math.min(most, count - from);
        Tensor to =
            master == null
                ? new Tensor(staging, 0, accumulator, Shape.of(part))
                : master.slice(offset + from, part);
        upload(numbers.rows(from, from + part), to);
        kernels.convert(to, copy.slice(offset + from, part));
      }
      // Staging must not be given back before it was read.
      kernels.synchronize();
    }
  }

  private void upload(Tensor floats, Tensor to) {
    if (to.dtype() == DType.F32) {
      kernels.upload(floats, to);
      return;
    }
    try (Memory widened = HostMemory.allocate(to.elements() * to.dtype().bytes())) {
      Tensor host = new Tensor(widened, 0, to.dtype(), to.shape());
      for (long i = 0; i < host.elements(); i++) {
        host.set(i, floats.get(i));
      }
      kernels.upload(host, to);
    }
  }

  @Override
  public void close() {
    memory.close();
  }
}
