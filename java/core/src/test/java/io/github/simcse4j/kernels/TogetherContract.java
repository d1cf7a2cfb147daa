package io.github.simcse4j.kernels;

import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Tensor;
import org.junit.jupiter.api.Test;

/**
 * Work that a device may record and launch as a whole computes what its calls do one by one, also
 * where it is asked for again over other tensors of other shapes.
 */
interface TogetherContract extends KernelsContract {

  @Test
  default void workDoneTogether() {
    int[] rows = {24, 24, 31, 17, 300};
    for (int round = 0; round < rows.length; round++) {
      int m = rows[round];
      check(
          "together",
          "round " + round + ", " + m + " rows",
          fixture -> {
            Tensor x = fixture.activations(m, 48);
            Tensor y = fixture.activations(m, 40);
            Tensor weights = fixture.activations(40, 48);
            Tensor bias = fixture.parameters(40);
            Tensor out = fixture.output(m, 40);
            Tensor tanh = fixture.output(fixture.accumulator(), m, 40);
            Tensor products = fixture.output(fixture.accumulator(), 40, 48);
            Tensor sums = fixture.output(fixture.accumulator(), 40);
            Tensor counting = fixture.output(DType.I32, 24);
            Kernels kernels = fixture.kernels();
            kernels.together(
                7,
                () -> {
                  kernels.gemm(false, true, x, weights, out, GemmEpilogue.bias(bias));
                  kernels.gemm(false, true, x, weights, tanh, GemmEpilogue.biasTanh(bias));
                  kernels.zero(products);
                  kernels.gemm(true, false, y, x, products, GemmEpilogue.ACCUMULATE);
                  kernels.zero(sums);
                  kernels.columnSum(y, sums);
                  kernels.iota(counting);
                });
            fixture.result("out", out);
            fixture.result("tanh", tanh);
            fixture.result("products", products);
            fixture.result("sums", sums);
            fixture.result("counting", counting);
          });
    }
  }
}
