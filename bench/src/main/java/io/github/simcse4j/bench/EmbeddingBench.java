package io.github.simcse4j.bench;

import io.github.simcse4j.kernels.EmbeddingTables;
import io.github.simcse4j.kernels.LayerNorm;
import io.github.simcse4j.kernels.PackedBatch;
import io.github.simcse4j.kernels.RowStatistics;
import io.github.simcse4j.tensor.Tensor;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
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
  private double gradientBytes;
  private Tensor out;
  private Tensor scratch;
  private Tensor dGamma;
  private Tensor dBeta;

  @Setup(Level.Trial)
  public void fill(KernelsState state) {
    batch = state.batch();
    norm = state.layerNorm(hidden);
    statistics = state.statistics(batch.tokens());
    tables = tables(state::activations);
    dTables = tables(state::parameters);
    rowBytes = (double) state.dtype.bytes() * hidden;
    gradientBytes = (double) Float.BYTES * hidden;
    out = state.activations(batch.rows(), hidden);
    scratch = state.activations(batch.tokens(), hidden);
    dGamma = state.parameters(hidden);
    dBeta = state.parameters(hidden);
  }

  private EmbeddingTables tables(Function<long[], Tensor> make) {
    return new EmbeddingTables(
        make.apply(new long[] {KernelsState.VOCABULARY, hidden}),
        make.apply(new long[] {512, hidden}),
        make.apply(new long[] {2, hidden}));
  }

  @Benchmark
  public void forward(KernelsState state, Rate rate) {
    state.backend.embeddingForward(batch, tables, norm, KernelsState.dropout(), out, statistics);
    state.backend.synchronize();
    rate.bytes(rowBytes * (batch.tokens() + batch.rows()), state.peak);
  }

  @Benchmark
  public void backward(KernelsState state, Rate rate) {
    state.backend.embeddingBackward(
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
    state.backend.synchronize();
    double rows = rowBytes * (3.0 * batch.tokens() + batch.rows());
    rate.bytes(rows + gradientBytes * 2.0 * batch.tokens(), state.peak);
  }
}
