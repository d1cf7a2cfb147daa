package io.github.simcse4j.train;

import io.github.simcse4j.data.BatchSampler;
import io.github.simcse4j.data.BatchSettings;
import io.github.simcse4j.data.TokenStore;
import io.github.simcse4j.files.InputException;
import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.model.SentenceModel;
import io.github.simcse4j.random.DropoutKey;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Workspace;
import java.util.ArrayList;
import java.util.List;

/**
 * The training loop: batches by seed, gradients, AdamW on a linear schedule, evaluation on the way,
 * the best weights kept. Two runs with equal arguments give equal bytes, whatever the number of
 * threads.
 */
public final class Trainer implements AutoCloseable {

  /** What a training needs from outside besides data. */
  public interface Checkpoint {

    /** Whether there is something to evaluate on. */
    boolean hasDev();

    /** Spearman's correlation on the dev pairs with the model as it is now. */
    double score();

    /** Keeps the model as it is now in place of what was kept before. */
    void keep();
  }

  /** Few enough that a divergence is found soon, enough that a device hardly waits. */
  private static final int MOST_PENDING = 32;

  /** So that whoever watches long steps sees them. */
  private static final double MOST_SECONDS = 1;

  /**
   * A step whose numbers are not read yet.
   *
   * @param epoch with the share of it that is done
   */
  private record Pending(
      long step,
      double epoch,
      double learningRate,
      int batches,
      TrainStep.Result size,
      long tokensPerChunk) {}

  private final TrainConfig config;
  private final SentenceModel model;
  private final BatchSampler sampler;
  private final TrainStep batches;
  private final Workspace state;
  private final AdamW optimizer;
  private final LinearSchedule schedule;
  private final Checkpoint checkpoint;
  private final StepNumbers numbers;
  private final int mostPending;

  /** Steps that were asked for and not told of yet. */
  private final List<Pending> pending = new ArrayList<>();

  private List<TrainListener> listeners = List.of();
  private long pendingSince;
  private long tokensPerChunk;
  private long sentences;
  private long tokens;
  private double seconds;
  private double evaluationSeconds;
  private double loss;
  private long bestStep;
  private double bestSpearman = Double.NaN;

  /**
   * @param model trained in place; it stays the caller's
   * @param store the tokenised sentences, pairs or triples
   * @param settings of memory
   * @param budget how much of it may be used
   * @throws InputException where the store does not fill a batch and smaller ones are left out, or
   *     its longest sentence does not go into a chunk
   */
  public Trainer(
      TrainConfig config,
      SentenceModel model,
      TokenStore store,
      Checkpoint checkpoint,
      MemorySettings settings,
      MemoryBudget budget) {
    MemoryPlanner.requireChunkHolds(settings, store.longest());
    this.config = config;
    this.model = model;
    this.checkpoint = checkpoint;
    this.sampler =
        new BatchSampler(
            store,
            new BatchSettings(
                config.batchSize(),
                config.seed(),
                config.shuffle(),
                config.dropLast(),
                config.lengthAware()));
    this.schedule =
        new LinearSchedule(
            config.learningRate(), config.warmupSteps(), config.totalSteps(sampler.batches()));
    this.batches =
        new TrainStep(
            model,
            store,
            sampler,
            config.objective(),
            new MemoryPlanner(model.memory(), budget, config.lossOptions()),
            settings,
            this::onPlan);
    Kernels kernels = model.kernels();
    this.mostPending = kernels.traits().runsAhead() ? MOST_PENDING : 1;
    DType dtype = Kernels.accumulator(model.dtype());
    int most = config.gradientAccumulation();
    long bytes = AdamW.bytes(model.layout(), dtype) + StepNumbers.bytes(dtype, mostPending, most);
    this.state = new Workspace(kernels.allocate(bytes));
    this.optimizer = new AdamW(model, config.weightDecay(), config.maxGradNorm(), state);
    this.numbers = new StepNumbers(kernels, dtype, mostPending, most, state);
  }

  private void onPlan(TrainListener.Plan plan) {
    tokensPerChunk = plan.memory().tokensPerChunk();
    listeners.forEach(listener -> listener.onPlan(plan));
  }

  /** Steps of the whole run. */
  public long totalSteps() {
    return schedule.totalSteps();
  }

  /**
   * Trains to the end.
   *
   * @param told of every step and evaluation, and of the end
   */
  public TrainSummary run(List<TrainListener> told) {
    listeners = List.copyOf(told);
    listeners.forEach(listener -> listener.onStart(config));
    long stepsPerEpoch = config.stepsPerEpoch(sampler.batches());
    for (long step = 1; step <= totalSteps(); step++) {
      long epoch = (step - 1) / stepsPerEpoch;
      long stepInEpoch = (step - 1) % stepsPerEpoch;
      if (stepInEpoch == 0) {
        batches.reserve(epoch, (totalSteps() - step + 1) * config.gradientAccumulation());
      }
      step(step, epoch, stepInEpoch, (step - epoch * stepsPerEpoch) / (double) stepsPerEpoch);
      if (evaluatesAfter(step)) {
        evaluate(step);
      }
    }
    if (!checkpoint.hasDev()) {
      keep(totalSteps());
    }
    TrainSummary summary =
        new TrainSummary(
            totalSteps(),
            sentences,
            tokens,
            seconds,
            evaluationSeconds,
            loss,
            bestStep,
            bestSpearman);
    listeners.forEach(listener -> listener.onSummary(summary));
    return summary;
  }

