package io.github.simcse4j.jcuda;

import io.github.simcse4j.jcuda.Cublas.Matrix;
import io.github.simcse4j.kernels.ffm.MatrixProduct;
import io.github.simcse4j.tensor.DType;
import jcuda.cudaDataType;
import jcuda.jcublas.cublasOperation;

/**
 * Matrices by rows as cuBLAS takes them, by columns: C (m, n) by rows is its transpose (n, m) by
 * columns, so op(B)^T op(A)^T is asked for, from the same memory.
 */
final class Products {

  private Products() {}

  static void multiply(Cublas cublas, MatrixProduct product) {
    int type = type(product.dtype());
    cublas.gemmEx(
        operation(product.transposeB()),
        operation(product.transposeA()),
        Math.toIntExact(product.n()),
        Math.toIntExact(product.m()),
        Math.toIntExact(product.k()),
        new Matrix(product.b(), type, Math.toIntExact(product.rowB())),
        new Matrix(product.a(), type, Math.toIntExact(product.rowA())),
        product.accumulates() ? 1 : 0,
        new Matrix(product.c(), type(product.cDtype()), Math.toIntExact(product.n())));
  }

  private static int operation(boolean transposed) {
    return transposed ? cublasOperation.CUBLAS_OP_T : cublasOperation.CUBLAS_OP_N;
  }

  private static int type(DType dtype) {
    return switch (dtype) {
      case F32 -> cudaDataType.CUDA_R_32F;
      case BF16 -> cudaDataType.CUDA_R_16BF;
      default -> throw new IllegalArgumentException("gemm: no product of " + dtype);
    };
  }
}
