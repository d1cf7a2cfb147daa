package io.github.simcse4j.kernels.ffm;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;

/**
 * A loaded libsimcse: the table of functions of {@code simcse.h}. It stays loaded for the life of
 * the process.
 */
final class SimcseLibrary {

  /** The version of {@code simcse.h} that this package was written for. */
  static final int VERSION = 1;

  private final MemorySegment table;
  private final MemorySegment lastError;

  private SimcseLibrary(MemorySegment table) {
    this.table = table;
    this.lastError = function("last_error");
  }

  /**
   * Loads the library in a file.
   *
   * @throws LibraryException where it cannot be loaded or is of another version
   */
  static SimcseLibrary load(Path file) throws LibraryException {
    MemorySegment entry = SystemLoader.function(file, "simcse_get_api");
    MemorySegment found = Downcalls.table(entry, VERSION);
    if (found.address() == 0) {
      throw new LibraryException(
          "it does not know version "
              + VERSION
              + " of simcse.h, which this simcse4j needs; take both from one release");
    }
    long size = Structs.API.size();
    MemorySegment table = found.reinterpret(size);
    long foundSize = table.get(ValueLayout.JAVA_LONG, 0);
    int foundVersion = table.get(ValueLayout.JAVA_INT, Structs.API.offset("version"));
    if (foundVersion != VERSION || foundSize < size) {
      throw new LibraryException(
          "its table has version %d and %d bytes, expected %d and %d; take both from one release"
              .formatted(foundVersion, foundSize, VERSION, size));
    }
    return new SimcseLibrary(table);
  }

  /** The address of a function of the table. */
  MemorySegment function(String member) {
    return table.get(ValueLayout.ADDRESS, Structs.API.offset(member));
  }

  /** Version and compiler of the library. */
  String build() {
    return string(Downcalls.text(function("build")));
  }

  /** What went wrong in the last failed call of this thread. */
  String lastError() {
    return string(Downcalls.text(lastError));
  }

  /** A C string, copied. */
  static String string(MemorySegment text) {
    return text.address() == 0 ? "" : text.reinterpret(Long.MAX_VALUE).getString(0);
  }
}
