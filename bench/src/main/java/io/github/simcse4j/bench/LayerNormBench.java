package io.github.simcse4j.bench;

import io.github.simcse4j.kernels.LayerNorm;
import io.github.simcse4j.kernels.PackedBatch;
import io.github.simcse4j.kernels.RowStatistics;
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

/** Dropout, residual and layer normalisation. */
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Fork(1)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@State(Scope.Benchmark)
public class LayerNormBench {

  @Param({"768", "384", "128"})
  int hidden;

  private PackedBatch batch;
  private LayerNorm norm;
  private RowStatistics statistics;
  private double bytes;
  private Tensor x;
  private Tensor residual;
  private Tensor out;
  private Tensor dX;
  private Tensor dGamma;
  private Tensor dBeta;

  @Setup(Level.Trial)
  public void fill(KernelsState state) {
    batch = state.batch();
    norm = state.layerNorm(hidden);
    statistics = state.statistics(batch.rows());
    bytes = (double) state.dtype.bytes() * batch.rows() * hidden;
    x = state.activations(batch.rows(), hidden);
    residual = state.activations(batch.rows(), hidden);
    out = state.activations(batch.rows(), hidden);
    dX = state.activations(batch.rows(), hidden);
    dGamma = state.parameters(hidden);
    dBeta = state.parameters(hidden);
  }

  @Benchmark
  public void forward(KernelsState state, Rate rate) {
    forward(state, rate, KernelsState.dropout());
  }

  @Benchmark
  public void forwardWithoutDropout(KernelsState state, Rate rate) {
    forward(state, rate, Dropout.NONE);
  }

  private void forward(KernelsState state, Rate rate, Dropout dropout) {
    state.backend.dropoutResidualLayerNormForward(
        batch, x, residual, norm, dropout, out, statistics);
    state.backend.synchronize();
    rate.bytes(4 * bytes, state.peak);
  }

  @Benchmark
  public void replay(KernelsState state, Rate rate) {
    state.backend.layerNormReplay(x, statistics, norm, out);
    state.backend.synchronize();
    rate.bytes(2 * bytes, state.peak);
  }

  @Benchmark
  public void backward(KernelsState state, Rate rate) {
    state.backend.dropoutResidualLayerNormBackward(
        batch, out, x, statistics, norm, KernelsState.dropout(), residual, dX, dGamma, dBeta);
    state.backend.synchronize();
    rate.bytes(4 * bytes, state.peak);
  }
}
