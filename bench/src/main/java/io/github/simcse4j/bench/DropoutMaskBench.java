package io.github.simcse4j.bench;

import io.github.simcse4j.kernels.PackedBatch;
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

/** Dropout masks as bytes: Philox and little else. */
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Fork(1)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@State(Scope.Benchmark)
public class DropoutMaskBench {

  @Param({"768", "384", "128"})
  int hidden;

  private PackedBatch batch;
  private Tensor mask;

  @Setup(Level.Trial)
  public void fill(KernelsState state) {
    batch = state.batch();
    mask = state.zeros(DType.U8, batch.rows(), hidden);
  }

  @Benchmark
  public void dropoutMask(KernelsState state, Rate rate) {
    state.backend.dropoutMask(batch, KernelsState.dropout(), mask);
    state.backend.synchronize();
    rate.bytes((double) batch.rows() * hidden, state.peak);
  }
}
