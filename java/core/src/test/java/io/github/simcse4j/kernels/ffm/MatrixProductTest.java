package io.github.simcse4j.kernels.ffm;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.github.simcse4j.tensor.DType;
import org.junit.jupiter.api.Test;

/** A part of a product reads the rows of A that it is made of. */
class MatrixProductTest {

  private static final long SCRATCH = 1 << 20;

  @Test
  void aPlainPartStartsAtItsFirstRow() {
    MatrixProduct part = whole(false).rows(2, 5, SCRATCH);
    assertEquals(1000 + 2 * 7 * 2, part.a());
    expectPart(part, 7);
  }

  @Test
  void aTransposedPartStartsAtItsFirstColumn() {
    MatrixProduct part = whole(true).rows(2, 5, SCRATCH);
    assertEquals(1000 + 2 * 2, part.a());
    expectPart(part, 9);
  }

  private static MatrixProduct whole(boolean transposeA) {
    return new MatrixProduct(
        DType.BF16,
        DType.BF16,
        transposeA,
        true,
        9,
        4,
        7,
        1000,
        transposeA ? 9 : 7,
        2000,
        7,
        3000,
        false);
  }

  private static void expectPart(MatrixProduct part, long rowA) {
    assertEquals(3, part.m());
    assertEquals(4, part.n());
    assertEquals(7, part.k());
    assertEquals(rowA, part.rowA());
    assertEquals(2000, part.b());
    assertEquals(SCRATCH, part.c());
    assertEquals(DType.F32, part.cDtype());
  }
}
