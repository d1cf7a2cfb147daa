package io.github.simcse4j.kernels.ffm;

import io.github.simcse4j.kernels.DeviceException;
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
  static final int UNSUPPORTED = 3;
  static final int OUT_OF_MEMORY = 5;
  static final int DEVICE_FAULT = 6;

  private final SimcseLibrary library;
  private final MemorySegment handle;
  private final String tier;
  private final String description;
  private final Map<Operation, MemorySegment> operations = new EnumMap<>(Operation.class);
  private final MemorySegment memoryAllocate;
  private final MemorySegment memoryFree;
  private final MemorySegment memoryZero;
  private final MemorySegment hostAllocate;
  private final MemorySegment hostFree;
  private final MemorySegment copyToDevice;
  private final MemorySegment copyToHost;
  private final MemorySegment streamSynchronize;
  private final MemorySegment eventRecord;
  private final MemorySegment eventWait;
  private final MemorySegment eventSynchronize;
  private final MemorySegment eventElapsed;
  private final MemorySegment graphBegin;
  private final MemorySegment graphEnd;
  private final MemorySegment weightsHold;
  private final MemorySegment weightsRelease;
  private boolean open = true;
  private boolean failed;

  /**
   * Opens a device.
   *
   * @param name such as {@code "cpu"}
   * @param threads host threads that compute, the caller among them
   */
  NativeDevice(SimcseLibrary library, String name, int threads) {
    this(library, name, threads, MemorySegment.NULL, MemorySegment.NULL);
  }

  /**
   * Opens a GPU as a program has it already.
   *
   * @param context its CUcontext, or null for the primary one
   * @param stream its CUstream, or null for a new one
   */
  NativeDevice(
      SimcseLibrary library,
      String name,
      int threads,
      MemorySegment context,
      MemorySegment stream) {
    this.library = library;
    memoryAllocate = library.function("memory_allocate");
    memoryFree = library.function("memory_free");
    memoryZero = library.function("memory_zero");
    hostAllocate = library.function("host_allocate");
    hostFree = library.function("host_free");
    copyToDevice = library.function("copy_to_device");
    copyToHost = library.function("copy_to_host");
    streamSynchronize = library.function("stream_synchronize");
    eventRecord = library.function("event_record");
    eventWait = library.function("event_wait");
    eventSynchronize = library.function("event_synchronize");
    eventElapsed = library.function("event_elapsed");
    graphBegin = library.function("graph_begin");
    graphEnd = library.function("graph_end");
    weightsHold = library.function("weights_hold");
    weightsRelease = library.function("weights_release");
    for (Operation operation : Operation.values()) {
      operations.put(operation, library.function(operation.member()));
    }
    try (Arena arena = Arena.ofConfined()) {
      handle = open(name, threads, context, stream, arena);
      MemorySegment properties = properties(arena);
      tier = properties.getString(Structs.DEVICE_PROPERTIES.offset("tier"));
      description = properties.getString(Structs.DEVICE_PROPERTIES.offset("description"));
    }
  }

  private MemorySegment open(
      String name, int threads, MemorySegment context, MemorySegment stream, Arena arena) {
    MemorySegment options =
        new Arguments(Structs.DEVICE_OPTIONS.size(), arena, Arguments::hostAddress)
            .begin(Structs.DEVICE_OPTIONS)
            .int32("threads", threads)
            .reserved()
            .pointer("context", context)
            .pointer("stream", stream)
            .end();
    MemorySegment device = arena.allocate(ValueLayout.ADDRESS);
    check(
        "device_open",
        Downcalls.call(library.function("device_open"), arena.allocateFrom(name), options, device));
    return device.get(ValueLayout.ADDRESS, 0);
  }

  private MemorySegment properties(Arena arena) {
    long size = Structs.DEVICE_PROPERTIES.size();
    MemorySegment properties = arena.allocate(size, Long.BYTES);
    properties.set(ValueLayout.JAVA_LONG, 0, size);
    check(
        "device_properties",
        Downcalls.call(library.function("device_properties"), handle, properties));
    return properties;
  }

  /** Bytes that are free now. */
  long memoryFree() {
    try (Arena arena = Arena.ofConfined()) {
      long at = Structs.DEVICE_PROPERTIES.offset("memory_free");
      return properties(arena).get(ValueLayout.JAVA_LONG, at);
    }
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
    return allocate("memory_allocate", memoryAllocate, bytes);
  }

  private MemorySegment allocate(String name, MemorySegment function, long bytes) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment memory = arena.allocate(ValueLayout.ADDRESS);
      check(name, Downcalls.call(function, handle, bytes, memory));
      return memory.get(ValueLayout.ADDRESS, 0);
    }
  }

  void free(MemorySegment memory) {
    end("memory_free", Downcalls.call(memoryFree, handle, memory));
  }

  /** Zeroed memory of the host that copies need not wait for; the device owns it. */
  MemorySegment allocateHost(long bytes) {
    return allocate("host_allocate", hostAllocate, bytes).reinterpret(bytes);
  }

  void freeHost(MemorySegment memory) {
    end("host_free", Downcalls.call(hostFree, handle, memory));
  }

  void zero(MemorySegment memory) {
    check("memory_zero", Downcalls.call(memoryZero, handle, STREAM, memory, memory.byteSize()));
  }

  void copyToDevice(MemorySegment to, MemorySegment host) {
    copyToDevice(STREAM, to, host);
  }

  void copyToDevice(MemorySegment stream, MemorySegment to, MemorySegment host) {
    check(
        "copy_to_device", Downcalls.call(copyToDevice, handle, stream, to, host, host.byteSize()));
  }

  void copyToHost(MemorySegment host, MemorySegment from) {
    check("copy_to_host", Downcalls.call(copyToHost, handle, STREAM, host, from, host.byteSize()));
  }

  void synchronize() {
    synchronize(STREAM);
  }

  void synchronize(MemorySegment stream) {
    check("stream_synchronize", Downcalls.call(streamSynchronize, handle, stream));
  }

  /** Waits for the device's own stream, if it has not failed: before memory is given back. */
  void drain() {
    drain(STREAM);
  }

  void drain(MemorySegment stream) {
    end("stream_synchronize", Downcalls.call(streamSynchronize, handle, stream));
  }

  // --- streams and events; the device closes what is left open ---

  MemorySegment openStream() {
    return open("stream_open");
  }

  void closeStream(MemorySegment stream) {
    end("stream_close", Downcalls.call(library.function("stream_close"), handle, stream));
  }

  MemorySegment openEvent() {
    return open("event_open");
  }

  void closeEvent(MemorySegment event) {
    end("event_close", Downcalls.call(library.function("event_close"), handle, event));
  }

  private MemorySegment open(String function) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment opened = arena.allocate(ValueLayout.ADDRESS);
      check(function, Downcalls.call(library.function(function), handle, opened));
      return opened.get(ValueLayout.ADDRESS, 0);
    }
  }

  /** Notes how far the device's own stream has been asked to go. */
  void record(MemorySegment event) {
    record(STREAM, event);
  }

  void record(MemorySegment stream, MemorySegment event) {
    check("event_record", Downcalls.call(eventRecord, handle, stream, event));
  }

  /** The device's own stream goes on when the event has come. */
  void await(MemorySegment event) {
    await(STREAM, event);
  }

  void await(MemorySegment stream, MemorySegment event) {
    check("event_wait", Downcalls.call(eventWait, handle, stream, event));
  }

  /** Waits until the event has come. */
  void synchronizeEvent(MemorySegment event) {
    check("event_synchronize", Downcalls.call(eventSynchronize, handle, event));
  }

  /** Seconds between two events that have come. */
  double elapsed(MemorySegment from, MemorySegment to) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment milliseconds = arena.allocate(ValueLayout.JAVA_FLOAT);
      check("event_elapsed", Downcalls.call(eventElapsed, handle, from, to, milliseconds));
      return milliseconds.get(ValueLayout.JAVA_FLOAT, 0) * 1e-3;
    }
  }

  /** What is enqueued from now on is launched at {@link #endGraph}. */
  void beginGraph(long key) {
    check("graph_begin", Downcalls.call(graphBegin, handle, STREAM, key));
  }

  void endGraph() {
    check("graph_end", Downcalls.call(graphEnd, handle, STREAM));
  }

  /** Ends it after a failure, which is then what is told of. */
  void dropGraph() {
    end("graph_end", Downcalls.call(graphEnd, handle, STREAM));
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
      end("device_close", Downcalls.call(library.function("device_close"), handle));
    }
  }

  /** A device that failed may give nothing back any more; that it failed was said. */
  private void end(String function, int status) {
    if (!failed) {
      check(function, status);
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
      case UNSUPPORTED -> new UnsupportedOperationException(prefix + cause);
      case OUT_OF_MEMORY -> throw new OutOfMemoryError(prefix + cause);
      case DEVICE_FAULT -> {
        failed = true;
        yield new DeviceException(prefix + cause);
      }
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
