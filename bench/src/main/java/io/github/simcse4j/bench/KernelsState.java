package io.github.simcse4j.bench;

import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.kernels.KernelsSelection;
import io.github.simcse4j.kernels.LayerNorm;
import io.github.simcse4j.kernels.PackedBatch;
import io.github.simcse4j.kernels.RowStatistics;
import io.github.simcse4j.random.Dropout;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Memory;
import io.github.simcse4j.tensor.Shape;
import io.github.simcse4j.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/** The backend under measurement, the machine's peak in the same run, and tensors to work on. */
@State(Scope.Benchmark)
public class KernelsState {

  static final int SENTENCES = 64;
  static final int VOCABULARY = 30522;
  static final int HEAD_SIZE = 64;
  private static final int SHORTEST = 6;
  private static final int LONGEST = 32;

  /** What {@code --kernels} takes. */
  @Param("vector")
  String kernels;

  /** Type of activations. */
  @Param("F32")
  DType dtype;

  /** 0 for all cores. */
  @Param("0")
  int threads;

  Kernels backend;
  Peak peak;

  private final Random random = new Random(1);
  private final List<Memory> blocks = new ArrayList<>();

  @Setup(Level.Trial)
  public void open() {
    int count = threads > 0 ? threads : Runtime.getRuntime().availableProcessors();
    KernelsSelection selection =
        KernelsSelection.select(KernelsSelection.AUTO, kernels, count, dtype);
    backend = selection.kernels();
    peak = Peak.measure(count);
    System.out.printf(
        "%n# %s%n# peak in F32: %.1f GFLOP/s, %.1f GB/s on %d threads%n",
        selection.line(), peak.flops() * 1e-9, peak.bytes() * 1e-9, count);
  }

  @TearDown(Level.Trial)
  public void close() {
    blocks.forEach(Memory::close);
    blocks.clear();
    backend.close();
  }

  /** A tensor of normally distributed numbers in the type of activations. */
  Tensor activations(long... extents) {
    return floats(dtype, extents);
  }

  /** The same in the type of parameters, their gradients and statistics. */
  Tensor parameters(long... extents) {
    return floats(Kernels.accumulator(dtype), extents);
  }

  private Tensor floats(DType type, long... extents) {
    Tensor host = Tensor.host(type, extents);
    for (long i = 0; i < host.elements(); i++) {
      host.set(i, random.nextGaussian());
    }
    return moved(host);
  }

  /** A tensor of zeros. */
  Tensor zeros(DType type, long... extents) {
    Shape shape = Shape.of(extents);
    Memory memory = backend.allocate(shape.elements() * type.bytes());
    blocks.add(memory);
    return new Tensor(memory, 0, type, shape);
  }

  private Tensor moved(Tensor host) {
    Tensor tensor = zeros(host.dtype(), host.shape().extents());
    backend.upload(host, tensor);
    backend.synchronize();
    host.memory().close();
    return tensor;
  }

  LayerNorm layerNorm(long hidden) {
    return new LayerNorm(parameters(hidden), parameters(hidden), 1e-12f);
  }

  RowStatistics statistics(long rows) {
    return new RowStatistics(parameters(rows), parameters(rows));
  }

  static Dropout dropout() {
    return new Dropout(1, 2, 3, 0.9f);
  }

  /** Two views of 64 sentences of 6 to 32 tokens, as SimCSE trains on. */
  PackedBatch batch() {
    int[] lengths = random.ints(SENTENCES, SHORTEST, LONGEST + 1).toArray();
    Tensor starts = Tensor.host(DType.I64, SENTENCES);
    Tensor cuSeqlens = Tensor.host(DType.I32, SENTENCES + 1);
    Tensor samples = Tensor.host(DType.I32, SENTENCES);
    int tokens = 0;
    for (int b = 0; b < SENTENCES; b++) {
      starts.set(b, tokens);
      samples.set(b, 7 * b);
      tokens += lengths[b];
      cuSeqlens.set(b + 1, tokens);
    }
    Tensor ids = Tensor.host(DType.I32, tokens);
    for (int t = 0; t < tokens; t++) {
      ids.set(t, random.nextInt(VOCABULARY));
    }
    return new PackedBatch(
        moved(ids), moved(starts), moved(cuSeqlens), moved(samples), tokens, LONGEST, 2, 0);
  }

  /** Operations of q k^T and of the weighted values. */
  double attentionFlops(PackedBatch batch, int hidden) {
    Tensor offsets = Tensor.host(DType.I32, batch.sentences() + 1);
    backend.download(batch.cuSeqlens(), offsets);
    int[] cuSeqlens = offsets.toInts();
    offsets.memory().close();
    double squares = 0;
    for (int b = 0; b < batch.sentences(); b++) {
      double length = cuSeqlens[b + 1] - cuSeqlens[b];
      squares += length * length;
    }
    return 4 * squares * batch.views() * hidden;
  }
}
