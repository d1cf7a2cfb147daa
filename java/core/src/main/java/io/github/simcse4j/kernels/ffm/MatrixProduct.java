package io.github.simcse4j.kernels.ffm;

import io.github.simcse4j.tensor.DType;

/**
 * C (m, n) = op(A) op(B), or added to C, of matrices by rows on a device; op transposes or not. C
 * is dense, its rows are n elements apart.
 *
 * @param dtype of A and B
 * @param cDtype of C
 * @param transposeA whether A lies as (k, m) and not as (m, k)
 * @param transposeB whether B lies as (n, k) and not as (k, n)
 * @param a address of A
 * @param rowA elements from one row of A, as it lies, to the next
 * @param b address of B
 * @param rowB elements from one row of B, as it lies, to the next
 * @param c address of C
 * @param accumulates whether C is added to
 */
public record MatrixProduct(
    DType dtype,
    DType cDtype,
    boolean transposeA,
    boolean transposeB,
    long m,
    long n,
    long k,
    long a,
    long rowA,
    long b,
    long rowB,
    long c,
    boolean accumulates) {

  /** Rows {@code from} (inclusive) to {@code to} (exclusive) of the product alone, in floats. */
  MatrixProduct rows(long from, long to, long product) {
    long first = a + from * (transposeA ? 1 : rowA) * dtype.bytes();
    return new MatrixProduct(
        dtype,
        DType.F32,
        transposeA,
        transposeB,
        to - from,
        n,
        k,
        first,
        rowA,
        b,
        rowB,
        product,
        false);
  }
}
