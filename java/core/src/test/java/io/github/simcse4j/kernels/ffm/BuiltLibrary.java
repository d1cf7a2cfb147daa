package io.github.simcse4j.kernels.ffm;

import io.github.simcse4j.kernels.Kernels;
import org.junit.jupiter.api.extension.ConditionEvaluationResult;
import org.junit.jupiter.api.extension.ExecutionCondition;
import org.junit.jupiter.api.extension.ExtensionContext;

/**
 * Skips tests of libsimcse where it was not built, and those of a tier of it, forced by the
 * variable SIMCSE_TIER, where the machine lacks the tier. Where the build said where the library
 * is, it must load: then the tests run, and fail.
 */
final class BuiltLibrary implements ExecutionCondition {

  /** The library of this JVM, or what stands against it. */
  private record Found(SimcseLibrary library, String obstacle, boolean skip) {

    static final Found ONCE = find();

    private static Found find() {
      try {
        SimcseLibrary library = NativeLoader.ofThisJvm().load();
        return new Found(library, null, false).withoutTiersThatAreNotHere();
      } catch (LibraryException e) {
        boolean promised = System.getProperty(NativeLoader.PROPERTY) != null;
        return new Found(null, "libsimcse is not used: " + e.getMessage(), !promised);
      }
    }

    private Found withoutTiersThatAreNotHere() {
      try {
        new NativeKernels(library, 1).close();
        return this;
      } catch (IllegalStateException e) {
        return new Found(library, e.getMessage(), System.getenv("SIMCSE_TIER") != null);
      }
    }
  }

  @Override
  public ConditionEvaluationResult evaluateExecutionCondition(ExtensionContext context) {
    return Found.ONCE.skip()
        ? ConditionEvaluationResult.disabled(Found.ONCE.obstacle())
        : ConditionEvaluationResult.enabled("libsimcse was built");
  }

  static SimcseLibrary library() {
    if (Found.ONCE.library() == null) {
      throw new AssertionError(Found.ONCE.obstacle());
    }
    return Found.ONCE.library();
  }

  static Kernels open(int threads) {
    return new NativeKernels(library(), threads);
  }
}
