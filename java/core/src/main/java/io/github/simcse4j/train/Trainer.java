package io.github.simcse4j.train;

import io.github.simcse4j.data.BatchSampler;
import io.github.simcse4j.data.BatchSettings;
import io.github.simcse4j.data.TokenStore;
import io.github.simcse4j.files.InputException;
import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.model.SentenceModel;
import io.github.simcse4j.random.DropoutKey;
import io.github.simcse4j.tensor.Tensor;
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

  private final TrainConfig config;
  private final SentenceModel model;
  private final BatchSampler sampler;
  private final TrainStep batches;
  private final AdamW optimizer;
  private final LinearSchedule schedule;
  private final Checkpoint checkpoint;
  private final Tensor hostNorm;
  private List<TrainListener> listeners = List.of();
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
    this.optimizer = new AdamW(model, config.weightDecay(), config.maxGradNorm());
    this.hostNorm = Tensor.host(Kernels.accumulator(model.dtype()), 1);
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
    long start = System.nanoTime();
    long first = stepInEpoch * config.gradientAccumulation();
    long end = Math.min(first + config.gradientAccumulation(), sampler.batches());
    TrainStep.Result result = gradients(step, epoch, first, end);
    requireFinite(step, "length of the embeddings", result.embeddingNorm());
    loss = result.loss() / (end - first);
    requireFinite(step, "loss", loss);
    double learningRate = schedule.learningRate(step);
    optimizer.update(learningRate);
    model.kernels().download(optimizer.norm(), hostNorm);
    requireFinite(step, "gradient norm", hostNorm.get(0));
    double elapsed = (System.nanoTime() - start) * 1e-9;
    seconds += elapsed;
    sentences += result.sentences();
    tokens += result.tokens();
    TrainListener.Step told =
        new TrainListener.Step(
            step,
            totalSteps(),
            epoch + share,
            loss,
            learningRate,
            hostNorm.get(0),
            result.sentences() / elapsed,
            result.tokens() / elapsed,
            result.chunks(),
            tokensPerChunk);
    listeners.forEach(listener -> listener.onStep(told));
  }

  /** The gradients of batches {@code first .. end - 1}, begun again where memory runs out. */
  private TrainStep.Result gradients(long step, long epoch, long first, long end) {
    DropoutKey key = DropoutKey.of(config.seed(), step);
    while (true) {
      try {
        TrainStep.Result sum = TrainStep.Result.NONE;
        optimizer.zeroGradients();
        for (long batch = first; batch < end; batch++) {
          float lossScale = 1f / (end - first);
          sum = sum.plus(batches.accumulate(epoch, batch, key, lossScale, optimizer.gradients()));
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
    optimizer.close();
    hostNorm.memory().close();
  }
}
