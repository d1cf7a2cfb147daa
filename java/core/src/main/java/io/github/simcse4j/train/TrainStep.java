package io.github.simcse4j.train;

import io.github.simcse4j.data.BatchPacker;
import io.github.simcse4j.data.BatchSampler;
import io.github.simcse4j.data.TokenStore;
import io.github.simcse4j.files.InputException;
import io.github.simcse4j.kernels.BatchLimits;
import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.kernels.PackedBatch;
import io.github.simcse4j.model.ForwardPass;
import io.github.simcse4j.model.PassMode;
import io.github.simcse4j.model.SentenceModel;
import io.github.simcse4j.objective.ContrastiveObjective;
import io.github.simcse4j.random.DropoutKey;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.HostMemory;
import io.github.simcse4j.tensor.Tensor;
import io.github.simcse4j.tensor.Workspace;
import java.lang.foreign.ValueLayout;
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
  private final DType lossType;

  /** What the sentence of each embedding says, or null where that does not matter. */
  private final Tensor hostIds;

  private final Consumer<TrainListener.Plan> planned;
  private BatchExtent extent;
  private MemoryPlan plan;
  private Workspace workspace;

  /** The mark where the tensors of a step begin. */
  private long empty;

  private BatchPacker packer;
  private long maxTokens;
  private int maxKept;
  private Activations activations;

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
      int count,
      List<BatchChunk> chunks,
      DropoutKey key,
      Tensor embeddings,
      Tensor dEmbeddings,
      Tensor ids) {}

  /** A chunk whose activations are there, and where they start. */
  private record Encoded(ForwardPass pass, long mark) {}

  /**
   * @param settings bounds beside that of {@code planner}
   * @param planned told of every plan before it is used
   */
  TrainStep(
      SentenceModel model,
      TokenStore store,
      BatchSampler sampler,
      ContrastiveObjective objective,
      MemoryPlanner planner,
      MemorySettings settings,
      Consumer<TrainListener.Plan> planned) {
    this.model = model;
    this.kernels = model.kernels();
    this.store = store;
    this.sampler = sampler;
    this.objective = objective;
    this.planner = planner;
    this.maxTokens = settings.maxTokensPerChunk();
    this.maxKept = settings.maxKeptChunks();
    this.activations = settings.activations();
    this.planned = planned;
    this.groups = new long[sampler.mostGroups()];
    this.lossType = model.memory().embeddingType();
    long sentences = (long) sampler.mostGroups() * store.columns();
    this.hostIds =
        objective.options().maskDuplicates()
            ? Tensor.host(DType.I64, TrainConfig.views(store.columns()) * sentences)
            : null;
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
   * Makes do with less after memory ran out in {@link #accumulate}: some activations are computed
   * again, or else half as many chunks are kept, or else they are half as large. The step has to be
   * begun again.
   *
   * @throws InputException where there is nothing left to lower
   */
  void shrink(OutOfMemoryError cause) {
    lower(cause);
    allocate(cause.getMessage());
  }

  private void allocate(String why) {
    String cause = why;
    while (true) {
      plan = planner.plan(extent, maxTokens, maxKept, activations);
      planned.accept(new TrainListener.Plan(plan, cause));
      try {
        take();
        return;
      } catch (OutOfMemoryError e) {
        lower(e);
        cause = e.getMessage();
      }
    }
  }

  private void take() {
    closePacker();
    int vocabulary = model.config().vocabularySize();
    BatchLimits limits =
        new BatchLimits(plan.kept(), plan.sentencesPerChunk(), plan.tokensPerChunk(), vocabulary);
    long bytes = kernels.stageBytes(limits) + plan.workspace();
    if (workspace != null && workspace.byteSize() < bytes) {
      closeWorkspace();
    }
    if (workspace == null) {
      workspace = new Workspace(kernels.allocate(bytes));
    }
    workspace.release(0);
    packer = new BatchPacker(store, kernels, limits, workspace);
    empty = workspace.mark();
  }

  private void lower(OutOfMemoryError cause) {
    closePacker();
    closeWorkspace();
    boolean keeps = plan.mode() == PassMode.KEEP;
    long tokens = plan.tokensPerChunk();
    if (tokens <= extent.longest() && plan.kept() == 1 && !keeps) {
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
    // Fewer chunks kept change no bit; less kept of them changes what is rounded, smaller ones the
    // order of sums.
    activations = Activations.REPLAY;
    if (keeps) {
      bound(plan.chunks() == 1 ? maxTokens : tokens, plan.kept());
    } else if (plan.kept() > 1) {
      bound(tokens, plan.kept() / 2);
    } else {
      bound(Math.max(extent.longest(), tokens / 2), 1);
    }
  }

  private void bound(long tokens, int kept) {
    maxTokens = tokens;
    maxKept = kept;
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
    workspace.release(empty);
    int count = sampler.batch(epoch, number, groups);
    List<BatchChunk> chunks =
        BatchChunk.cut(store, groups, count, extent.views(), plan.tokensPerChunk());
    Batch batch = new Batch(count, chunks, key, embeddings(count), embeddings(count), ids(count));
    if (chunks.size() == 1) {
      PackedBatch whole = pack(batch, 0);
      kernels.together(
          likeShapes(whole),
          () -> {
            Encoded encoded = forward(batch, 0, whole, plan.mode());
            if (evaluate(batch, lossScale, loss, norm)) {
              backward(batch, 0, encoded, gradients);
            }
          });
    } else {
      Deque<Encoded> kept = encode(batch);
      if (evaluate(batch, lossScale, loss, norm)) {
        backward(batch, kept, gradients);
      }
    }
    long tokens = chunks.stream().mapToLong(BatchChunk::rows).sum();
    return new Result(count, tokens, chunks.size());
  }

  /** The same for batches of about as many tokens: what is asked for is then mostly the same. */
  private static long likeShapes(PackedBatch batch) {
    return (bucket(batch.tokens()) * 31 + bucket(batch.maxLength())) * 31 + batch.sentences();
  }

  /** The next number of three binary digits, at most a quarter above. */
  private static long bucket(long count) {
    long step = Math.max(1, Long.highestOneBit(count) / 4);
    return (count + step - 1) / step * step;
  }

  /** The loss and its gradient; false where the embeddings are known to be no numbers. */
  private boolean evaluate(Batch batch, float lossScale, Tensor loss, Tensor norm) {
    Tensor embeddings = batch.embeddings;
    // On the host the loss refuses what is no number; a device's numbers cannot be looked at yet.
    boolean onHost = norm.memory() instanceof HostMemory;
    if (onHost) {
      kernels.gradientNorm(embeddings.reshape(embeddings.elements()), norm);
      if (!Double.isFinite(norm.get(0))) {
        loss.set(0, Double.NaN);
        return false;
      }
    }
    long mark = workspace.mark();
    Tensor lengths =
        objective.evaluate(
            kernels,
            batch.count,
            embeddings,
            batch.ids,
            lossScale,
            loss,
            batch.dEmbeddings,
            workspace);
    if (!onHost) {
      kernels.gradientNorm(lengths, norm);
    }
    workspace.release(mark);
    return true;
  }

  /** Computes the embeddings; returns the chunks that are kept, the last on top. */
  private Deque<Encoded> encode(Batch batch) {
    Deque<Encoded> kept = new ArrayDeque<>();
    int firstKept = Math.max(0, batch.chunks.size() - plan.kept());
    for (int i = 0; i < batch.chunks.size(); i++) {
      if (i >= firstKept) {
        kept.push(forward(batch, i, pack(batch, i), plan.mode()));
      } else {
        workspace.release(forward(batch, i, pack(batch, i), PassMode.ENCODE).mark);
      }
    }
    return kept;
  }

  /** From the last chunk to the first, so that how many are kept decides no bit of the sums. */
  private void backward(Batch batch, Deque<Encoded> kept, Tensor gradients) {
    for (int i = batch.chunks.size() - 1; i >= 0; i--) {
      Encoded encoded =
          kept.isEmpty() ? forward(batch, i, pack(batch, i), plan.mode()) : kept.pop();
      backward(batch, i, encoded, gradients);
    }
  }

  private void backward(Batch batch, int index, Encoded encoded, Tensor gradients) {
    model.backward(encoded.pass, rows(batch.dEmbeddings, batch, index), gradients);
    workspace.release(encoded.mark);
  }

  private PackedBatch pack(Batch batch, int index) {
    BatchChunk chunk = batch.chunks.get(index);
    return packer
        .packColumns(groups, batch.count, chunk.from(), chunk.to())
        .withViews(chunk.firstView(), chunk.views());
  }

  private Encoded forward(Batch batch, int index, PackedBatch packed, PassMode mode) {
    long mark = workspace.mark();
    Tensor embeddings = rows(batch.embeddings, batch, index);
    return new Encoded(model.forward(packed, batch.key, mode, true, embeddings, workspace), mark);
  }

  /** Says of each embedding what its sentence says, view after view. */
  private Tensor ids(int count) {
    if (hostIds == null) {
      return null;
    }
    int columns = store.columns();
    int sentences = count * columns;
    Tensor host = hostIds.rows(0, (long) extent.views() * sentences);
    for (int i = 0; i < sentences; i++) {
      long hash = store.hash(groups[i % count] * columns + i / count);
      for (long view = 0; view < extent.views(); view++) {
        host.segment().setAtIndex(ValueLayout.JAVA_LONG, view * sentences + i, hash);
      }
    }
    Tensor ids = workspace.tensor(DType.I64, host.elements());
    kernels.upload(host, ids);
    return ids;
  }

  private Tensor embeddings(int count) {
    long rows = (long) extent.views() * count * store.columns();
    return workspace.tensor(lossType, rows, model.dimension());
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
    if (hostIds != null) {
      hostIds.memory().close();
    }
  }
}
