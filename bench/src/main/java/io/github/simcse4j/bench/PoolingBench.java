package io.github.simcse4j.bench;

import io.github.simcse4j.kernels.PackedBatch;
import io.github.simcse4j.kernels.PoolingMode;
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

/** Sentence vectors from token vectors. */
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Fork(1)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@State(Scope.Benchmark)
public class PoolingBench {

  @Param({"768", "384", "128"})
  int hidden;

  @Param PoolingMode mode;

  private PackedBatch batch;
  private double bytes;
  private Tensor tokens;
  private Tensor pooled;
  private Tensor argmax;

  @Setup(Level.Trial)
  public void fill(KernelsState state) {
    batch = state.batch();
    int rows = mode == PoolingMode.CLS ? batch.embeddings() : batch.rows();
    bytes = (double) hidden * (state.dtype.bytes() * rows + Float.BYTES * batch.embeddings());
    tokens = state.activations(batch.rows(), hidden);
    pooled = state.parameters(batch.embeddings(), hidden);
    argmax = mode == PoolingMode.MAX ? state.zeros(DType.I32, batch.embeddings(), hidden) : null;
    state.backend.poolingForward(batch, mode, tokens, 1f, false, pooled, argmax);
  }

  @Benchmark
  public void forward(KernelsState state, Rate rate) {
    state.backend.poolingForward(batch, mode, tokens, 1f, false, pooled, argmax);
    state.backend.synchronize();
    rate.bytes(bytes, state.peak);
  }

  @Benchmark
  public void backward(KernelsState state, Rate rate) {
    state.backend.poolingBackward(batch, mode, pooled, 1f, argmax, tokens);
    state.backend.synchronize();
    rate.bytes(bytes, state.peak);
  }
}
