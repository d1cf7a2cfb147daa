package io.github.simcse4j.model;

import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.kernels.PackedBatch;
import io.github.simcse4j.kernels.RowStatistics;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Tensor;
import io.github.simcse4j.tensor.Workspace;
import java.util.ArrayList;
import java.util.List;

/**
 * The tensors of one pass of an {@link Encoder} over a batch, taken from a workspace. For a pass
 * that nothing is learnt from, all layers share one set.
 *
 * <p>With a pooler that uses the first token alone, the last layer is "narrow": everything after
 * its attention is computed for the first tokens only. Nothing else depends on those rows, so that
 * this changes no result.
 */
final class EncoderActivations {

  private final BatchDimensions dimensions;
  private final PassMode mode;
  private final boolean narrowLast;
  private final int layerCount;

  /** Output of the embeddings (R, H); the same tensor as {@code hidden} without a backward pass. */
  final Tensor embedded;

  final RowStatistics embeddingStatistics;

  /** The running hidden state of layers that share one (R, H); a gradient in the backward pass. */
  final Tensor hidden;

  /** The same of a narrow layer (E, H), or null. */
  final Tensor narrowHidden;

  /** The GELU's output of layers that share one, and the gradients of that size (R, F). */
  final Tensor wide;

  /** d(hidden) (R, H), or null. */
  final Tensor dHidden;

  /** d(narrowHidden) (E, H), or null. */
  final Tensor dNarrowHidden;

  /**
   * d(qkv) (R, 3 H), or null; it lies in {@code wide}, which is done with by then, where it fits.
   */
  final Tensor dQkv;

  /** The numbers 0..B (B + 1). */
  final Tensor counting;

  /** Attention's result of layers that share one (R, H), or null. */
  private final Tensor context;

  private final List<LayerActivations> layers = new ArrayList<>();

  EncoderActivations(
      EncoderConfig config,
      Pooler pooler,
      BatchDimensions dimensions,
      DType dtype,
      PassMode mode,
      Workspace workspace) {
    this.dimensions = dimensions;
    this.mode = mode;
    this.narrowLast = pooler.firstTokenOnly();
    this.layerCount = config.layers();
    int rows = dimensions.rows();
    int embeddings = dimensions.embeddings();
    int h = config.hiddenSize();
    boolean training = mode.training();
    this.counting = workspace.tensor(DType.I32, dimensions.sentences() + 1L);
    this.hidden = workspace.tensor(dtype, rows, h);
    this.embedded = training ? workspace.tensor(dtype, rows, h) : hidden;
    this.embeddingStatistics = statistics(workspace, dtype, dimensions.tokens());
    this.narrowHidden = narrowLast ? workspace.tensor(dtype, embeddings, h) : null;
    this.context = keeps() ? null : workspace.tensor(dtype, rows, h);
    this.wide = workspace.tensor(dtype, rows, config.intermediateSize());
    this.dHidden = training ? workspace.tensor(dtype, rows, h) : null;
    this.dNarrowHidden = training && narrowLast ? workspace.tensor(dtype, embeddings, h) : null;
    this.dQkv = training ? dQkv(wide, dtype, rows, 3L * h, workspace) : null;
    for (int l = 0; l < (training ? layerCount : 1); l++) {
      layers.add(layer(config, dtype, l, workspace));
    }
  }

  private static Tensor dQkv(
      Tensor wide, DType dtype, long rows, long columns, Workspace workspace) {
    return wide.extent(1) >= columns
        ? wide.slice(0, rows, columns)
        : workspace.tensor(dtype, rows, columns);
  }

  private LayerActivations layer(EncoderConfig config, DType dtype, int l, Workspace workspace) {
    boolean training = mode.training();
    boolean narrow = training && narrow(l);
    int rows = dimensions.rows();
    int outputRows = narrow ? dimensions.embeddings() : rows;
    long h = config.hiddenSize();
    long f = config.intermediateSize();
    Tensor state = narrow ? narrowHidden : hidden;
    Tensor attended = keeps() ? workspace.tensor(dtype, rows, h) : context;
    // No layer reads the output of the last.
    boolean keepsOutput = keeps() && l < layerCount - 1;
    return new LayerActivations(
        outputRows,
        workspace.tensor(dtype, rows, 3 * h),
        training ? workspace.tensor(Kernels.accumulator(dtype), rows, config.heads()) : null,
        attended,
        narrow ? workspace.tensor(dtype, outputRows, h) : attended,
        workspace.tensor(dtype, outputRows, h),
        statistics(workspace, dtype, outputRows),
        keeps() ? workspace.tensor(dtype, outputRows, h) : state,
        training ? workspace.tensor(dtype, outputRows, f) : null,
        keeps() ? workspace.tensor(dtype, outputRows, f) : wide.rows(0, outputRows),
        workspace.tensor(dtype, outputRows, h),
        statistics(workspace, dtype, outputRows),
        keepsOutput ? workspace.tensor(dtype, outputRows, h) : state);
  }

  private static RowStatistics statistics(Workspace workspace, DType dtype, long rows) {
    DType accumulator = Kernels.accumulator(dtype);
    return new RowStatistics(
        workspace.tensor(accumulator, rows), workspace.tensor(accumulator, rows));
  }

  boolean training() {
    return mode.training();
  }

  /** Whether the backward pass computes again what layers share, or finds it in each. */
  boolean replays() {
    return mode == PassMode.REPLAY;
  }

  private boolean keeps() {
    return mode == PassMode.KEEP;
  }

  /** Whether the second half of this layer is computed for the first tokens alone. */
  boolean narrow(int layer) {
    return narrowLast && layer == layerCount - 1;
  }

  /** The input of a layer: the embeddings, or the output of the layer before. */
  Tensor input(int layer) {
    return layer == 0 ? embedded : layer(layer - 1).output();
  }

  /** What layer {@code layer} computes. */
  LayerActivations layer(int layer) {
    if (training()) {
      return layers.get(layer);
    }
    LayerActivations shared = layers.getFirst();
    return narrow(layer) ? narrowed(shared) : shared;
  }

  /** The shared set of a pass without training, cut down to the first tokens. */
  private LayerActivations narrowed(LayerActivations shared) {
    int rows = dimensions.embeddings();
    return new LayerActivations(
        rows,
        shared.qkv(),
        null,
        context,
        shared.qkv().slice(0, rows, context.extent(1)),
        shared.attentionSum().rows(0, rows),
        firstRows(shared.attentionStatistics(), rows),
        narrowHidden,
        null,
        wide.rows(0, rows),
        shared.outputSum().rows(0, rows),
        firstRows(shared.outputStatistics(), rows),
        narrowHidden);
  }

  private static RowStatistics firstRows(RowStatistics statistics, int rows) {
    return new RowStatistics(statistics.mean().rows(0, rows), statistics.rstd().rows(0, rows));
  }

  /** Fits a batch to these activations, or fails. */
  void require(PackedBatch batch) {
    if (batch.tokens() != dimensions.tokens()
        || batch.sentences() != dimensions.sentences()
        || batch.views() != dimensions.views()) {
      throw new IllegalArgumentException("activations for " + dimensions + " do not fit " + batch);
    }
  }
}
