package io.github.simcse4j.bench;

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

/** Element-wise backward passes beside the matrix products. */
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Fork(1)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@State(Scope.Benchmark)
public class ActivationBench {

  @Param("2048")
  int rows;

  @Param({"3072", "1536", "512"})
  int columns;

  private double bytes;
  private Tensor x;
  private Tensor gradient;
  private Tensor sum;

  @Setup(Level.Trial)
  public void fill(KernelsState state) {
    bytes = (double) state.dtype.bytes() * rows * columns;
    x = state.activations(rows, columns);
    gradient = state.activations(rows, columns);
    sum = state.parameters(columns);
  }

  @Benchmark
  public void geluBackward(KernelsState state, Rate rate) {
    state.backend.geluBackward(x, gradient);
    state.backend.synchronize();
    rate.bytes(4 * bytes, state.peak);
  }

  @Benchmark
  public void tanhBackward(KernelsState state, Rate rate) {
    state.backend.tanhBackward(x, gradient);
    state.backend.synchronize();
    rate.bytes(3 * bytes, state.peak);
  }

  @Benchmark
  public void columnSum(KernelsState state, Rate rate) {
    state.backend.columnSum(x, sum);
    state.backend.synchronize();
    rate.bytes(bytes, state.peak);
  }
}
