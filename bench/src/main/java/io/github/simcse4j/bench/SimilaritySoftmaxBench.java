package io.github.simcse4j.bench;

import io.github.simcse4j.kernels.Contrast;
import io.github.simcse4j.kernels.ContrastPairs;
import io.github.simcse4j.kernels.ContrastStatistics;
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

/** The contrastive loss of as many queries as keys. */
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Fork(1)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@State(Scope.Benchmark)
public class SimilaritySoftmaxBench {

  @Param({"768", "384", "128"})
  int hidden;

  @Param({"64", "512"})
  int queries;

  private double flops;
  private Tensor query;
  private Tensor key;
  private ContrastPairs pairs;
  private Tensor loss;
  private ContrastStatistics statistics;
  private Tensor dQuery;
  private Tensor dKey;
  private final Contrast contrast = Contrast.inBatch(0.05f);

  @Setup(Level.Trial)
  public void fill(KernelsState state) {
    flops = 2.0 * queries * queries * hidden;
    query = state.activations(queries, hidden);
    key = state.activations(queries, hidden);
    Tensor targets = state.zeros(DType.I32, queries);
    state.backend.iota(targets);
    pairs = new ContrastPairs(query, key, targets);
    loss = state.parameters(1);
    statistics =
        new ContrastStatistics(
            state.parameters(queries), state.parameters(queries), state.parameters(queries));
    dQuery = state.activations(queries, hidden);
    dKey = state.activations(queries, hidden);
    state.backend.similaritySoftmaxForward(pairs, contrast, loss, statistics);
  }

  @Benchmark
  public void forward(KernelsState state, Rate rate) {
    state.backend.similaritySoftmaxForward(pairs, contrast, loss, statistics);
    state.backend.synchronize();
    rate.flops(flops, state.peak);
  }

  /** The logits again, and a product for each side. */
  @Benchmark
  public void backward(KernelsState state, Rate rate) {
    state.backend.similaritySoftmaxBackward(pairs, contrast, statistics, 1f, dQuery, dKey);
    state.backend.synchronize();
    rate.flops(3 * flops, state.peak);
  }
}
