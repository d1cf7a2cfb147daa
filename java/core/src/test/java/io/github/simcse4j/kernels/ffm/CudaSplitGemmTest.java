package io.github.simcse4j.kernels.ffm;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.github.simcse4j.kernels.GemmEpilogue;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Tensor;
import io.github.simcse4j.tensor.Workspace;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Products by another library: how they are cut, and what is allocated for them. */
@Tag("cuda")
class CudaSplitGemmTest {

  /** Products that are only counted. */
  private static final class Elsewhere extends CountingKernels {

    private final List<MatrixProduct> products = new ArrayList<>();

    @Override
    protected boolean multiplies() {
      return true;
    }

    @Override
    protected void multiply(MatrixProduct product) {
      products.add(product);
    }
  }

  /** More of it later would have to be allocated while a graph is recorded. */
  @Test
  void scratchMemoryHasItsFullSizeFromTheFirstProductOn() {
    try (Elsewhere kernels = new Elsewhere();
        Workspace workspace = new Workspace(kernels.allocate(1 << 20))) {
      Tensor bias = workspace.tensor(DType.F32, 24);
      Tensor weights = workspace.tensor(DType.BF16, 24, 16);
      for (int rows : new int[] {3, 300, 4000}) {
        Tensor x = workspace.tensor(DType.BF16, rows, 16);
        Tensor out = workspace.tensor(DType.BF16, rows, 24);
        kernels.gemm(false, true, x, weights, out, GemmEpilogue.bias(bias));
        assertEquals(List.of(1L << 20, 64L << 20), kernels.allocations());
      }
      assertEquals(List.of(3L, 300L, 4000L), kernels.products.stream().map(p -> p.m()).toList());
    }
  }
}
