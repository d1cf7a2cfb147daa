package io.github.simcse4j.cli;

import io.github.simcse4j.files.InputException;
import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.kernels.KernelsSelection;
import io.github.simcse4j.objective.ContrastiveObjective;
import io.github.simcse4j.objective.ContrastiveOptions;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.HostMemory;
import io.github.simcse4j.tensor.Memory;
import io.github.simcse4j.tensor.Tensor;
import io.github.simcse4j.tensor.Workspace;
import io.github.simcse4j.train.MemoryBudget;
import io.github.simcse4j.train.MemorySettings;
import java.io.IOException;
import java.io.PrintWriter;
import java.util.List;
import java.util.Locale;
import java.util.OptionalLong;
import java.util.concurrent.Callable;
import java.util.function.DoubleSupplier;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code simcse bench loss}. */
@Command(
    name = "loss",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    customSynopsis = "simcse bench loss [OPTIONS]",
    description =
        "Times the contrastive loss with its gradients, forward and backward, on random vectors at"
            + " rising sizes, beside a matrix product of the same kernels.",
    footer = {
      "",
      "Counted are 8 N M H floating-point operations: 2 N M H for the similarities of N queries and"
          + " M keys forward, and backward as much for the similarities again, the gradient of the"
          + " queries and that of the keys."
    })
final class BenchLossCommand implements Callable<Integer> {

  private static final String THEME = "loss";
  private static final int MOST_DIMENSIONS = 1 << 16;
  private static final int WARM_UP_SIZE = 256;
  private static final double WARM_UP_SECONDS = 1;

  @Spec private CommandSpec spec;

  @Option(
      names = "--n",
      paramLabel = "SIZES",
      defaultValue = "1024..1048576",
      description =
          "Queries N: a range, each the double of the last, or numbers with commas between them"
              + " (default: ${DEFAULT-VALUE}).")
  private String sizes;

  @Option(
      names = "--dim",
      paramLabel = "H",
      defaultValue = "768",
      description = "Width of the vectors (default: ${DEFAULT-VALUE}).")
  private int dimension;

  @Option(
      names = "--temperature",
      paramLabel = "X",
      defaultValue = "0.05",
      description = "Divides the cosine similarities (default: ${DEFAULT-VALUE}).")
  private float temperature;

  @Option(
      names = "--hard-negatives",
      description = "Add a hard negative for each query: M = 2 N keys in place of N.")
  private boolean hardNegatives;

  @Mixin private BenchOptions options;
  @Mixin private KernelsOptions kernelsOptions;

  private final BenchTable table =
      new BenchTable(
          "N",
          "M",
          "ms",
          "sentences/s",
          "TFLOP/s",
          "of gemm",
          "tensors MB",
          "peak MB",
          "peak/tensors",
          "passes");

  private final BenchCurves curves = new BenchCurves();

  @Override
  public Integer call() throws IOException {
    List<Integer> queries = BenchSizes.parse("--n", sizes);
    requireNumbers();
    options.require(THEME);
    KernelsSelection selection = kernelsOptions.select();
    PrintWriter err = spec.commandLine().getErr();
    try (Kernels kernels = selection.kernels();
        GemmRate gemm = options.gemm(kernels, kernelsOptions.dtype(), dimension)) {
      BenchClock clock = options.clock(gemm);
      MemoryBudget budget = MemoryBudget.of(MemorySettings.AUTO, kernels);
      warmUp(kernels, Math.min(WARM_UP_SIZE, queries.getFirst()));
      PeakMemory peak = new PeakMemory();
      BenchRun run = new BenchRun("N", table, err);
      run.measure(queries, n -> measure(n, kernels, clock, budget, peak, selection.line()));
      if (options.writes()) {
        record(selection, gemm, run.left()).write(options);
      }
    }
    return ExitCode.OK;
  }

  private void requireNumbers() {
    if (dimension < 1 || dimension > MOST_DIMENSIONS) {
      throw new InputException(
          "--dim must be from 1 to " + MOST_DIMENSIONS + ", found " + dimension + ".");
    }
    // Written so that NaN is refused too.
    if (!(temperature > 0 && temperature < 1e6f)) {
      throw new InputException(
          "--temperature must be a number above 0, found " + temperature + ".");
    }
  }

