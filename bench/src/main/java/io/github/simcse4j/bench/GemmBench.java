package io.github.simcse4j.bench;

import io.github.simcse4j.kernels.GemmEpilogue;
import io.github.simcse4j.tensor.Tensor;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/** Matrix products of an encoder layer, forward and backward. */
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Fork(1)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@State(Scope.Benchmark)
public class GemmBench {

  @Param("2048")
  int rows;

  /** Output by input channels of a weight matrix. */
  @Param({
    "768x768",
    "2304x768",
    "3072x768",
    "768x3072",
    "384x384",
    "1536x384",
    "128x128",
    "512x128"
  })
  String weights;

  private double flops;
  private Tensor x;
  private Tensor weight;
  private Tensor bias;
  private Tensor y;
  private Tensor preActivation;
  private Tensor dX;
  private Tensor dWeight;

  @Setup(Level.Trial)
  public void fill(KernelsState state) {
    String[] extents = weights.split("x");
    int n = Integer.parseInt(extents[0]);
    int k = Integer.parseInt(extents[1]);
    flops = 2.0 * rows * n * k;
    x = state.floats(rows, k);
    weight = state.floats(n, k);
    bias = state.floats(n);
    y = state.floats(rows, n);
    preActivation = state.floats(rows, n);
    dX = state.floats(rows, k);
    dWeight = state.floats(n, k);
  }

  @Benchmark
  public void forward(KernelsState state, Rate rate) {
    state.kernels.gemm(false, true, x, weight, y, GemmEpilogue.bias(bias));
    count(state, rate);
  }

  @Benchmark
  public void forwardGelu(KernelsState state, Rate rate) {
    state.kernels.gemm(false, true, x, weight, y, GemmEpilogue.biasGelu(bias, preActivation));
    count(state, rate);
  }

  @Benchmark
  public void gradientOfInput(KernelsState state, Rate rate) {
    state.kernels.gemm(false, false, y, weight, dX, GemmEpilogue.STORE);
    count(state, rate);
  }

  @Benchmark
  public void gradientOfWeight(KernelsState state, Rate rate) {
    state.kernels.gemm(true, false, y, x, dWeight, GemmEpilogue.ACCUMULATE);
    count(state, rate);
  }

  private void count(KernelsState state, Rate rate) {
    state.kernels.synchronize();
    rate.flops(flops, state.peak);
  }
}
