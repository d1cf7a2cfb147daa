package io.github.simcse4j.train;

import io.github.simcse4j.data.BatchPacker;
import io.github.simcse4j.data.BatchSampler;
import io.github.simcse4j.data.TokenStore;
import io.github.simcse4j.files.InputException;
import io.github.simcse4j.kernels.BatchLimits;
import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.kernels.PackedBatch;
import io.github.simcse4j.model.ForwardPass;
import io.github.simcse4j.model.SentenceModel;
import io.github.simcse4j.objective.ContrastiveObjective;
import io.github.simcse4j.random.DropoutKey;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Tensor;
import io.github.simcse4j.tensor.Workspace;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Locale;
import java.util.function.Consumer;

/**
 * Adds the exact gradients of one batch, however large, as GradCache does (Gao et al. 2021,
 * "Scaling deep contrastive learning batch size under memory limited setup"): the batch is encoded
 * in chunks, the objective is evaluated once over all embeddings, and every chunk is then run
 * backward. The last chunks keep their activations from the first pass, as many as there is room
 * for; the others are run again under the same dropout masks.
 */
final class TrainStep implements AutoCloseable {

  private final SentenceModel model;
  private final Kernels kernels;
  private final TokenStore store;
  private final BatchSampler sampler;
  private final ContrastiveObjective objective;
  private final MemoryPlanner planner;
  private final long[] groups;
  private final DType accumulator;
  private final Consumer<TrainListener.Plan> planned;
  private BatchExtent extent;
  private MemoryPlan plan;
  private Workspace workspace;
  private BatchPacker packer;
  private long maxTokens;
  private int maxKept = Integer.MAX_VALUE;

  /**
   * The size of some batches.
   *
   * @param tokens encoded, every view counted, each once
   * @param chunks the most of a batch
   */
  record Result(int sentences, long tokens, int chunks) {

    static final Result NONE = new Result(0, 0, 0);

    Result plus(Result other) {
      return new Result(
          sentences + other.sentences, tokens + other.tokens, Math.max(chunks, other.chunks));
    }
  }

  /** A batch on its way through the model. */
  private record Batch(
      int count, List<BatchChunk> chunks, DropoutKey key, Tensor embeddings, Tensor dEmbeddings) {}

  /** A chunk whose activations are there, and where they start. */
  private record Encoded(ForwardPass pass, long mark) {}

  /**
   * @param maxTokens most tokens of a chunk; 0 for no bound but memory
   * @param planned told of every plan before it is used
   */
  TrainStep(
      SentenceModel model,
      TokenStore store,
      BatchSampler sampler,
      ContrastiveObjective objective,
      MemoryPlanner planner,
      int maxTokens,
      Consumer<TrainListener.Plan> planned) {
    this.model = model;
    this.kernels = model.kernels();
    this.store = store;
    this.sampler = sampler;
    this.objective = objective;
    this.planner = planner;
    this.maxTokens = maxTokens;
    this.planned = planned;
    this.groups = new long[sampler.mostGroups()];
    this.accumulator = Kernels.accumulator(model.dtype());
  }

  /**
   * Makes room for the largest of the first {@code batchCount} batches of an epoch, which is known
   * exactly.
   *
   * @throws InputException where it is not to be had
   */
  void reserve(long epoch, long batchCount) {
    extent = BatchExtent.of(store, sampler, epoch, batchCount);
    allocate("");
  }

  /**
   * Makes do with half the tokens in memory at once after it ran out in {@link #accumulate}: half
   * as many chunks are kept, or else they are half as large. The step has to be begun again.
   *
   * @throws InputException where there is nothing left to halve
   */
  void shrink(OutOfMemoryError cause) {
    halve(cause);
    allocate(cause.getMessage());
  }

  private void allocate(String why) {
    String cause = why;
    while (true) {
      plan = planner.plan(extent, maxTokens, maxKept);
      planned.accept(new TrainListener.Plan(plan, cause));
      try {
        take();
        return;
      } catch (OutOfMemoryError e) {
        halve(e);
        cause = e.getMessage();
      }
    }
  }

  private void take() {
    closePacker();
    int vocabulary = model.config().vocabularySize();
    packer =
        new BatchPacker(
            store,
            kernels,
            new BatchLimits(
                plan.kept(), plan.sentencesPerChunk(), plan.tokensPerChunk(), vocabulary));
    if (workspace != null && workspace.byteSize() < plan.workspace()) {
      closeWorkspace();
    }
    if (workspace == null) {
      workspace = new Workspace(kernels.allocate(plan.workspace()));
    }
  }

