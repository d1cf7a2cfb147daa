package io.github.simcse4j.cli;

import io.github.simcse4j.data.BatchSampler;
import io.github.simcse4j.data.BatchSettings;
import io.github.simcse4j.data.TokenStore;
import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.kernels.KernelsSelection;
import io.github.simcse4j.kernels.ProfiledKernels;
import io.github.simcse4j.model.EncoderConfig;
import io.github.simcse4j.model.ModelFolder;
import io.github.simcse4j.model.ModelMemory;
import io.github.simcse4j.model.SentenceModel;
import io.github.simcse4j.model.SentenceModels;
import io.github.simcse4j.tensor.HostMemory;
import io.github.simcse4j.train.MemoryBudget;
import io.github.simcse4j.train.MemoryPlan;
import io.github.simcse4j.train.MemoryPlanner;
import io.github.simcse4j.train.MemorySettings;
import io.github.simcse4j.train.TrainConfig;
import io.github.simcse4j.train.TrainListener;
import io.github.simcse4j.train.Trainer;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.OptionalLong;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code simcse bench train}. */
@Command(
    name = "train",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    customSynopsis = "simcse bench train --model DIR [OPTIONS]",
    description =
        "Times steps of training at rising batch sizes, with the recipe unsup-bert-base, beside a"
            + " matrix product of the same kernels. Nothing is saved.",
    footer = {
      "",
      "Counted are the floating-point operations of the matrix products that the mathematics needs,"
          + " each once: encoder and attention forward and backward, and 8 N M H for the loss of N"
          + " queries and M keys. Chunks that are run again are not counted again, so that their"
          + " price shows."
    })
final class BenchTrainCommand implements Callable<Integer> {

  private static final String THEME = "train";

  /** Seconds of a pass on a device that runs ahead, and most steps of it. */
  private static final double LONG_PASS = 0.5;

  private static final int MOST_STEPS = 64;

  @Spec private CommandSpec spec;

  @Option(
      names = "--model",
      required = true,
      paramLabel = "DIR",
      description = "Hugging Face or sentence-transformers folder to start from.")
  private Path model;

  @Option(
      names = "--batch-size",
      paramLabel = "SIZES",
      defaultValue = "64..65536",
      description =
          "Sentences, pairs or triples in a batch: a range, each the double of the last, or numbers"
              + " with commas between them (default: ${DEFAULT-VALUE}).")
  private String sizes;

  @Option(
      names = "--input",
      paramLabel = "FILE",
      description =
          "Sentences, pairs or triples, as --train of 'simcse train' (default: generated"
              + " sentences).")
  private Path input;

  @Option(
      names = "--max-length",
      paramLabel = "N",
      defaultValue = "32",
      description = "Tokens after which a sentence is cut (default: ${DEFAULT-VALUE}).")
  private int maxLength;

  @Option(
      names = "--profile",
      description =
          "Show at every size where the time of a step goes, operation by operation beside the least"
              + " time that its bytes and products take.")
  private boolean profile;

  @Mixin private BenchOptions options;
  @Mixin private MemoryOptions memoryOptions;
  @Mixin private KernelsOptions kernelsOptions;

  private final BenchTable table =
      new BenchTable(
          "batch",
          "ms",
          "sentences/s",
          "tokens/s",
          "TFLOP/s",
          "of gemm",
          "planned MB",
          "peak MB",
          "chunks",
          "kept",
          "activations",
          "steps");

  private final BenchCurves curves = new BenchCurves();
  private final List<BenchProfile> profiles = new ArrayList<>();

  /** What is the same at every size. */
  private record Setting(
      SentenceModel model,
      TokenStore store,
      MemorySettings memory,
      MemoryBudget budget,
      BenchClock clock,
      PeakMemory peak,
      ProfiledKernels kernels,
      double copyRate,
      String kernelsLine) {}

