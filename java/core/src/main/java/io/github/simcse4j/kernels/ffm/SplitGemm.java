package io.github.simcse4j.kernels.ffm;

import io.github.simcse4j.kernels.GemmEpilogue;
import io.github.simcse4j.kernels.GemmEpilogue.Kind;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Memory;
import io.github.simcse4j.tensor.Tensor;
import java.lang.foreign.MemorySegment;

/**
 * Matrix products of which another library does the product and the kernels the epilogue. The
 * product of an epilogue is kept in floats until it is finished, so that it is rounded once: in C
 * itself where that holds floats, else in scratch memory, as many rows at a time as fit there. The
 * gradient of a bias is a column sum before the product.
 */
final class SplitGemm {

  private static final long SCRATCH = 64L << 20;

  private DeviceMemory scratch;

  /** Enqueues both on the stream of these kernels, which are the same ones in every call. */
  void run(
      CudaKernels kernels,
      boolean transposeA,
      boolean transposeB,
      Tensor a,
      Tensor b,
      Tensor c,
      GemmEpilogue epilogue) {
    long m = c.extent(0);
    long n = c.extent(1);
    long k = a.extent(transposeA ? 0 : 1);
    if (m == 0 || n == 0) {
      return;
    }
    MatrixProduct whole =
        new MatrixProduct(
            a.dtype(),
            c.dtype(),
            transposeA,
            transposeB,
            m,
            n,
            k,
            kernels.address(a),
            transposeA ? m : k,
            kernels.address(b),
            transposeB ? k : n,
            kernels.address(c),
            epilogue.kind() == Kind.ACCUMULATE);
    if (epilogue.biasGradient() != null) {
      kernels.columnSum(a, epilogue.biasGradient());
    }
    if (epilogue.kind() == Kind.STORE || epilogue.kind() == Kind.ACCUMULATE) {
      kernels.multiply(whole);
    } else if (c.dtype() == DType.F32 && epilogue.residual() == null) {
      finish(kernels, whole, kernels.address(c), 0, m, c, epilogue);
    } else {
      long rows = Math.max(1, SCRATCH / (n * Float.BYTES));
      long product = scratch(kernels, Math.min(m, rows) * n * Float.BYTES);
      for (long from = 0; from < m; from += rows) {
        finish(kernels, whole, product, from, Math.min(m, from + rows), c, epilogue);
      }
    }
  }

  private static void finish(
      CudaKernels kernels,
      MatrixProduct whole,
      long product,
      long from,
      long to,
      Tensor c,
      GemmEpilogue epilogue) {
    kernels.multiply(whole.rows(from, to, product));
    GemmEpilogue part =
        new GemmEpilogue(
            epilogue.kind(),
            epilogue.bias(),
            rows(epilogue.preActivation(), from, to),
            rows(epilogue.residual(), from, to),
            null);
    kernels.finishGemm(whole.dtype(), MemorySegment.ofAddress(product), c.rows(from, to), part);
  }

  private static Tensor rows(Tensor tensor, long from, long to) {
    return tensor == null ? null : tensor.rows(from, to);
  }

  /**
   * Kept for the next product, and the kernels' to give back. At its full size from the first one
   * on, since it cannot grow where products are recorded.
   */
  private long scratch(CudaKernels kernels, long bytes) {
    if (scratch == null || scratch.byteSize() < bytes) {
      Memory before = scratch;
      scratch = (DeviceMemory) kernels.allocate(Math.max(bytes, SCRATCH));
      if (before != null) {
        before.close();
      }
    }
    return scratch.address(0);
  }
}
