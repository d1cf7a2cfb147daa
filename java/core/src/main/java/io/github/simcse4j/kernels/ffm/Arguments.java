package io.github.simcse4j.kernels.ffm;

import io.github.simcse4j.kernels.LayerNorm;
import io.github.simcse4j.kernels.ffm.Struct.Kind;
import io.github.simcse4j.kernels.ffm.Struct.Member;
import io.github.simcse4j.random.Dropout;
import io.github.simcse4j.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.function.ToLongFunction;

/**
 * One struct of arguments in native memory, written member by member for each call, in the order
 * and under the names of {@code simcse.h}: a member that is left out or out of place fails here. It
 * holds on to the tensors it points to until the next call, so that no collector takes their memory
 * from under the native code.
 */
final class Arguments {

  private final MemorySegment memory;
  private final ToLongFunction<Tensor> addresses;
  private final List<Tensor> held = new ArrayList<>();
  private Struct struct;
  private int next;

  /**
   * @param bytes size of the largest struct
   * @param arena owns the memory
   * @param addresses where a tensor lies, for the functions that get the struct
   */
  Arguments(long bytes, Arena arena, ToLongFunction<Tensor> addresses) {
    memory = arena.allocate(bytes, Long.BYTES);
    this.addresses = addresses;
  }

  /** Starts a struct of this layout with its size, where it has one. */
  Arguments begin(Struct layout) {
    struct = layout;
    next = 0;
    held.clear();
    return layout.members().getFirst().name().equals("struct_size")
        ? int64("struct_size", layout.size())
        : this;
  }

  Arguments int32(String name, long value) {
    if (value != (int) value) {
      throw new IllegalArgumentException(name + " of " + value + " does not fit in 32 bits");
    }
    memory.set(ValueLayout.JAVA_INT, place(name, Kind.INT32), (int) value);
    return this;
  }

  Arguments float32(String name, float value) {
    memory.set(ValueLayout.JAVA_FLOAT, place(name, Kind.FLOAT), value);
    return this;
  }

  Arguments int64(String name, long value) {
    memory.set(ValueLayout.JAVA_LONG, place(name, Kind.INT64), value);
    return this;
  }

  Arguments float64(String name, double value) {
    memory.set(ValueLayout.JAVA_DOUBLE, place(name, Kind.DOUBLE), value);
    return this;
  }

  /** Where a tensor lies; NULL for null. */
  Arguments pointer(String name, Tensor tensor) {
    long address = 0;
    if (tensor != null) {
      held.add(tensor);
      address = addresses.applyAsLong(tensor);
    }
    memory.set(ValueLayout.JAVA_LONG, place(name, Kind.POINTER), address);
    return this;
  }

  Arguments pointer(String name, MemorySegment target) {
    memory.set(ValueLayout.JAVA_LONG, place(name, Kind.POINTER), target.address());
    return this;
  }

  Arguments reserved() {
    return int32("reserved", 0);
  }

  Arguments norm(LayerNorm norm) {
    return pointer("norm.gamma", norm.gamma())
        .pointer("norm.beta", norm.beta())
        .float32("norm.epsilon", norm.epsilon())
        .int32("norm.reserved", 0);
  }

  Arguments dropout(Dropout dropout) {
    return int32("dropout.key0", dropout.key0())
        .int32("dropout.key1", dropout.key1())
        .int32("dropout.site", dropout.site())
        .float32("dropout.keep_prob", dropout.keepProb());
  }

  /** The struct, whole; valid until the next {@link #begin}. */
  MemorySegment end() {
    if (next != struct.members().size()) {
      throw new IllegalStateException(struct.members().get(next).name() + " was not written");
    }
    return memory;
  }

  /** Where a tensor of the host lies. */
  static long hostAddress(Tensor tensor) {
    MemorySegment segment = tensor.segment();
    if (!segment.scope().isAlive()) {
      throw new IllegalStateException("the memory of " + tensor + " is closed");
    }
    return segment.address();
  }

  private long place(String name, Kind kind) {
    Member member = struct.members().get(next++);
    if (member.kind() != kind || !member.name().equals(name)) {
      throw new IllegalStateException("expected " + member + ", found " + kind + " " + name);
    }
    return member.offset();
  }
}
