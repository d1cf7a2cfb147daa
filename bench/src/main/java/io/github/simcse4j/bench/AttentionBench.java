package io.github.simcse4j.bench;

import io.github.simcse4j.kernels.PackedBatch;
import io.github.simcse4j.random.Dropout;
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

/** Attention over short sentences. */
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Fork(1)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@State(Scope.Benchmark)
public class AttentionBench {

  @Param({"768", "384", "128"})
  int hidden;

  @Param({"0.9", "1"})
  float keepProb;

  private PackedBatch batch;
  private int heads;
  private double flops;
  private Tensor qkv;
  private Tensor out;
  private Tensor lse;
  private Tensor dOut;
  private Tensor dQkv;
  private Dropout dropout;

  @Setup(Level.Trial)
  public void fill(KernelsState state) {
    batch = state.batch();
    heads = hidden / KernelsState.HEAD_SIZE;
    flops = state.attentionFlops(batch, hidden);
    qkv = state.activations(batch.rows(), 3L * hidden);
    out = state.activations(batch.rows(), hidden);
    lse = state.parameters(batch.rows(), heads);
    dOut = state.activations(batch.rows(), hidden);
    dQkv = state.activations(batch.rows(), 3L * hidden);
    dropout = new Dropout(1, 2, 4, keepProb);
    state.backend.attentionForward(batch, heads, qkv, dropout, out, lse);
  }

  @Benchmark
  public void forward(KernelsState state, Rate rate) {
    state.backend.attentionForward(batch, heads, qkv, dropout, out, lse);
    state.backend.synchronize();
    rate.flops(flops, state.peak);
  }

  @Benchmark
  public void backward(KernelsState state, Rate rate) {
    state.backend.attentionBackward(batch, heads, qkv, out, lse, dOut, dropout, dQkv);
    state.backend.synchronize();
    rate.flops(2.5 * flops, state.peak);
  }
}
