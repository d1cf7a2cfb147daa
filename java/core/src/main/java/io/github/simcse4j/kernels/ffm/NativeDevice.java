package io.github.simcse4j.kernels.ffm;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.EnumMap;
import java.util.Map;
import java.util.regex.Pattern;

/** An open device of libsimcse and its own stream. Used by one thread at a time. */
final class NativeDevice implements AutoCloseable {

  /** The device's own stream. */
  private static final MemorySegment STREAM = MemorySegment.NULL;

  private static final Pattern C_NAME = Pattern.compile("\\b[a-z][a-z0-9]*(_[a-z0-9]+)+\\b");

  static final int OK = 0;
  static final int INVALID_ARGUMENT = 1;
  static final int OUT_OF_MEMORY = 5;

  private final SimcseLibrary library;
  private final MemorySegment handle;
  private final String tier;
  private final String description;
  private final Map<Operation, MemorySegment> operations = new EnumMap<>(Operation.class);
  private final MemorySegment memoryAllocate;
  private final MemorySegment memoryFree;
  private final MemorySegment memoryZero;
  private final MemorySegment copyToDevice;
  private final MemorySegment copyToHost;
  private final MemorySegment streamSynchronize;
  private final MemorySegment weightsHold;
  private final MemorySegment weightsRelease;
  private boolean open = true;

  /**
   * Opens a device.
   *
   * @param name such as {@code "cpu"}
   * @param threads host threads that compute, the caller among them
   */
  NativeDevice(SimcseLibrary library, String name, int threads) {
    this.library = library;
    memoryAllocate = library.function("memory_allocate");
    memoryFree = library.function("memory_free");
    memoryZero = library.function("memory_zero");
    copyToDevice = library.function("copy_to_device");
    copyToHost = library.function("copy_to_host");
    streamSynchronize = library.function("stream_synchronize");
    weightsHold = library.function("weights_hold");
    weightsRelease = library.function("weights_release");
    for (Operation operation : Operation.values()) {
      operations.put(operation, library.function(operation.member()));
    }
    try (Arena arena = Arena.ofConfined()) {
      handle = open(name, threads, arena);
      long size = Structs.DEVICE_PROPERTIES.size();
      MemorySegment properties = arena.allocate(size, Long.BYTES);
      properties.set(ValueLayout.JAVA_LONG, 0, size);
      check(
          "device_properties",
          Downcalls.call(library.function("device_properties"), handle, properties));
      tier = properties.getString(Structs.DEVICE_PROPERTIES.offset("tier"));
      description = properties.getString(Structs.DEVICE_PROPERTIES.offset("description"));
    }
  }

  private MemorySegment open(String name, int threads, Arena arena) {
    MemorySegment options =
        new Arguments(Structs.DEVICE_OPTIONS.size(), arena)
            .begin(Structs.DEVICE_OPTIONS)
            .int32("threads", threads)
            .reserved()
            .pointer("context", MemorySegment.NULL)
            .pointer("stream", MemorySegment.NULL)
            .end();
    MemorySegment device = arena.allocate(ValueLayout.ADDRESS);
    check(
        "device_open",
        Downcalls.call(library.function("device_open"), arena.allocateFrom(name), options, device));
    return device.get(ValueLayout.ADDRESS, 0);
  }

  /** The kernels in use, such as avx2. */
  String tier() {
    return tier;
  }

  /** One phrase for a log line. */
  String description() {
    return description;
  }

  /** Runs an operation on its argument struct. */
  void run(Operation operation, MemorySegment arguments) {
    check(operation.member(), Downcalls.call(operations.get(operation), handle, STREAM, arguments));
  }

  /** Zeroed memory, of unknown size to the JVM; the device owns it until {@link #free}. */
  MemorySegment allocate(long bytes) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment memory = arena.allocate(ValueLayout.ADDRESS);
      check("memory_allocate", Downcalls.call(memoryAllocate, handle, bytes, memory));
      return memory.get(ValueLayout.ADDRESS, 0);
    }
  }

  void free(MemorySegment memory) {
    check("memory_free", Downcalls.call(memoryFree, handle, memory));
  }

  void zero(MemorySegment memory) {
    check("memory_zero", Downcalls.call(memoryZero, handle, STREAM, memory, memory.byteSize()));
  }

  void copyToDevice(MemorySegment to, MemorySegment host) {
    check(
        "copy_to_device", Downcalls.call(copyToDevice, handle, STREAM, to, host, host.byteSize()));
  }

  void copyToHost(MemorySegment host, MemorySegment from) {
    check("copy_to_host", Downcalls.call(copyToHost, handle, STREAM, host, from, host.byteSize()));
  }

  void synchronize() {
    check("stream_synchronize", Downcalls.call(streamSynchronize, handle, STREAM));
  }

  void holdWeights(MemorySegment memory) {
    check("weights_hold", Downcalls.call(weightsHold, handle, memory, memory.byteSize()));
  }

  void releaseWeights(MemorySegment memory) {
    check("weights_release", Downcalls.call(weightsRelease, handle, memory));
  }

  /** Gives back everything the device holds; later calls do nothing. */
  @Override
  public void close() {
    if (open) {
      open = false;
      check("device_close", Downcalls.call(library.function("device_close"), handle));
    }
  }

  private void check(String function, int status) {
    if (status != OK) {
      throw failure(function, status);
    }
  }

  private RuntimeException failure(String function, int status) {
    String text = library.lastError();
    String prefix = function + ": ";
    String cause = text.startsWith(prefix) ? text.substring(prefix.length()) : text;
    if (cause.isEmpty()) {
      cause = "status " + status;
    }
    return switch (status) {
      case INVALID_ARGUMENT -> new IllegalArgumentException(prefix + javaNames(cause));
      case OUT_OF_MEMORY -> throw new OutOfMemoryError(prefix + cause);
      default -> new IllegalStateException(prefix + cause);
    };
  }

  /** Arguments by the names that they have in Java: maxLength where C says max_length. */
  static String javaNames(String text) {
    return C_NAME
        .matcher(text)
        .replaceAll(name -> {
          StringBuilder java = new StringBuilder();
          for (String word : name.group().split("_")) {
            java.append(
                java.isEmpty() ? word : Character.toUpperCase(word.charAt(0)) + word.substring(1));
          }
          return java.toString();
        });
  }
}
