package io.github.simcse4j.model;

import io.github.simcse4j.files.InputException;
import io.github.simcse4j.kernels.DeviceTraits;
import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.kernels.PackedBatch;
import io.github.simcse4j.random.DropoutKey;
import io.github.simcse4j.tensor.DType;
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
  private final ModelParameters parameters;

  /**
   * A model of zeros; {@link SentenceModels} fills it.
   *
   * @param dtype of matrices and activations: F32, BF16, or F64 on the reference backend
   * @param trainable whether the matrices are kept in the accumulator type where {@code dtype} is
   *     another
   */
  SentenceModel(
      EncoderConfig config, Pooler pooler, Kernels kernels, DType dtype, boolean trainable) {
    requireHeads(config, kernels);
    this.layout = new ParameterLayout(config, pooler == Pooler.CLS);
    this.pooler = pooler;
    this.kernels = kernels;
    this.parameters = new ModelParameters(layout, kernels, dtype, trainable);
  }

  /** Refuses a model whose attention these kernels do not compute, before there is one. */
  public static void requireHeads(EncoderConfig config, Kernels kernels) {
    DeviceTraits traits = kernels.traits();
    if (!traits.takesHeadsOf(config.headSize())) {
      throw new InputException(
          "the heads of the model have %d channels, and kernels %s take %s; use --device cpu."
              .formatted(config.headSize(), kernels.name(), traits.headSizesInWords()));
    }
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

  /**
   * All parameters as one array (P) of the accumulator type, for the optimiser.
   *
   * @throws IllegalStateException where the model is there to be used alone, in another type
   */
  public Tensor parameters() {
    return parameters.master();
  }

  /**
   * The matrices in the type that they are multiplied in, the first {@link ParameterLayout#decayed}
   * elements of {@link #parameters} rounded; null where that is the same type. Whoever changes the
   * parameters writes it too.
   */
  public Tensor copy() {
    return parameters.copy();
  }

  /** The type of activations. */
  public DType dtype() {
    return parameters.dtype();
  }

  /** Channels of a sentence embedding. */
  public int dimension() {
    return config().hiddenSize();
  }

  /**
   * Lets the backend keep packed forms of the matrices, until {@link #releaseWeights}: faster where
   * they are used often and do not change, at a cost in memory.
   */
  public void holdWeights() {
    kernels.holdWeights(parameters.matrices());
  }

  /** Ends {@link #holdWeights}. */
  public void releaseWeights() {
    kernels.releaseWeights(parameters.matrices());
  }

  /** How much memory the model and its passes take up in a training. */
  public ModelMemory memory() {
    return memory(kernels.traits().lossType(dtype()));
  }

  /** The same with embeddings of some type. */
  private ModelMemory memory(DType embeddings) {
    return new ModelMemory(layout, pooler, dtype(), embeddings);
  }

  /**
   * Bytes of workspace that {@link #forward(PackedBatch, DropoutKey, PassMode, boolean, Workspace)}
   * and {@link #backward} take for a batch of this size.
   */
  public long workspaceBytes(BatchDimensions dimensions, PassMode mode) {
    ModelMemory memory = memory(Kernels.accumulator(dtype()));
    return memory.passBytes(dimensions, mode) + memory.embeddingBytes(dimensions.embeddings());
  }

  /**
   * Encodes a batch into embeddings of the workspace, of the accumulator type.
   *
   * @param key the step's dropout key, or null to drop nothing
   * @param mode whether a backward pass follows, and what it finds
   * @param head whether the linear layer behind the pooler is used, where there is one
   * @param workspace where every tensor of the pass is taken from
   */
  public ForwardPass forward(
      PackedBatch batch, DropoutKey key, PassMode mode, boolean head, Workspace workspace) {
    ModelMemory memory = memory(Kernels.accumulator(dtype()));
    Tensor embeddings = memory.embeddings(dimensions(batch), workspace);
    return forward(batch, key, mode, head, embeddings, workspace);
  }

  /**
   * Encodes a batch. With the same key it gives the same bits again in every mode.
   *
   * @param key the step's dropout key, or null to drop nothing; then the bits of a pass for
   *     training and of one for use may differ
   * @param mode whether a backward pass follows, and what it finds
   * @param head whether the linear layer behind the pooler is used, where there is one
   * @param embeddings (views * B, H) of the activations' type or its accumulator type, view after
   *     view; the backward pass may use them up
   * @param workspace where every other tensor of the pass is taken from
   */
  public ForwardPass forward(
      PackedBatch batch,
      DropoutKey key,
      PassMode mode,
      boolean head,
      Tensor embeddings,
      Workspace workspace) {
    boolean withHead = head && layout.hasHead();
    ModelMemory memory = memory(embeddings.dtype());
    PassBuffers buffers =
        PassBuffers.take(memory, dimensions(batch), mode, withHead, embeddings, workspace);
    Encoder encoder = new Encoder(config(), pooler, kernels);
    EncoderParameters weights = parameters.views();
    encoder.forward(batch, weights, key, buffers.activations(), buffers.pooled(), buffers.argmax());
    if (withHead) {
      buffers.head().forward(kernels, buffers.pooled(), weights);
    } else if (buffers.pooled() != embeddings) {
      kernels.convert(buffers.pooled(), embeddings);
    }
    return new ForwardPass(batch, key, buffers);
  }

  private static BatchDimensions dimensions(PackedBatch batch) {
    return new BatchDimensions(batch.tokens(), batch.sentences(), batch.views());
  }

  /**
   * Adds the gradients of all parameters. The pass is used up.
   *
   * @param dEmbeddings (views * B, H), of the embeddings' type; overwritten
   * @param gradients += in the layout and type of {@link #parameters} (P)
   */
  public void backward(ForwardPass pass, Tensor dEmbeddings, Tensor gradients) {
    EncoderParameters weights = parameters.views();
    EncoderParameters views = new EncoderParameters(layout, gradients);
    PassBuffers buffers = pass.buffers;
    Tensor dPooled = dEmbeddings;
    if (buffers.head() != null) {
      buffers.head().backward(kernels, dEmbeddings, weights, views);
      dPooled = buffers.embeddings();
    }
    Encoder encoder = new Encoder(config(), pooler, kernels);
    encoder.backward(
        pass.batch, weights, pass.key, buffers.activations(), dPooled, buffers.argmax(), views);
  }

  /** Sets a parameter to numbers of the host, in F32 and of its shape. */
  void set(ParameterLayout.Entry entry, Tensor floats) {
    parameters.set(entry, floats);
  }

  @Override
  public void close() {
    parameters.close();
  }
}