  private boolean evaluatesAfter(long step) {
    boolean due = config.evalSteps() > 0 && step % config.evalSteps() == 0;
    return checkpoint.hasDev() && (due || step == totalSteps());
  }

  private void step(long step, long epoch, long stepInEpoch, double share) {
    if (pending.isEmpty()) {
      pendingSince = System.nanoTime();
    }
    long first = stepInEpoch * config.gradientAccumulation();
    long end = Math.min(first + config.gradientAccumulation(), sampler.batches());
    int place = pending.size();
    TrainStep.Result result = gradients(step, epoch, first, end, place);
    double learningRate = schedule.learningRate(step);
    optimizer.update(learningRate, numbers.gradientNorm(place));
    pending.add(
        new Pending(
            step, epoch + share, learningRate, (int) (end - first), result, tokensPerChunk));
    boolean full = pending.size() == mostPending || secondsPending() > MOST_SECONDS;
    if (full || evaluatesAfter(step) || step == totalSteps()) {
      tell();
    }
  }

  private double secondsPending() {
    return (System.nanoTime() - pendingSince) * 1e-9;
  }

  /** Reads the numbers of the steps since the last time, and tells of each. */
  private void tell() {
    numbers.read();
    double elapsed = secondsPending() / pending.size();
    for (int i = 0; i < pending.size(); i++) {
      Pending taken = pending.get(i);
      TrainStep.Result size = taken.size;
      double embeddingNorm = numbers.embeddingNormSum(i, taken.batches);
      requireFinite(taken.step, "length of the embeddings", embeddingNorm);
      loss = numbers.lossSum(i, taken.batches) / taken.batches;
      requireFinite(taken.step, "loss", loss);
      double gradNorm = numbers.gradientNormOf(i);
      requireFinite(taken.step, "gradient norm", gradNorm);
      seconds += elapsed;
      sentences += size.sentences();
      tokens += size.tokens();
      TrainListener.Step told =
          new TrainListener.Step(
              taken.step,
              totalSteps(),
              taken.epoch,
              loss,
              taken.learningRate,
              gradNorm,
              size.sentences() / elapsed,
              size.tokens() / elapsed,
              size.chunks(),
              taken.tokensPerChunk);
      listeners.forEach(listener -> listener.onStep(told));
    }
    pending.clear();
  }

  /**
   * The gradients of batches {@code first .. end - 1}, begun again where memory runs out.
   *
   * @param place of the step among those whose numbers are not read yet
   */
  private TrainStep.Result gradients(long step, long epoch, long first, long end, int place) {
    DropoutKey key = DropoutKey.of(config.seed(), step);
    float lossScale = 1f / (end - first);
    while (true) {
      try {
        TrainStep.Result sum = TrainStep.Result.NONE;
        optimizer.zeroGradients();
        for (int i = 0; i < end - first; i++) {
          sum =
              sum.plus(
                  batches.accumulate(
                      epoch,
                      first + i,
                      key,
                      lossScale,
                      optimizer.gradients(),
                      numbers.loss(place, i),
                      numbers.embeddingNorm(place, i)));
        }
        return sum;
      } catch (OutOfMemoryError e) {
        batches.shrink(e);
      }
    }
  }

  private void requireFinite(long step, String what, double value) {
    if (!Double.isFinite(value)) {
      if (step == 1) {
        throw new InputException(
            "the %s is %s at step 1, before anything was learnt: the weights of the model or 1 / --temperature are too large to compute with; choose another --model or raise --temperature."
                .formatted(what, value));
      }
      String kept = bestStep > 0 ? " (the weights of step " + bestStep + " are kept)" : "";
      throw new InputException(
          "the %s is %s at step %d: the training diverged%s; lower --learning-rate or add --warmup-steps."
              .formatted(what, value, step, kept));
    }
  }

  private void evaluate(long step) {
    long start = System.nanoTime();
    double spearman = checkpoint.score();
    boolean best = Double.isNaN(bestSpearman) || spearman > bestSpearman;
    if (best) {
      bestSpearman = spearman;
      keep(step);
    }
    double elapsed = (System.nanoTime() - start) * 1e-9;
    evaluationSeconds += elapsed;
    TrainListener.Evaluation told = new TrainListener.Evaluation(step, spearman, best, elapsed);
    listeners.forEach(listener -> listener.onEvaluation(told));
  }

  private void keep(long step) {
    bestStep = step;
    checkpoint.keep();
  }

  @Override
  public void close() {
    batches.close();
    numbers.close();
    state.close();
  }
}
