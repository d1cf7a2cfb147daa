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
import org.openjdk.jmh.annotations.TearDown;
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

  /** Whether the weight is announced to stay as it is, as that of a model in use. */
  @Param("false")
  boolean held;

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
    x = state.activations(rows, k);
    weight = state.activations(n, k);
    bias = state.parameters(n);
    y = state.activations(rows, n);
    preActivation = state.activations(rows, n);
    dX = state.activations(rows, k);
    dWeight = state.parameters(n, k);
    if (held) {
      state.backend.holdWeights(weight);
    }
  }

  @TearDown(Level.Trial)
  public void release(KernelsState state) {
    if (held) {
      state.backend.releaseWeights(weight);
    }
  }

  @Benchmark
  public void forward(KernelsState state, Rate rate) {
    state.backend.gemm(false, true, x, weight, y, GemmEpilogue.bias(bias));
    count(state, rate);
  }

  @Benchmark
  public void forwardGelu(KernelsState state, Rate rate) {
    state.backend.gemm(false, true, x, weight, y, GemmEpilogue.biasGelu(bias, preActivation));
    count(state, rate);
  }

  @Benchmark
  public void forwardResidual(KernelsState state, Rate rate) {
    state.backend.gemm(false, true, x, weight, y, GemmEpilogue.biasResidual(bias, preActivation));
    count(state, rate);
  }

  @Benchmark
  public void gradientOfInput(KernelsState state, Rate rate) {
    state.backend.gemm(false, false, y, weight, dX, GemmEpilogue.STORE);
    count(state, rate);
  }

  @Benchmark
  public void gradientOfWeight(KernelsState state, Rate rate) {
    state.backend.gemm(true, false, y, x, dWeight, GemmEpilogue.ACCUMULATE);
    count(state, rate);
  }

  private void count(KernelsState state, Rate rate) {
    state.backend.synchronize();
    rate.flops(flops, state.peak);
  }
}
