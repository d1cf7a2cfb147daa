package io.github.simcse4j.jcuda;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.github.simcse4j.kernels.ffm.MatrixProduct;
import io.github.simcse4j.tensor.Bfloat16;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What cuBLAS is asked for, against plain loops over matrices by rows. */
class ProductsTest {

  /** Follows the documentation of cublasGemmEx, over host memory. */
  private record Loops(Arena arena) implements Cublas {

    private static final int FLOAT = 0;
    private static final int BF16 = 14;

    @Override
    public void gemmEx(
        int operationA,
        int operationB,
        int m,
        int n,
        int k,
        Matrix a,
        Matrix b,
        float beta,
        Matrix c) {
      for (int j = 0; j < n; j++) {
        for (int i = 0; i < m; i++) {
          float sum = 0;
          for (int l = 0; l < k; l++) {
            sum +=
                (float)
                    (element(a, operationA == 0 ? i : l, operationA == 0 ? l : i)
                        * element(b, operationB == 0 ? l : j, operationB == 0 ? j : l));
          }
          float before = beta == 0 ? 0 : beta * (float) element(c, i, j);
          tensor(c).set(i + (long) j * c.leading(), sum + before);
        }
      }
    }

    private double element(Matrix matrix, int row, int column) {
      return tensor(matrix).get(row + (long) column * matrix.leading());
    }

    private Tensor tensor(Matrix matrix) {
      assertEquals(true, matrix.type() == FLOAT || matrix.type() == BF16);
      DType dtype = matrix.type() == FLOAT ? DType.F32 : DType.BF16;
      MemorySegment all =
          MemorySegment.ofAddress(matrix.address()).reinterpret(1 << 20, arena, null);
      return Tensor.over(all, dtype, (1 << 20) / dtype.bytes());
    }

    @Override
    public void close() {
      // There is nothing to give back.
    }
  }

  @ParameterizedTest
  @CsvSource({
    "1, 1, 1",
    "2, 3, 4",
    "5, 1, 7",
    "1, 9, 3",
    "17, 31, 33",
    "32, 16, 8",
  })
  void productsAreThoseOfRows(int m, int n, int k) {
    Random random = new Random(31L * m + n);
    for (DType dtype : List.of(DType.F32, DType.BF16)) {
      for (DType cDtype : List.of(DType.F32, dtype)) {
        for (int bits = 0; bits < 8; bits++) {
          check(m, n, k, dtype, cDtype, bits, random);
        }
      }
    }
  }

  private static void check(
      int m, int n, int k, DType dtype, DType cDtype, int bits, Random random) {
    boolean transposeA = (bits & 1) != 0;
    boolean transposeB = (bits & 2) != 0;
    boolean accumulates = (bits & 4) != 0;
    // Rows of A that are wider than the product, as a part of a taller A has them.
    int rowA = (transposeA ? m : k) + 2;
    int rowB = transposeB ? k : n;
    try (Arena arena = Arena.ofConfined();
        Loops loops = new Loops(Arena.ofAuto())) {
      Tensor a = random(arena, dtype, (transposeA ? k : m) * rowA, random);
      Tensor b = random(arena, dtype, k * n, random);
      Tensor c = random(arena, cDtype, m * n, random);
      double[] expected = new double[m * n];
      for (int i = 0; i < m; i++) {
        for (int j = 0; j < n; j++) {
          float sum = 0;
          for (int l = 0; l < k; l++) {
            sum +=
                (float)
                    (a.get(transposeA ? l * rowA + i : i * rowA + l)
                        * b.get(transposeB ? j * rowB + l : l * rowB + j));
          }
          float whole = accumulates ? sum + (float) c.get(i * n + j) : sum;
          expected[i * n + j] = cDtype == DType.F32 ? whole : Bfloat16.toFloat(Bfloat16.of(whole));
        }
      }
      Products.multiply(
          loops,
          new MatrixProduct(
              dtype,
              cDtype,
              transposeA,
              transposeB,
              m,
              n,
              k,
              a.segment().address(),
              rowA,
              b.segment().address(),
              rowB,
              c.segment().address(),
              accumulates));
      for (int i = 0; i < expected.length; i++) {
        assertEquals(expected[i], c.get(i), "element " + i + " of case " + bits);
      }
    }
  }

  private static Tensor random(Arena arena, DType dtype, int count, Random random) {
    Tensor tensor = Tensor.over(arena.allocate((long) count * dtype.bytes(), 64), dtype, count);
    for (int i = 0; i < count; i++) {
      tensor.set(i, random.nextGaussian());
    }
    return tensor;
  }
}
