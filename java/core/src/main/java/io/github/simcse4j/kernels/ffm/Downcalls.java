package io.github.simcse4j.kernels.ffm;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/**
 * Calls of C functions by address, one method for each signature that the table has. The method
 * handles are constants that take the function as their first argument, so that calls are compiled
 * to a jump and allocate nothing.
 */
final class Downcalls {

  private static final Linker LINKER = Linker.nativeLinker();

  /** For functions that return at once: the JVM waits for such a call, a collection included. */
  private static final Linker.Option AT_ONCE = Linker.Option.critical(false);

  private static final MethodHandle TEXT =
      LINKER.downcallHandle(FunctionDescriptor.of(ADDRESS), AT_ONCE);
  private static final MethodHandle TABLE =
      LINKER.downcallHandle(FunctionDescriptor.of(ADDRESS, JAVA_INT), AT_ONCE);
  private static final MethodHandle P = blocking(ADDRESS);
  private static final MethodHandle PP = blocking(ADDRESS, ADDRESS);
  private static final MethodHandle PPL = blocking(ADDRESS, ADDRESS, JAVA_LONG);
  private static final MethodHandle PLP = blocking(ADDRESS, JAVA_LONG, ADDRESS);
  private static final MethodHandle PPP = blocking(ADDRESS, ADDRESS, ADDRESS);
  private static final MethodHandle PPPP = blocking(ADDRESS, ADDRESS, ADDRESS, ADDRESS);
  private static final MethodHandle PPPL = blocking(ADDRESS, ADDRESS, ADDRESS, JAVA_LONG);
  private static final MethodHandle PPPPL = blocking(ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG);

  private Downcalls() {}

  private static MethodHandle blocking(MemoryLayout... arguments) {
    return LINKER.downcallHandle(FunctionDescriptor.of(JAVA_INT, arguments));
  }

  /** {@code const char *f(void)}; does not block. */
  static MemorySegment text(MemorySegment f) {
    try {
      return (MemorySegment) TEXT.invokeExact(f);
    } catch (Throwable e) {
      throw unchecked(e);
    }
  }

  /** {@code const simcse_api *f(uint32_t)}; does not block. */
  static MemorySegment table(MemorySegment f, int version) {
    try {
      return (MemorySegment) TABLE.invokeExact(f, version);
    } catch (Throwable e) {
      throw unchecked(e);
    }
  }

  static int call(MemorySegment f, MemorySegment a) {
    try {
      return (int) P.invokeExact(f, a);
    } catch (Throwable e) {
      throw unchecked(e);
    }
  }

  static int call(MemorySegment f, MemorySegment a, MemorySegment b) {
    try {
      return (int) PP.invokeExact(f, a, b);
    } catch (Throwable e) {
      throw unchecked(e);
    }
  }

  static int call(MemorySegment f, MemorySegment a, MemorySegment b, long n) {
    try {
      return (int) PPL.invokeExact(f, a, b, n);
    } catch (Throwable e) {
      throw unchecked(e);
    }
  }

  static int call(MemorySegment f, MemorySegment a, long n, MemorySegment b) {
    try {
      return (int) PLP.invokeExact(f, a, n, b);
    } catch (Throwable e) {
      throw unchecked(e);
    }
  }

  static int call(MemorySegment f, MemorySegment a, MemorySegment b, MemorySegment c) {
    try {
      return (int) PPP.invokeExact(f, a, b, c);
    } catch (Throwable e) {
      throw unchecked(e);
    }
  }

  static int call(
      MemorySegment f, MemorySegment a, MemorySegment b, MemorySegment c, MemorySegment d) {
    try {
      return (int) PPPP.invokeExact(f, a, b, c, d);
    } catch (Throwable e) {
      throw unchecked(e);
    }
  }

  static int call(MemorySegment f, MemorySegment a, MemorySegment b, MemorySegment c, long n) {
    try {
      return (int) PPPL.invokeExact(f, a, b, c, n);
    } catch (Throwable e) {
      throw unchecked(e);
    }
  }

  static int call(
      MemorySegment f, MemorySegment a, MemorySegment b, MemorySegment c, MemorySegment d, long n) {
    try {
      return (int) PPPPL.invokeExact(f, a, b, c, d, n);
    } catch (Throwable e) {
      throw unchecked(e);
    }
  }

  /** A method handle may throw anything, C functions nothing: what comes is the JVM's own. */
  static RuntimeException unchecked(Throwable thrown) {
    return switch (thrown) {
      case Error error -> throw error;
      case RuntimeException exception -> exception;
      default -> new IllegalStateException(thrown);
    };
  }
}