  private void measure(
      int n,
      Kernels kernels,
      BenchClock clock,
      MemoryBudget budget,
      PeakMemory peak,
      String kernelsLine) {
    double flops = 8.0 * n * keys(n) * dimension;
    BenchRun.require(clock.obstacle(flops));
    long bytes = bytes(n);
    if (bytes > budget.bytes()) {
      throw new InputException(
          "vectors and gradients ask for %s MB, more than %s MB, %s."
              .formatted(
                  BenchTable.megabytes(bytes),
                  BenchTable.megabytes(budget.bytes()),
                  budget.source()));
    }
    peak.restart();
    try (Memory memory = kernels.allocate(bytes)) {
      BenchClock.Timing timing = clock.time(flops, pass(n, kernels, new Workspace(memory)));
      boolean host = memory instanceof HostMemory;
      add(n, timing, bytes, host ? peak.growth() : OptionalLong.empty(), kernelsLine);
    }
  }

  /** So that what the JVM compiles is no part of the memory that grows with N. */
  private void warmUp(Kernels kernels, int n) {
    try (Workspace workspace = new Workspace(kernels.allocate(bytes(n)))) {
      BenchClock.settle(pass(n, kernels, workspace), WARM_UP_SECONDS, options.seconds());
    }
  }

  private long keys(long n) {
    return hardNegatives ? 2 * n : n;
  }

  /** Bytes of vectors, gradients and all else that a pass takes. */
  private long bytes(long n) {
    DType dtype = kernelsOptions.dtype();
    long all = n + keys(n);
    return 2 * Workspace.bytes(dtype, all * dimension)
        + Workspace.bytes(Kernels.accumulator(dtype), 1)
        + ContrastiveObjective.workspaceBytes(ContrastiveOptions.PUBLISHED, dtype, n, all);
  }

  /** Forward and backward on N random queries and their keys, in seconds. */
  private DoubleSupplier pass(int n, Kernels kernels, Workspace workspace) {
    DType dtype = kernelsOptions.dtype();
    long all = n + keys(n);
    Tensor vectors = workspace.tensor(dtype, all, dimension);
    Tensor gradients = workspace.tensor(dtype, all, dimension);
    Tensor loss = workspace.tensor(Kernels.accumulator(dtype), 1);
    RandomNumbers.fill(kernels, vectors, n);
    ContrastiveObjective objective = new ContrastiveObjective(temperature, 0);
    return () -> {
      long mark = workspace.mark();
      kernels.synchronize();
      long start = System.nanoTime();
      objective.evaluate(kernels, n, vectors, 1, loss, gradients, workspace);
      kernels.synchronize();
      double elapsed = (System.nanoTime() - start) * 1e-9;
      workspace.release(mark);
      return elapsed;
    };
  }

  private void add(
      int n, BenchClock.Timing timing, long bytes, OptionalLong peak, String kernelsLine) {
    PrintWriter out = spec.commandLine().getOut();
    if (table.isEmpty()) {
      spec.commandLine().getErr().println(kernelsLine);
      spec.commandLine().getErr().flush();
      out.println(table.head());
    }
    out.println(
        table.add(
            BenchTable.count(n),
            BenchTable.count(keys(n)),
            BenchTable.number(timing.seconds() * 1e3),
            BenchTable.number(n / timing.seconds()),
            BenchTable.number(timing.teraflops()),
            BenchTable.percent(timing.share()),
            BenchTable.megabytes(bytes),
            BenchTable.megabytes(peak),
            peak.isEmpty() ? "-" : BenchTable.number(peak.getAsLong() / (double) bytes),
            BenchTable.count(timing.repetitions())));
    out.flush();
    curves.add(n, timing, bytes, peak);
  }

  private BenchRecord record(KernelsSelection selection, GemmRate gemm, List<String> left) {
    String precision = KernelsSelection.precision(kernelsOptions.dtype());
    String what =
        String.format(
            Locale.ROOT,
            "N queries, M = %s keys, H = %d, %s, temperature %s",
            hardNegatives ? "2 N" : "N",
            dimension,
            precision,
            temperature);
    ScalingPlot plot =
        curves.plot(
            String.format(Locale.ROOT, "Contrastive loss, H = %d, %s", dimension, precision),
            "queries N",
            "Time of forward and backward",
            "vectors, gradients and statistics");
    return new BenchRecord(
        THEME,
        "Contrastive loss, forward and backward",
        selection.line(),
        List.of(what, "gemm: " + gemm.description()),
        table,
        List.of(
            "ms: median of the passes, a gemm before each",
            "TFLOP/s: 8 N M H operations a pass, 2 N M H each for the similarities forward, the"
                + " similarities again, the gradient of the queries and that of the keys",
            "of gemm: that rate by the median rate of the gemm at the same size",
            "tensors MB: vectors, their gradients and the statistics, in 10^6 bytes",
            "peak MB: growth of the process's resident memory since the start, at its peak"),
        left,
        List.of(),
        plot);
  }
}
