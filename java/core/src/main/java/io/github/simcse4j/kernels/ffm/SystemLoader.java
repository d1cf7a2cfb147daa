package io.github.simcse4j.kernels.ffm;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.nio.file.Path;

/**
 * The system's own {@code dlopen}. The JDK's library lookup binds functions when they are first
 * called and does not say why a library cannot be loaded; this binds all of them at once, and does.
 */
final class SystemLoader {

  /** Bind everything now; POSIX leaves the number open, and this is Linux's. */
  private static final int RTLD_NOW = 2;

  private static final Linker LINKER = Linker.nativeLinker();
  private static final MethodHandle OPEN =
      LINKER.downcallHandle(function("dlopen"), FunctionDescriptor.of(ADDRESS, ADDRESS, JAVA_INT));
  private static final MethodHandle SYMBOL =
      LINKER.downcallHandle(function("dlsym"), FunctionDescriptor.of(ADDRESS, ADDRESS, ADDRESS));
  private static final MemorySegment ERROR = function("dlerror");

  private SystemLoader() {}

  private static MemorySegment function(String name) {
    SymbolLookup system = LINKER.defaultLookup();
    return system.findOrThrow(name);
  }

  /**
   * Loads a library for the rest of the process's life and finds a function of it.
   *
   * @throws LibraryException where it cannot be loaded, or has no such function
   */
  static MemorySegment function(Path library, String name) throws LibraryException {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment file = arena.allocateFrom(library.toAbsolutePath().toString());
      MemorySegment handle = open(file);
      if (handle.address() == 0) {
        throw new LibraryException("the system does not load it: " + error());
      }
      MemorySegment function = symbol(handle, arena.allocateFrom(name));
      if (function.address() == 0) {
        throw new LibraryException("it has no function " + name + ", so it is not libsimcse");
      }
      return function;
    }
  }

  private static MemorySegment open(MemorySegment file) {
    try {
      return (MemorySegment) OPEN.invokeExact(file, RTLD_NOW);
    } catch (Throwable e) {
      throw Downcalls.unchecked(e);
    }
  }

  private static MemorySegment symbol(MemorySegment handle, MemorySegment name) {
    try {
      return (MemorySegment) SYMBOL.invokeExact(handle, name);
    } catch (Throwable e) {
      throw Downcalls.unchecked(e);
    }
  }

  private static String error() {
    return SimcseLibrary.string(Downcalls.text(ERROR));
  }
}
