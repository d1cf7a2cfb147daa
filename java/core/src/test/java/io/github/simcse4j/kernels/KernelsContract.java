package io.github.simcse4j.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
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

  /**
   * The norm-wise error that an operation may have, beside what its type makes unavoidable: in BF16
   * twice the error of plain loops over the same numbers comes on top.
   */
  double tolerance(String operation);

  /**
   * Whether the content of arguments is checked. Where the host cannot read it, batches are checked
   * on their way there, and targets are the program's own.
   */
  default boolean checksContent() {
    return true;
  }

  /** A head size that the backend takes: this, or else 64, whose root is a whole number. */
  default int headSize(int wanted) {
    return kernels().traits().takesHeadsOf(wanted) ? wanted : 64;
  }

  /** The seed of a case; {@code -Dsimcse.seed=N} gives other numbers. */
  default long seed(String label) {
    return 1_000_003L * Long.getLong("simcse.seed", 1) + label.hashCode();
  }

  /**
   * Runs a scenario on the reference in F64, on the backend and on its twin, in BF16 on the
   * reference in BF16 too. The backend's results must be close to the reference's in F64, the
   * twin's equal to the backend's in every bit, and nothing else may be written.
   */
  default void check(String operation, String details, Consumer<KernelsFixture> scenario) {
    long seed = seed(operation + details);
    String label =
        "%s, %s, %s on %s, seed %d"
            .formatted(operation, details, dtype(), kernels().description(), seed);
    try (Kernels truth = new ReferenceKernels();
        KernelsFixture expected = new KernelsFixture(truth, DType.F64, dtype(), seed);
        KernelsFixture naive = new KernelsFixture(truth, dtype(), seed);
        KernelsFixture actual = new KernelsFixture(kernels(), dtype(), seed);
        KernelsFixture repeated = new KernelsFixture(twin(), dtype(), seed)) {
      scenario.accept(expected);
      if (dtype() == DType.BF16) {
        scenario.accept(naive);
      }
      scenario.accept(actual);
      scenario.accept(repeated);
      actual.assertNothingElseWritten(label);
      repeated.assertNothingElseWritten(label + ", again on " + twin().description());
      for (Map.Entry<String, Result> entry : actual.results().entrySet()) {
        String name = entry.getKey();
        Result result = entry.getValue();
        Result unavoidable = naive.results().get(name);
        compare(label + ": " + name, operation, result, expected.results().get(name), unavoidable);
        assertArrayEquals(
            result.bytes(),
            repeated.results().get(name).bytes(),
            () -> label + ": " + name + " differs from run to run (" + twin().description() + ")");
      }
    } catch (RuntimeException e) {
      throw new AssertionError(label, e);
    }
  }

  /** Runs a call that must fail with a message that has both words. */
  default void refuse(String operation, String argument, Consumer<KernelsFixture> call) {
    String label = operation + " with a wrong " + argument;
    try (KernelsFixture fixture = new KernelsFixture(kernels(), dtype(), seed(label))) {
      IllegalArgumentException error =
          assertThrows(IllegalArgumentException.class, () -> call.accept(fixture), label);
      assertTrue(
          (error.getMessage().startsWith(operation + ": ")
                  || !checksContent() && error.getMessage().startsWith("stage: "))
              && error.getMessage().contains(argument),
          () -> label + " says: " + error.getMessage());
      fixture.assertNothingWritten(label);
    }
  }

  /**
   * @param naive of plain loops in the same type, or null where rounding to it is no matter
   */
  private void compare(
      String label, String operation, Result result, Result expected, Result naive) {
    if (!result.dtype().isFloat()) {
      assertArrayEquals(expected.values(), result.values(), label);
      return;
    }
    assertEquals(expected.values().length, result.values().length, label);
    Closeness closeness = Closeness.of(result.values(), expected.values(), expected.scale());
    Closeness unavoidable =
        naive == null
            ? new Closeness(0, 0)
            : Closeness.of(naive.values(), expected.values(), expected.scale());
    assertTrue(
        closeness.within(tolerance(operation), unavoidable),
        () ->
            "%s is off by %s, tolerance %s above twice %s"
                .formatted(label, closeness, tolerance(operation), unavoidable));
  }
}
