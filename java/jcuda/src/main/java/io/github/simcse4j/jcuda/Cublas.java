package io.github.simcse4j.jcuda;

/**
 * The call of cuBLAS that products are made of, over matrices by columns: C (m, n) = op(A) op(B) +
 * beta C, with sums in float. Types and operations are cuBLAS's numbers.
 */
interface Cublas extends AutoCloseable {

  /**
   * One operand.
   *
   * @param address of its first element
   * @param type of its elements
   * @param leading elements from one column to the next
   */
  record Matrix(long address, int type, int leading) {}

  /** Enqueues a product. */
  void gemmEx(
      int operationA,
      int operationB,
      int m,
      int n,
      int k,
      Matrix a,
      Matrix b,
      float beta,
      Matrix c);

  @Override
  void close();
}