  @Override
  public Integer call() throws IOException {
    List<Integer> batches = BenchSizes.parse("--batch-size", sizes);
    MemorySettings memory = memoryOptions.settings();
    TrainConfig largest = config(batches.getLast(), 1);
    options.require(THEME);
    KernelsSelection selection = kernelsOptions.select();
    try (ProfiledKernels kernels = new ProfiledKernels(selection.kernels());
        ModelFolder folder = ModelFolder.open(model)) {
      MemoryBudget budget = MemoryBudget.of(memory, kernels);
      folder.requireLength("--max-length", maxLength);
      ModelMemory size =
          ModelMemory.of(
              folder.config(), largest.pooler(), kernelsOptions.dtype(), kernels.traits());
      new MemoryPlanner(size, budget).requireModelFits();
      try (BenchText text = BenchText.prepare(folder, input, batches.getLast(), maxLength)) {
        // Refuses a batch that is larger than the data set.
        sampler(text.store(), largest);
        MemoryPlanner.requireChunkHolds(memory, text.store().longest());
        measure(batches, folder, text, memory, budget, kernels, selection.line());
      }
    }
    return ExitCode.OK;
  }

  private void measure(
      List<Integer> batches,
      ModelFolder folder,
      BenchText text,
      MemorySettings memory,
      MemoryBudget budget,
      ProfiledKernels kernels,
      String kernelsLine)
      throws IOException {
    int hidden = folder.config().hiddenSize();
    try (GemmRate gemm = options.gemm(kernels, kernelsOptions.dtype(), hidden)) {
      BenchClock clock = options.clock(gemm);
      double copyRate = profile ? CopyRate.measure(kernels) : 0;
      PeakMemory peak = new PeakMemory();
      try (SentenceModel started = start(folder, config(batches.getLast(), 1), kernels)) {
        Setting setting =
            new Setting(
                started, text.store(), memory, budget, clock, peak, kernels, copyRate, kernelsLine);
        BenchRun run = new BenchRun("batch", table, spec.commandLine().getErr());
        run.measure(batches, batch -> measure(batch, setting));
        if (options.writes()) {
          record(setting, text, gemm, run.left()).write(options);
        }
      }
    }
  }

  /** What {@code simcse train} would do. */
  private TrainConfig config(int batchSize, int steps) {
    TrainOptions train = new TrainOptions();
    CommandLine.populateCommand(
        train, "--batch-size=" + batchSize, "--max-length=" + maxLength, "--max-steps=" + steps);
    return train.config();
  }

  private SentenceModel start(ModelFolder folder, TrainConfig config, Kernels kernels) {
    return SentenceModels.start(
        folder, folder.config(), config.pooler(), kernels, kernelsOptions.dtype(), config.seed());
  }

  private static BatchSampler sampler(TokenStore store, TrainConfig config) {
    return new BatchSampler(
        store,
        new BatchSettings(
            config.batchSize(),
            config.seed(),
            config.shuffle(),
            config.dropLast(),
            config.lengthAware()));
  }

  private void measure(int batch, Setting setting) {
    BatchSampler sampler = sampler(setting.store, config(batch, 1));
    TrainingWork first = TrainingWork.of(setting.model, setting.store, sampler, 1);
    BenchRun.require(setting.clock.obstacle(first.flops()));
    int steps = steps(setting, sampler, first);
    TrainingWork work = TrainingWork.of(setting.model, setting.store, sampler, steps);
    setting.peak.restart();
    try (Trainer trainer =
        new Trainer(
            config(batch, steps),
            setting.model,
            setting.store,
            new Nothing(),
            setting.memory,
            setting.budget)) {
      Watch watch = new Watch(batch);
      // Each pass takes the same steps again, with the moments of the last.
      BenchClock.Timing timing =
          setting.clock.time(steps * work.flops(), () -> watch.seconds(trainer)).part(steps);
      boolean host = setting.model.parameters().memory() instanceof HostMemory;
      OptionalLong peak = host ? setting.peak.growth() : OptionalLong.empty();
      add(batch, work, timing, watch, peak, setting.kernelsLine);
      if (profile) {
        setting.kernels.start();
        trainer.run(List.of());
        profile(batch, setting, steps, timing);
      }
    }
  }

  /** A device that runs ahead of the host is timed over as many steps as hide the start. */
  private static int steps(Setting setting, BatchSampler sampler, TrainingWork step) {
    if (!setting.model.kernels().traits().runsAhead()) {
      return 1;
    }
    double wanted = LONG_PASS / setting.clock.expected(step.flops());
    return (int) Math.clamp(wanted, 1, Math.min(MOST_STEPS, sampler.batches()));
  }

