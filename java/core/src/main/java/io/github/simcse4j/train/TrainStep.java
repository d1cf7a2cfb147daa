package io.github.simcse4j.train;

import io.github.simcse4j.data.BatchPacker;
import io.github.simcse4j.data.BatchSampler;
import io.github.simcse4j.data.TokenStore;
import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.kernels.PackedBatch;
import io.github.simcse4j.model.BatchDimensions;
import io.github.simcse4j.model.ForwardPass;
import io.github.simcse4j.model.SentenceModel;
import io.github.simcse4j.objective.ContrastiveObjective;
import io.github.simcse4j.random.DropoutKey;
import io.github.simcse4j.tensor.Tensor;
import io.github.simcse4j.tensor.Workspace;

/** Adds the gradients of one batch: packing, forward pass, objective and backward pass. */
final class TrainStep implements AutoCloseable {

  private final SentenceModel model;
  private final Kernels kernels;
  private final TokenStore store;
  private final BatchSampler sampler;
  private final BatchPacker packer;
  private final ContrastiveObjective objective;
  private final int views;
  private final long[] groups;
  private final Tensor hostLoss;
  private Workspace workspace;

  /** What one batch came to. */
  record Result(double loss, int sentences, int tokens) {}

  TrainStep(
      SentenceModel model, TokenStore store, BatchSampler sampler, ContrastiveObjective objective) {
    this.model = model;
    this.kernels = model.kernels();
    this.store = store;
    this.sampler = sampler;
    this.objective = objective;
    this.views = TrainConfig.views(store.columns());
    int batchSize = sampler.settings().batchSize();
    this.packer =
        new BatchPacker(store, batchSize * store.columns(), model.config().vocabularySize());
    this.groups = new long[batchSize];
    this.hostLoss = Tensor.host(Kernels.accumulator(model.dtype()), 1);
  }

  /**
   * Makes sure that the workspace holds the largest of the first {@code batchCount} batches of an
   * epoch, which is known exactly.
   */
  void reserve(long epoch, long batchCount) {
    int tokens = sampler.maxTokens(epoch, batchCount, 0, store.columns());
    int sentences = groups.length * store.columns();
    long bytes = workspaceBytes(new BatchDimensions(tokens, sentences, views));
    if (workspace == null || workspace.byteSize() < bytes) {
      if (workspace != null) {
        workspace.close();
      }
      workspace = new Workspace(kernels.allocate(bytes));
    }
  }

  private long workspaceBytes(BatchDimensions dimensions) {
    int rows = dimensions.embeddings();
    return model.workspaceBytes(dimensions, true)
        + Workspace.bytes(model.dtype(), (long) rows * model.dimension())
        + Workspace.bytes(model.dtype(), 1)
        + ContrastiveObjective.workspaceBytes(model.dtype(), groups.length, rows);
  }

  /**
   * Adds the gradients of one batch.
   *
   * @param key the step's dropout masks
   * @param lossScale factor on the gradients
   * @param gradients += (P)
   */
  Result accumulate(long epoch, long batch, DropoutKey key, float lossScale, Tensor gradients) {
    int count = sampler.batch(epoch, batch, groups);
    PackedBatch packed = packer.packColumns(groups, 0, count).withViews(0, views);
    long mark = workspace.mark();
    ForwardPass pass = model.forward(packed, key, true, true, workspace);
    Tensor loss = workspace.tensor(Kernels.accumulator(model.dtype()), 1);
    Tensor dEmbeddings = workspace.tensor(model.dtype(), packed.embeddings(), model.dimension());
    objective.evaluate(kernels, count, pass.embeddings(), lossScale, loss, dEmbeddings, workspace);
    model.backward(pass, dEmbeddings, gradients);
    kernels.download(loss, hostLoss);
    workspace.release(mark);
    return new Result(hostLoss.get(0), count, packed.rows());
  }

  @Override
  public void close() {
    packer.close();
    hostLoss.memory().close();
    if (workspace != null) {
      workspace.close();
    }
  }
}
