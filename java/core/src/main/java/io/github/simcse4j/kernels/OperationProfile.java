package io.github.simcse4j.kernels;

import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.Map;

/** Where the time of some work went: its calls of operations, those alike taken together. */
public final class OperationProfile {

  /**
   * Calls of one operation with the same shapes.
   *
   * @param operation its name in the contract, in the words of {@code simcse.h}
   * @param shape what its cost depends on, in words
   * @param calls how many
   * @param seconds of all of them
   * @param flops of their products, two for each multiplication with its addition
   * @param bytes that they cannot do without: each array read or written once
   */
  public record Entry(
      String operation, String shape, int calls, double seconds, double flops, double bytes) {

    /** All of some entries, under another name. */
    public static Entry sum(String operation, String shape, Collection<Entry> entries) {
      Entry none = new Entry(operation, shape, 0, 0, 0, 0);
      return entries.stream().reduce(none, Entry::plus);
    }

    private Entry plus(Entry other) {
      return new Entry(
          operation,
          shape,
          calls + other.calls,
          seconds + other.seconds,
          flops + other.flops,
          bytes + other.bytes);
    }

    /** The least time at such rates. */
    public double floor(double bytesPerSecond, double flopsPerSecond) {
      return Math.max(bytes / bytesPerSecond, flops / flopsPerSecond);
    }
  }

  private record Key(String operation, String shape) {}

  private final Map<Key, Entry> entries = new LinkedHashMap<>();

  void add(Entry entry) {
    entries.merge(new Key(entry.operation, entry.shape), entry, Entry::plus);
  }

  /** In the order in which they first came. */
  public Collection<Entry> entries() {
    return entries.values();
  }

  /** Seconds of all. */
  public double seconds() {
    return entries.values().stream().mapToDouble(Entry::seconds).sum();
  }
}