  private void profile(int batch, Setting setting, int steps, BenchClock.Timing timing) {
    BenchProfile made =
        new BenchProfile(
            batch,
            setting.kernels.stop(),
            steps,
            timing.seconds(),
            setting.copyRate,
            timing.gemmRate());
    profiles.add(made);
    PrintWriter out = spec.commandLine().getOut();
    out.println();
    out.println(made.title());
    made.table().aligned(2).forEach(out::println);
    out.println();
    out.flush();
  }

  /** Keeps no weights. */
  private static final class Nothing implements Trainer.Checkpoint {

    @Override
    public boolean hasDev() {
      return false;
    }

    @Override
    public double score() {
      return Double.NaN;
    }

    @Override
    public void keep() {}
  }

  /** Adds up the time of steps, and remembers how the last was encoded. */
  private static final class Watch implements TrainListener {

    private final int batch;
    private MemoryPlan plan;
    private int chunks;
    private double seconds;

    Watch(int batch) {
      this.batch = batch;
    }

    double seconds(Trainer trainer) {
      seconds = 0;
      trainer.run(List.of(this));
      return seconds;
    }

    @Override
    public void onPlan(Plan made) {
      plan = made.memory();
    }

    @Override
    public void onStep(Step taken) {
      chunks = taken.chunks();
      seconds += batch / taken.sentencesPerSecond();
    }
  }

  private void add(
      int batch,
      TrainingWork work,
      BenchClock.Timing timing,
      Watch watch,
      OptionalLong peak,
      String kernelsLine) {
    PrintWriter out = spec.commandLine().getOut();
    if (table.isEmpty()) {
      spec.commandLine().getErr().println(kernelsLine);
      spec.commandLine().getErr().flush();
      out.println(table.head());
    }
    int chunks = watch.chunks;
    out.println(
        table.add(
            BenchTable.count(batch),
            BenchTable.number(timing.seconds() * 1e3),
            BenchTable.number(batch / timing.seconds()),
            BenchTable.number(work.rows() / timing.seconds()),
            BenchTable.number(timing.teraflops()),
            BenchTable.percent(timing.share()),
            BenchTable.megabytes(watch.plan.total()),
            BenchTable.megabytes(peak),
            BenchTable.count(chunks),
            BenchTable.count(Math.min(chunks, watch.plan.kept())),
            watch.plan.activationsLabel(),
            BenchTable.count(timing.repetitions())));
    out.flush();
    curves.add(batch, timing, watch.plan.total(), peak);
  }

  private BenchRecord record(Setting setting, BenchText text, GemmRate gemm, List<String> left) {
    String precision = KernelsSelection.precision(kernelsOptions.dtype());
    EncoderConfig config = setting.model.config();
    String encoder =
        String.format(
            Locale.ROOT,
            "model %s: %d layers, H = %d, %s",
            model.toAbsolutePath().normalize().getFileName(),
            config.layers(),
            config.hiddenSize(),
            precision);
    ScalingPlot plot =
        curves.plot("Step of training, " + encoder, "batch size", "Time of a step", "planned");
    return new BenchRecord(
        THEME,
        "Step of training against the batch size",
        setting.kernelsLine,
        List.of(encoder, text.description(), "gemm: " + gemm.description()),
        table,
        List.of(
            "ms: median of the steps, a gemm before each; on a GPU of passes of several steps, each of"
                + " which is asked for while the last one still runs",
            "TFLOP/s: the products that the mathematics needs, each once: for every token 6 L (4"
                + " H^2 + 2 H F), for every sentence of l tokens 12 L l^2 H for attention, and 8 N"
                + " M H for the loss; chunks that are run again are not counted again",
            "of gemm: that rate by the median rate of the gemm at the same size",
            "planned MB: what weights, optimiser, embeddings and activations ask for, in 10^6"
                + " bytes",
            "peak MB: growth of the process's resident memory since the start, at its peak",
            "kept: chunks whose activations are kept; the others are run again",
            "activations: keep, or replay where some of a kept chunk's are computed again"),
        left,
        profiles,
        plot);
  }
}
