package io.github.simcse4j.bench;

import io.github.simcse4j.kernels.AdamWStep;
import io.github.simcse4j.tensor.DType;
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

/** The optimiser. */
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Fork(1)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@State(Scope.Benchmark)
public class AdamWBench {

  @Param({"4000000", "32000000"})
  int elements;

  private Tensor parameters;
  private Tensor gradients;
  private Tensor firstMoment;
  private Tensor secondMoment;
  private Tensor norm;
  private Tensor copy;
  private final AdamWStep step = new AdamWStep(3, 1e-4, 0.9, 0.999, 1e-8, 0.01, 1);

  @Setup(Level.Trial)
  public void fill(KernelsState state) {
    parameters = state.parameters(elements);
    gradients = state.parameters(elements);
    firstMoment = state.zeros(DType.F32, elements);
    secondMoment = state.zeros(DType.F32, elements);
    norm = state.parameters(1);
    copy = state.dtype == DType.BF16 ? state.zeros(DType.BF16, elements) : null;
    state.backend.gradientNorm(gradients, norm);
  }

  @Benchmark
  public void gradientNorm(KernelsState state, Rate rate) {
    state.backend.gradientNorm(gradients, norm);
    state.backend.synchronize();
    rate.bytes((double) Float.BYTES * elements, state.peak);
  }

  @Benchmark
  public void adamw(KernelsState state, Rate rate) {
    state.backend.adamw(step, parameters, gradients, firstMoment, secondMoment, norm, copy);
    state.backend.synchronize();
    int copied = copy == null ? 0 : copy.dtype().bytes();
    rate.bytes((7.0 * Float.BYTES + copied) * elements, state.peak);
  }
}
