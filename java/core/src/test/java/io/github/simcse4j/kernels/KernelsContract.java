package io.github.simcse4j.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.simcse4j.kernels.KernelsFixture.Result;
import io.github.simcse4j.kernels.reference.ReferenceKernels;
import io.github.simcse4j.tensor.DType;
import java.util.Map;
import java.util.function.Consumer;

/** What the tests of every operation share: a backend, and its comparison with the reference. */
interface KernelsContract {

  /** The backend under test. */
  Kernels kernels();

  /** A backend that must give the same bytes: the same one again, or one of other threads. */
  Kernels twin();

  /** The type of activations under test. */
  DType dtype();

  /** The norm-wise error that an operation may have. */
  double tolerance(String operation);

  /** The seed of a case; {@code -Dsimcse.seed=N} gives other numbers. */
  default long seed(String label) {
    return 1_000_003L * Long.getLong("simcse.seed", 1) + label.hashCode();
  }

  /**
   * Runs a scenario on the reference in F64, on the backend and on its twin. The backend's results
   * must be close to the reference's, the twin's equal to the backend's in every bit, and nothing
   * else may be written.
   */
  default void check(String operation, String details, Consumer<KernelsFixture> scenario) {
    long seed = seed(operation + details);
    String label =
        "%s, %s, %s on %s, seed %d"
            .formatted(operation, details, dtype(), kernels().description(), seed);
    try (Kernels truth = new ReferenceKernels();
        KernelsFixture expected = new KernelsFixture(truth, DType.F64, dtype(), seed);
        KernelsFixture actual = new KernelsFixture(kernels(), dtype(), seed);
        KernelsFixture repeated = new KernelsFixture(twin(), dtype(), seed)) {
      scenario.accept(expected);
      scenario.accept(actual);
      scenario.accept(repeated);
      actual.assertNothingElseWritten(label);
      repeated.assertNothingElseWritten(label + ", again on " + twin().description());
      for (Map.Entry<String, Result> entry : actual.results().entrySet()) {
        String name = entry.getKey();
        Result result = entry.getValue();
        compare(label + ": " + name, operation, result, expected.results().get(name));
        assertArrayEquals(
            result.bytes(),
            repeated.results().get(name).bytes(),
            () -> label + ": " + name + " differs from run to run (" + twin().description() + ")");
      }
    } catch (RuntimeException e) {
      throw new AssertionError(label, e);
    }
  }

  private void compare(String label, String operation, Result result, Result expected) {
    if (!result.dtype().isFloat()) {
      assertArrayEquals(expected.values(), result.values(), label);
      return;
    }
    assertEquals(expected.values().length, result.values().length, label);
    Closeness closeness = Closeness.of(result.values(), expected.values(), expected.scale());
    assertTrue(
        closeness.within(tolerance(operation)),
        () -> label + " is off by " + closeness + ", tolerance " + tolerance(operation));
  }
}
