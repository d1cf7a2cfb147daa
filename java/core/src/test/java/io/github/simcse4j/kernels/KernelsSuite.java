package io.github.simcse4j.kernels;

import io.github.simcse4j.kernels.KernelsFixture.Result;
import io.github.simcse4j.tensor.DType;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.TestInstance;

/**
 * The tests that every backend passes. A backend's test extends this class and says how to open the
 * backend; each interface holds the tests of one family of operations.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
public abstract class KernelsSuite
    implements EmbeddingContract,
        GemmContract,
        LayerNormContract,
        AttentionContract,
        PoolingContract,
        SimilarityContract,
        SimilarityOptionsContract,
        OptimiserContract,
        DropoutContract,
        ConvertContract,
        WeightsContract,
        MemoryContract,
        TogetherContract,
        RepeatabilityContract,
        ArgumentContract,
        SimilarityArgumentContract {

  private Kernels kernels;
  private Kernels twin;
  private Map<String, Result> firstSums;

  /** Opens the backend. */
  protected abstract Kernels open();

  /** Opens the same backend again, best with another number of threads. */
  protected Kernels openTwin() {
    return open();
  }

  @Override
  public abstract DType dtype();

  /** 1e-5 where sums are in F32, and next to nothing in F64. */
  @Override
  public double tolerance(String operation) {
    return switch (dtype()) {
      case F64 -> 1e-12;
      case F32, BF16 -> 1e-5;
      default -> throw new IllegalStateException("no tolerance is set for " + dtype());
    };
  }

  @Override
  public final Kernels kernels() {
    return kernels;
  }

  @Override
  public final Kernels twin() {
    return twin;
  }

  @Override
  public final Map<String, Result> firstSums() {
    return firstSums;
  }

  @BeforeAll
  final void openBoth() {
    kernels = open();
    twin = openTwin();
    firstSums = RepeatabilityContract.sums(kernels, dtype());
  }

  @AfterAll
  final void closeBoth() {
    kernels.close();
    twin.close();
  }
}
