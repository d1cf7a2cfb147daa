package io.github.simcse4j.bench;

import io.github.simcse4j.kernels.EmbeddingTables;
import io.github.simcse4j.kernels.LayerNorm;
import io.github.simcse4j.kernels.PackedBatch;
import io.github.simcse4j.kernels.RowStatistics;
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

/** BERT's input layer, with a vocabulary of BERT's size. */
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Fork(1)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@State(Scope.Benchmark)
public class EmbeddingBench {

  @Param({"768", "384", "128"})
  int hidden;

  private PackedBatch batch;
  private LayerNorm norm;
  private RowStatistics statistics;
  private EmbeddingTables tables;
  private EmbeddingTables dTables;
  private double rowBytes;
  private Tensor out;
  private Tensor scratch;
  private Tensor dGamma;
  private Tensor dBeta;

  @Setup(Level.Trial)
  public void fill(KernelsState state) {
    batch = state.batch();
    norm = state.layerNorm(hidden);
    statistics = state.statistics(batch.tokens());
    tables = tables(state);
    dTables = tables(state);
    rowBytes = (double) Float.BYTES * hidden;
    out = state.floats(batch.rows(), hidden);
    scratch = state.floats(batch.tokens(), hidden);
    dGamma = state.floats(hidden);
    dBeta = state.floats(hidden);
  }

  private EmbeddingTables tables(KernelsState state) {
    return new EmbeddingTables(
        state.floats(KernelsState.VOCABULARY, hidden),
        state.floats(512, hidden),
        state.floats(2, hidden));
  }

  @Benchmark
  public void forward(KernelsState state, Rate rate) {
    state.kernels.embeddingForward(batch, tables, norm, KernelsState.dropout(), out, statistics);
    state.kernels.synchronize();
    rate.bytes(rowBytes * (batch.tokens() + batch.rows()), state.peak);
  }

  @Benchmark
  public void backward(KernelsState state, Rate rate) {
    state.kernels.embeddingBackward(
        batch,
        tables,
        norm,
        statistics,
        KernelsState.dropout(),
        out,
        scratch,
        dTables,
        dGamma,
        dBeta);
    state.kernels.synchronize();
    rate.bytes(rowBytes * (5.0 * batch.tokens() + batch.rows()), state.peak);
  }
}
