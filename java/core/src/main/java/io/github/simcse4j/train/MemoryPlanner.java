package io.github.simcse4j.train;

import io.github.simcse4j.files.InputException;
import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.model.BatchDimensions;
import io.github.simcse4j.model.ModelMemory;
import io.github.simcse4j.model.PassMode;
import io.github.simcse4j.objective.ContrastiveObjective;
import io.github.simcse4j.objective.ContrastiveOptions;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Workspace;
import java.util.Locale;

/**
 * Chooses how many tokens are encoded at once and how many chunks are kept, from the sizes that the
 * code itself takes: a batch that fits is left whole; of one that does not, as many chunks are kept
 * as fit. What is left of a device's memory then goes to activations that need not be computed
 * again.
 */
public final class MemoryPlanner {

  /** Enough rows that matrix products run at their full rate. */
  private static final long EFFICIENT_TOKENS = 8192;

  private final ModelMemory model;
  private final MemoryBudget budget;
  private final ContrastiveOptions lossOptions;
  private final long weights;
  private final long optimiser;

  /** A planner for one model under the published loss. */
  public MemoryPlanner(ModelMemory model, MemoryBudget budget) {
    this(model, budget, ContrastiveOptions.PUBLISHED);
  }

  /** A planner for one model. */
  public MemoryPlanner(ModelMemory model, MemoryBudget budget, ContrastiveOptions lossOptions) {
    this.model = model;
    this.budget = budget;
    this.lossOptions = lossOptions;
    this.weights = model.parameterBytes();
    this.optimiser = AdamW.bytes(model.layout(), Kernels.accumulator(model.dtype()));
  }

  /**
   * Makes sure that the model can be trained at all, before it is loaded.
   *
   * @throws InputException where weights and optimiser alone exceed the budget
   */
  public void requireModelFits() {
    if (weights + optimiser > budget.bytes()) {
      throw new InputException(
          "the weights ask for %s and the optimiser for %s, more than %s, %s; choose a smaller --model or raise --memory."
              .formatted(
                  ByteText.of(weights),
                  ByteText.of(optimiser),
                  ByteText.of(budget.bytes()),
                  budget.source()));
    }
  }

  /**
   * Makes sure that the longest sentence goes into a chunk.
   *
   * @throws InputException where it does not
   */
  public static void requireChunkHolds(MemorySettings settings, int longest) {
    if (settings.maxTokensPerChunk() > 0 && settings.maxTokensPerChunk() < longest) {
      throw new InputException(
          String.format(
              Locale.ROOT,
              "--max-tokens-per-chunk %d is smaller than the longest sentence of %d tokens; raise it"
                  + " or lower --max-length.",
              settings.maxTokensPerChunk(),
              longest));
    }
  }

  /**
   * The plan for batches up to a size.
   *
   * @param maxTokens most rows of a chunk, at least the longest sentence; 0 for no bound
   * @param maxKept most chunks to keep
   * @throws InputException where it cannot be kept within the budget
   */
  public MemoryPlan plan(BatchExtent batch, long maxTokens, int maxKept, Activations activations) {
    MemoryPlan plan = plan(batch, maxTokens, maxKept, activations.mode());
    boolean keeps =
        activations == Activations.AUTO
            && budget.ofDevice()
            && plan.otherMode().total() <= budget.bytes();
    return keeps ? plan.otherMode() : plan;
  }

  private MemoryPlan plan(BatchExtent batch, long maxTokens, int maxKept, PassMode mode) {
    long room = budget.bytes() - weights - optimiser - embeddingBytes(batch);
    // What is more cannot be numbered by the rows of one tensor.
    boolean mayBeWhole = batch.rows() <= (maxTokens == 0 ? Integer.MAX_VALUE : maxTokens);
    if (mayBeWhole) {
      MemoryPlan whole = plan(batch, batch.rows(), batch.views(), 1, mode);
      if (whole.activations() <= room) {
        return whole;
      }
    }
    long most = Math.min(maxTokens == 0 ? EFFICIENT_TOKENS : maxTokens, batch.tokens());
    long tokens = Math.max(most, batch.longest());
    MemoryPlan plan = plan(batch, tokens, 1, 1, mode);
    while (plan.activations() > room && tokens > batch.longest()) {
      tokens = Math.max(tokens / 2, batch.longest());
      plan = plan(batch, tokens, 1, 1, mode);
    }
    if (plan.activations() > room) {
      throw refusal(plan);
    }
    long kept = Math.min(Math.min(maxKept, plan.chunks()), room / plan.activations());
    return plan(batch, tokens, 1, (int) kept, mode);
  }

  private MemoryPlan plan(BatchExtent batch, long tokens, int views, int kept, PassMode mode) {
    boolean whole = tokens == batch.rows() && views == batch.views();
    int sentences =
        whole
            ? batch.sentences()
            : (int) Math.min(batch.sentences(), batch.sentencesWithin().applyAsLong(tokens));
    long chunks = whole ? 1 : batch.views() * Math.ceilDiv(batch.tokens(), tokens);
    BatchDimensions dimensions =
        new BatchDimensions(Math.toIntExact(tokens / views), sentences, views);
    return new MemoryPlan(
        weights,
        optimiser,
        embeddingBytes(batch),
        kept * model.passBytes(dimensions, mode),
        kept * model.passBytes(dimensions, MemoryPlan.other(mode)),
        batch.embeddings(),
        model.layout().config().hiddenSize(),
        tokens,
        sentences,
        chunks,
        kept,
        mode,
        budget);
  }

  private long embeddingBytes(BatchExtent batch) {
    return 2 * model.embeddingBytes(batch.embeddings())
        + ContrastiveObjective.workspaceBytes(
            lossOptions, model.dtype(), batch.groups(), batch.embeddings())
        + (lossOptions.maskDuplicates() ? Workspace.bytes(DType.I64, batch.embeddings()) : 0);
  }

  private static InputException refusal(MemoryPlan plan) {
    return new InputException(
        String.format(
            Locale.ROOT,
            "the weights ask for %s, the optimiser for %s, the embeddings and the loss for %s and the"
                + " activations of the smallest chunk, %d tokens, for %s, more than %s, %s; %slower %s or"
                + " raise --memory.",
            ByteText.of(plan.weights()),
            ByteText.of(plan.optimiser()),
            ByteText.of(plan.embeddings()),
            plan.tokensPerChunk(),
            ByteText.of(plan.activations()),
            ByteText.of(plan.budget().bytes()),
            plan.budget().source(),
            plan.mode() == PassMode.KEEP ? "choose --activations replay, " : "",
            plan.embeddings() > plan.activations() ? "--batch-size" : "--max-length"));
  }
}
