package io.github.simcse4j.model;

import io.github.simcse4j.kernels.GemmEpilogue;
import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.kernels.PackedBatch;
import io.github.simcse4j.random.DropoutKey;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Memory;
import io.github.simcse4j.tensor.PlannedMemory;
import io.github.simcse4j.tensor.Shape;
import io.github.simcse4j.tensor.Tensor;
import io.github.simcse4j.tensor.Workspace;

/**
 * A sentence encoder: BERT, a pooler, and for the pooler {@code cls} a linear layer with tanh. It
 * owns its parameters in the memory of one backend.
 */
public final class SentenceModel implements AutoCloseable {

  private final ParameterLayout layout;
  private final Pooler pooler;
  private final Kernels kernels;
  private final DType dtype;
  private final Memory memory;
  private final EncoderParameters weights;

  /**
   * A model of zeros; {@link SentenceModels} fills it.
   *
   * @param dtype of parameters and activations: F32, or F64 on the reference backend
   */
  SentenceModel(EncoderConfig config, Pooler pooler, Kernels kernels, DType dtype) {
    this.layout = new ParameterLayout(config, pooler == Pooler.CLS);
    this.pooler = pooler;
    this.kernels = kernels;
    this.dtype = dtype;
    this.memory = kernels.allocate(layout.elements() * dtype.bytes());
    this.weights =
        new EncoderParameters(layout, new Tensor(memory, 0, dtype, Shape.of(layout.elements())));
  }

  public EncoderConfig config() {
    return layout.config();
  }

  public Pooler pooler() {
    return pooler;
  }

  public Kernels kernels() {
    return kernels;
  }

  public ParameterLayout layout() {
    return layout;
  }

  /** All parameters as one array (P), for the optimiser. */
  public Tensor parameters() {
    return weights.flat();
  }

  /** The type of parameters and activations. */
  public DType dtype() {
    return dtype;
  }

  /** Channels of a sentence embedding. */
  public int dimension() {
    return config().hiddenSize();
  }

  /**
   * Bytes of workspace that {@link #forward} and {@link #backward} take for a batch of this size.
   */
  public long workspaceBytes(BatchDimensions dimensions, boolean training) {
    Workspace planned = new Workspace(new PlannedMemory());
    allocate(dimensions, training, planned);
    return planned.peak();
  }

  /**
   * Encodes a batch.
   *
   * @param key the step's dropout key, or null to drop nothing
   * @param training whether a backward pass follows
   * @param head whether the linear layer behind the pooler is used, where there is one
   * @param workspace where every tensor of the pass is taken from
   */
  public ForwardPass forward(
      PackedBatch batch, DropoutKey key, boolean training, boolean head, Workspace workspace) {
    BatchDimensions dimensions =
        new BatchDimensions(batch.tokens(), batch.sentences(), batch.views());
    Buffers buffers = allocate(dimensions, training, workspace);
    Encoder encoder = new Encoder(config(), pooler, kernels);
    encoder.forward(batch, weights, key, buffers.activations, buffers.pooled, buffers.argmax);
    boolean useHead = head && layout.hasHead();
    if (useHead) {
      kernels.gemm(
          false,
          true,
          buffers.pooled,
          weights.headWeight(),
          buffers.embeddings,
          GemmEpilogue.biasTanh(weights.headBias()));
    }
    return new ForwardPass(
        batch,
        key,
        buffers.activations,
        buffers.pooled,
        buffers.argmax,
        useHead,
        useHead ? buffers.embeddings : buffers.pooled);
  }

  /**
   * Adds the gradients of all parameters. The pass is used up.
   *
   * @param dEmbeddings (views * B, H); overwritten
   * @param gradients += in the layout of {@link #parameters} (P)
   */
  public void backward(ForwardPass pass, Tensor dEmbeddings, Tensor gradients) {
    EncoderParameters views = new EncoderParameters(layout, gradients);
    Tensor dPooled = dEmbeddings;
    if (pass.head) {
      kernels.tanhBackward(pass.embeddings(), dEmbeddings);
      kernels.columnSum(dEmbeddings, views.headBias());
      kernels.gemm(
          true, false, dEmbeddings, pass.pooled, views.headWeight(), GemmEpilogue.ACCUMULATE);
      dPooled = pass.embeddings();
      kernels.gemm(false, false, dEmbeddings, weights.headWeight(), dPooled, GemmEpilogue.STORE);
    }
    Encoder encoder = new Encoder(config(), pooler, kernels);
    encoder.backward(pass.batch, weights, pass.key, pass.activations, dPooled, pass.argmax, views);
  }

  /** A parameter as it lies in the backend's memory, by its Hugging Face name. */
  Tensor parameter(String name) {
    return weights.tensor(name);
  }

  @Override
  public void close() {
    memory.close();
  }

  private record Buffers(
      EncoderActivations activations, Tensor pooled, Tensor argmax, Tensor embeddings) {}

  private Buffers allocate(BatchDimensions dimensions, boolean training, Workspace workspace) {
    long rows = dimensions.embeddings();
    long h = dimension();
    return new Buffers(
        new EncoderActivations(config(), pooler, dimensions, dtype, training, workspace),
        workspace.tensor(dtype, rows, h),
        pooler == Pooler.MAX ? workspace.tensor(DType.I32, rows, h) : null,
        layout.hasHead() ? workspace.tensor(dtype, rows, h) : null);
  }
}