  private void halve(OutOfMemoryError cause) {
    closeWorkspace();
    long tokens = plan.tokensPerChunk();
    if (tokens <= extent.longest() && plan.kept() == 1) {
      throw new InputException(
          String.format(
              Locale.ROOT,
              "the memory does not suffice for chunks of %d tokens, beside embeddings and loss of %s"
                  + " (%s); lower --batch-size or --max-length.",
              tokens,
              ByteText.of(plan.embeddings()),
              cause.getMessage()),
          cause);
    }
    // Fewer chunks kept change no bit; smaller ones change the order of sums.
    if (plan.kept() > 1) {
      maxKept = plan.kept() / 2;
      maxTokens = tokens;
    } else {
      maxKept = 1;
      maxTokens = Math.max(extent.longest(), tokens / 2);
    }
  }

  /**
   * Adds the gradients of one batch.
   *
   * @param key the step's dropout masks
   * @param lossScale factor on the gradients
   * @param gradients += (P)
   * @param loss of the batch (1)
   * @param norm the Euclidean length of all its embeddings (1)
   */
  Result accumulate(
      long epoch,
      long number,
      DropoutKey key,
      float lossScale,
      Tensor gradients,
      Tensor loss,
      Tensor norm) {
    workspace.release(0);
    int count = sampler.batch(epoch, number, groups);
    List<BatchChunk> chunks =
        BatchChunk.cut(store, groups, count, extent.views(), plan.tokensPerChunk());
    Batch batch = new Batch(count, chunks, key, embeddings(count), embeddings(count));
    Deque<Encoded> kept = encode(batch);
    long mark = workspace.mark();
    Tensor embeddings = batch.embeddings;
    objective.evaluate(kernels, count, embeddings, lossScale, loss, batch.dEmbeddings, workspace);
    kernels.gradientNorm(embeddings.reshape(embeddings.elements()), norm);
    workspace.release(mark);
    backward(batch, kept, gradients);
    long tokens = chunks.stream().mapToLong(BatchChunk::rows).sum();
    return new Result(count, tokens, chunks.size());
  }

  /** Computes the embeddings; returns the chunks that are kept, the last on top. */
  private Deque<Encoded> encode(Batch batch) {
    Deque<Encoded> kept = new ArrayDeque<>();
    int firstKept = Math.max(0, batch.chunks.size() - plan.kept());
    for (int i = 0; i < batch.chunks.size(); i++) {
      if (i >= firstKept) {
        kept.push(forward(batch, i, true));
      } else {
        workspace.release(forward(batch, i, false).mark);
      }
    }
    return kept;
  }

  /** From the last chunk to the first, so that how many are kept decides no bit of the sums. */
  private void backward(Batch batch, Deque<Encoded> kept, Tensor gradients) {
    for (int i = batch.chunks.size() - 1; i >= 0; i--) {
      Encoded encoded = kept.isEmpty() ? forward(batch, i, true) : kept.pop();
      model.backward(encoded.pass, rows(batch.dEmbeddings, batch, i), gradients);
      workspace.release(encoded.mark);
    }
  }

  private Encoded forward(Batch batch, int index, boolean training) {
    long mark = workspace.mark();
    BatchChunk chunk = batch.chunks.get(index);
    PackedBatch packed =
        packer
            .packColumns(groups, batch.count, chunk.from(), chunk.to())
            .withViews(chunk.firstView(), chunk.views());
    Tensor embeddings = rows(batch.embeddings, batch, index);
    return new Encoded(
        model.forward(packed, batch.key, training, true, embeddings, workspace), mark);
  }

  private Tensor embeddings(int count) {
    long rows = (long) extent.views() * count * store.columns();
    return workspace.tensor(accumulator, rows, model.dimension());
  }

  private Tensor rows(Tensor embeddings, Batch batch, int index) {
    BatchChunk chunk = batch.chunks.get(index);
    long first = chunk.firstEmbedding(batch.count * store.columns());
    return embeddings.rows(first, first + chunk.embeddings());
  }

  private void closePacker() {
    if (packer != null) {
      packer.close();
      packer = null;
    }
  }

  private void closeWorkspace() {
    if (workspace != null) {
      workspace.close();
      workspace = null;
    }
  }

  @Override
  public void close() {
    closePacker();
    closeWorkspace();
  }
}
