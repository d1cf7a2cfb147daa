package io.github.simcse4j.model;

import io.github.simcse4j.kernels.DeviceTraits;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.PlannedMemory;
import io.github.simcse4j.tensor.Tensor;
import io.github.simcse4j.tensor.Workspace;

/**
 * How much memory a model and its passes take up, known before there is a model.
 *
 * @param layout of the parameters
 * @param dtype of matrices and activations
 * @param embeddingType of embeddings: {@code dtype} or its accumulator type
 */
public record ModelMemory(ParameterLayout layout, Pooler pooler, DType dtype, DType embeddingType) {

  /** The model of a config that is trained with a pooler on a device. */
  public static ModelMemory of(
      EncoderConfig config, Pooler pooler, DType dtype, DeviceTraits traits) {
    ParameterLayout layout = new ParameterLayout(config, pooler == Pooler.CLS);
    return new ModelMemory(layout, pooler, dtype, traits.lossType(dtype));
  }

  /** Bytes of the parameters of a model that is trained. */
  public long parameterBytes() {
    return ModelParameters.bytes(layout, dtype, true);
  }

  /**
   * Bytes of workspace that {@link SentenceModel#forward} and {@link SentenceModel#backward} take
   * for a batch of this size, without the embeddings. More tokens or more sentences never take
   * less.
   */
  public long passBytes(BatchDimensions dimensions, PassMode mode) {
    Tensor elsewhere = embeddings(dimensions, new Workspace(new PlannedMemory()));
    Workspace planned = new Workspace(new PlannedMemory());
    PassBuffers.take(this, dimensions, mode, layout.hasHead(), elsewhere, planned);
    return planned.peak();
  }

  /** Bytes that the embeddings of a batch of this size take up. */
  public long embeddingBytes(long rows) {
    return Workspace.bytes(embeddingType, rows * layout.config().hiddenSize());
  }

  /** Room for the embeddings of a batch (E, H). */
  Tensor embeddings(BatchDimensions dimensions, Workspace workspace) {
    return workspace.tensor(embeddingType, dimensions.embeddings(), layout.config().hiddenSize());
  }
}
