package io.github.simcse4j.kernels.ffm;

import io.github.simcse4j.kernels.AdamWStep;
import io.github.simcse4j.kernels.Contrast;
import io.github.simcse4j.kernels.ContrastPairs;
import io.github.simcse4j.kernels.ContrastStatistics;
import io.github.simcse4j.kernels.EmbeddingTables;
import io.github.simcse4j.kernels.GemmEpilogue;
import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.kernels.LayerNorm;
import io.github.simcse4j.kernels.PackedBatch;
import io.github.simcse4j.kernels.PoolingMode;
import io.github.simcse4j.kernels.RowStatistics;
import io.github.simcse4j.random.Dropout;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * The operations of the contract as calls of the table of {@code simcse.h}, each under its name
 * there. What is left to a subclass is where tensors lie.
 */
abstract class DeviceOperations extends Kernels {

  private final Arena arena = Arena.ofShared();
  private final NativeDevice device;
  private final Arguments arguments;
  private final Arguments batches;

  /**
   * @param device open; closed with these kernels
   */
  DeviceOperations(NativeDevice device) {
    this.device = device;
    long largest =
        Arrays.stream(Operation.values()).mapToLong(o -> o.arguments().size()).max().orElseThrow();
    arguments = new Arguments(largest, arena, this::address);
    batches = new Arguments(Structs.BATCH.size(), arena, this::address);
  }

  /** Where a tensor lies that is this backend's; fails for any other. */
  abstract long address(Tensor tensor);

  static void requireFit(String operation, Tensor from, Tensor to) {
    if (from.dtype() != to.dtype() || !from.shape().equals(to.shape())) {
      throw new IllegalArgumentException(operation + ": " + from + " does not fit " + to);
    }
  }

  static void requireCounted(Tensor tensor) {
    if (tensor.dtype() != DType.I32) {
      throw new IllegalArgumentException("iota: expected I32, found " + tensor);
    }
  }

  @Override
  public final boolean supports(DType dtype) {
    return dtype == DType.F32 || dtype == DType.BF16;
  }

  @Override
  public final void synchronize() {
    device.synchronize();
  }

  /** Closes the device; later calls do nothing. */
  @Override
  public void close() {
    if (arena.scope().isAlive()) {
      arena.close();
      device.close();
    }
  }

  @Override
  protected final void doEmbeddingForward(
      PackedBatch batch,
      EmbeddingTables tables,
      LayerNorm norm,
      Dropout dropout,
      Tensor out,
      RowStatistics statistics) {
    embedding(Operation.EMBEDDING_FORWARD, batch, tables, norm, dropout, out)
        .pointer("out", out)
        .pointer("mean", statistics.mean())
        .pointer("rstd", statistics.rstd());
    run(Operation.EMBEDDING_FORWARD);
  }

  @Override
  protected final void doEmbeddingBackward(
      PackedBatch batch,
      EmbeddingTables tables,
      LayerNorm norm,
      RowStatistics statistics,
      Dropout dropout,
      Tensor dOut,
      Tensor scratch,
      EmbeddingTables dTables,
      Tensor dGamma,
      Tensor dBeta) {
    embedding(Operation.EMBEDDING_BACKWARD, batch, tables, norm, dropout, dOut)
        .pointer("mean", statistics.mean())
        .pointer("rstd", statistics.rstd())
        .pointer("d_out", dOut)
        .pointer("d_word", dTables.word())
        .pointer("d_position", dTables.position())
        .pointer("d_type", dTables.type())
        .pointer("d_gamma", dGamma)
        .pointer("d_beta", dBeta);
    run(Operation.EMBEDDING_BACKWARD);
  }

  /** The members that both directions of the embedding start with. */
  private Arguments embedding(
      Operation operation,
      PackedBatch batch,
      EmbeddingTables tables,
      LayerNorm norm,
      Dropout dropout,
      Tensor activations) {
    return begin(operation, batch)
        .int32("dtype", code(activations))
        .int32("hidden", activations.extent(1))
        .int32("vocabulary", tables.word().extent(0))
        .int32("positions", tables.position().extent(0))
        .pointer("word", tables.word())
        .pointer("position", tables.position())
        .pointer("type", tables.type())
        .norm(norm)
        .dropout(dropout);
  }

  @Override
  protected void doGemm(
      boolean transposeA, boolean transposeB, Tensor a, Tensor b, Tensor c, GemmEpilogue epilogue) {
    begin(Operation.GEMM)
        .int32("dtype", code(a))
        .int32("c_dtype", code(c))
        .int32("transpose_a", transposeA ? 1 : 0)
        .int32("transpose_b", transposeB ? 1 : 0)
        .int32("epilogue", code(epilogue.kind()))
        .reserved()
        .int64("m", c.extent(0))
        .int64("n", c.extent(1))
        .int64("k", a.extent(transposeA ? 0 : 1))
        .pointer("a", a)
        .pointer("b", b)
        .pointer("c", c)
        .pointer("bias", epilogue.bias())
        .pointer("pre_activation", epilogue.preActivation())
        .pointer("residual", epilogue.residual())
        .pointer("bias_gradient", epilogue.biasGradient());
    run(Operation.GEMM);
  }

  /** What follows a product that is there already: C = epilogue(P). */
  final void finishGemm(DType dtype, MemorySegment product, Tensor c, GemmEpilogue epilogue) {
    begin(Operation.GEMM_EPILOGUE)
        .int32("dtype", code(dtype))
        .int32("c_dtype", code(c))
        .int32("epilogue", code(epilogue.kind()))
        .reserved()
        .int64("m", c.extent(0))
        .int64("n", c.extent(1))
        .pointer("product", product)
        .pointer("c", c)
        .pointer("bias", epilogue.bias())
        .pointer("pre_activation", epilogue.preActivation())
        .pointer("residual", epilogue.residual());
    run(Operation.GEMM_EPILOGUE);
  }

  @Override
  protected final void doGeluBackward(Tensor preActivation, Tensor gradient) {
    begin(Operation.GELU_BACKWARD)
        .int32("dtype", code(gradient))
        .reserved()
        .int64("count", gradient.elements())
        .pointer("pre_activation", preActivation)
        .pointer("gradient", gradient);
    run(Operation.GELU_BACKWARD);
  }

  @Override
  protected final void doTanhBackward(Tensor activation, Tensor gradient) {
    begin(Operation.TANH_BACKWARD)
        .int32("dtype", code(gradient))
        .reserved()
        .int64("count", gradient.elements())
        .pointer("activation", activation)
        .pointer("gradient", gradient);
    run(Operation.TANH_BACKWARD);
  }

  @Override
  protected final void doColumnSum(Tensor x, Tensor sum) {
    begin(Operation.COLUMN_SUM)
        .int32("dtype", code(x))
        .reserved()
        .int64("rows", x.extent(0))
        .int64("columns", x.extent(1))
        .pointer("x", x)
        .pointer("sum", sum);
    run(Operation.COLUMN_SUM);
  }

  @Override
  protected final void doDropoutResidualLayerNormForward(
      PackedBatch batch,
      Tensor x,
      Tensor residual,
      LayerNorm norm,
      Dropout dropout,
      Tensor out,
      RowStatistics statistics) {
    begin(Operation.DROPOUT_RESIDUAL_LAYER_NORM_FORWARD, batch)
        .int32("dtype", code(x))
        .int32("hidden", x.extent(1))
        .pointer("x", x)
        .pointer("residual", residual)
        .norm(norm)
        .dropout(dropout)
        .pointer("out", out)
        .pointer("mean", statistics.mean())
        .pointer("rstd", statistics.rstd());
    run(Operation.DROPOUT_RESIDUAL_LAYER_NORM_FORWARD);
  }

  @Override
  protected final void doLayerNormReplay(
      Tensor sum, RowStatistics statistics, LayerNorm norm, Tensor out) {
    begin(Operation.LAYER_NORM_REPLAY)
        .int32("dtype", code(sum))
        .int32("hidden", sum.extent(1))
        .int64("rows", sum.extent(0))
        .pointer("sum", sum)
        .pointer("mean", statistics.mean())
        .pointer("rstd", statistics.rstd())
        .norm(norm)
        .pointer("out", out);
    run(Operation.LAYER_NORM_REPLAY);
  }

  @Override
  protected final void doDropoutResidualLayerNormBackward(
      PackedBatch batch,
      Tensor dOut,
      Tensor sum,
      RowStatistics statistics,
      LayerNorm norm,
      Dropout dropout,
      Tensor dResidual,
      Tensor dX,
      Tensor dGamma,
      Tensor dBeta) {
    begin(Operation.DROPOUT_RESIDUAL_LAYER_NORM_BACKWARD, batch)
        .int32("dtype", code(sum))
        .int32("hidden", sum.extent(1))
        .pointer("d_out", dOut)
        .pointer("sum", sum)
        .pointer("mean", statistics.mean())
        .pointer("rstd", statistics.rstd())
        .norm(norm)
        .dropout(dropout)
        .pointer("d_residual", dResidual)
        .pointer("d_x", dX)
        .pointer("d_gamma", dGamma)
        .pointer("d_beta", dBeta);
    run(Operation.DROPOUT_RESIDUAL_LAYER_NORM_BACKWARD);
  }

  @Override
  protected final void doAttentionForward(
      PackedBatch batch, int heads, Tensor qkv, Dropout dropout, Tensor out, Tensor lse) {
    begin(Operation.ATTENTION_FORWARD, batch)
        .int32("dtype", code(out))
        .int32("hidden", out.extent(1))
        .int32("heads", heads)
        .reserved()
        .pointer("qkv", qkv)
        .dropout(dropout)
        .pointer("out", out)
        .pointer("lse", lse);
    run(Operation.ATTENTION_FORWARD);
  }

  @Override
  protected final void doAttentionBackward(
      PackedBatch batch,
      int heads,
      Tensor qkv,
      Tensor out,
      Tensor lse,
      Tensor dOut,
      Dropout dropout,
      Tensor dQkv) {
    begin(Operation.ATTENTION_BACKWARD, batch)
        .int32("dtype", code(out))
        .int32("hidden", out.extent(1))
        .int32("heads", heads)
        .reserved()
        .pointer("qkv", qkv)
        .pointer("out", out)
        .pointer("lse", lse)
        .pointer("d_out", dOut)
        .dropout(dropout)
        .pointer("d_qkv", dQkv);
    run(Operation.ATTENTION_BACKWARD);
  }

  @Override
  protected final void doPoolingForward(
      PackedBatch batch,
      PoolingMode mode,
      Tensor hidden,
      float weight,
      boolean accumulate,
      Tensor out,
      Tensor argmax) {
    begin(Operation.POOLING_FORWARD, batch)
        .int32("dtype", code(hidden))
        .int32("out_dtype", code(out))
        .int32("hidden", hidden.extent(1))
        .int32("mode", code(mode))
        .int32("accumulate", accumulate ? 1 : 0)
        .float32("weight", weight)
        .pointer("x", hidden)
        .pointer("out", out)
        .pointer("argmax", argmax);
    run(Operation.POOLING_FORWARD);
  }

  @Override
  protected final void doPoolingBackward(
      PackedBatch batch,
      PoolingMode mode,
      Tensor dOut,
      float weight,
      Tensor argmax,
      Tensor dHidden) {
    begin(Operation.POOLING_BACKWARD, batch)
        .int32("dtype", code(dHidden))
        .int32("out_dtype", code(dOut))
        .int32("hidden", dHidden.extent(1))
        .int32("mode", code(mode))
        .float32("weight", weight)
        .reserved()
        .pointer("d_out", dOut)
        .pointer("argmax", argmax)
        .pointer("d_x", dHidden);
    run(Operation.POOLING_BACKWARD);
  }

  @Override
  protected final void doSimilaritySoftmaxForward(
      ContrastPairs pairs, Contrast contrast, Tensor loss, ContrastStatistics statistics) {
    similarity(Operation.SIMILARITY_SOFTMAX_FORWARD, pairs, contrast)
        .pointer("loss", loss)
        .pointer("lse", statistics.lse())
        .pointer("query_norm", statistics.queryNorm())
        .pointer("key_norm", statistics.keyNorm())
        .pointer("key_lse", statistics.keyLse());
    run(Operation.SIMILARITY_SOFTMAX_FORWARD);
  }

  @Override
  protected final void doSimilaritySoftmaxBackward(
      ContrastPairs pairs,
      Contrast contrast,
      ContrastStatistics statistics,
      float lossScale,
      Tensor dQueries,
      Tensor dKeys) {
    similarity(Operation.SIMILARITY_SOFTMAX_BACKWARD, pairs, contrast)
        .pointer("lse", statistics.lse())
        .pointer("query_norm", statistics.queryNorm())
        .pointer("key_norm", statistics.keyNorm())
        .pointer("key_lse", statistics.keyLse())
        .float32("loss_scale", lossScale)
        .reserved()
        .pointer("d_queries", dQueries)
        .pointer("d_keys", dKeys);
    run(Operation.SIMILARITY_SOFTMAX_BACKWARD);
  }

  /** The members that both directions of the loss start with. */
  private Arguments similarity(Operation operation, ContrastPairs pairs, Contrast contrast) {
    Tensor queries = pairs.queries();
    return begin(operation)
        .int32("dtype", code(queries))
        .int32("hidden", queries.extent(1))
        .int64("queries_count", queries.extent(0))
        .int64("keys_count", pairs.keys().extent(0))
        .pointer("queries", queries)
        .pointer("keys", pairs.keys())
        .pointer("targets", pairs.targets())
        .float32("contrast.temperature", contrast.temperature())
        .float32("contrast.own_negative_bias", contrast.ownNegativeBias())
        .int64("contrast.own_negative_offset", contrast.ownNegativeOffset())
        .int32("contrast.both_directions", contrast.bothDirections() ? 1 : 0)
        .int32("contrast.same_side_negatives", contrast.sameSideNegatives() ? 1 : 0)
        .int32("contrast.has_margin", contrast.hasMargin() ? 1 : 0)
        .float32(
            "contrast.false_negative_margin",
            contrast.hasMargin() ? contrast.falseNegativeMargin() : 0f)
        .pointer("contrast.query_ids", pairs.queryIds())
        .pointer("contrast.key_ids", pairs.keyIds());
  }

  @Override
  protected final void doGradientNorm(Tensor gradients, Tensor norm) {
    begin(Operation.GRADIENT_NORM)
        .int64("count", gradients.elements())
        .pointer("gradients", gradients)
        .pointer("norm", norm);
    run(Operation.GRADIENT_NORM);
  }

  @Override
  protected final void doAdamw(
      AdamWStep step,
      Tensor parameters,
      Tensor gradients,
      Tensor firstMoment,
      Tensor secondMoment,
      Tensor norm,
      Tensor copy) {
    begin(Operation.ADAMW)
        .int64("count", parameters.elements())
        .int64("step", step.step())
        .float64("learning_rate", step.learningRate())
        .float64("beta1", step.beta1())
        .float64("beta2", step.beta2())
        .float64("epsilon", step.epsilon())
        .float64("weight_decay", step.weightDecay())
        .float64("max_grad_norm", step.maxGradNorm())
        .pointer("parameters", parameters)
        .pointer("gradients", gradients)
        .pointer("first_moment", firstMoment)
        .pointer("second_moment", secondMoment)
        .pointer("norm", norm)
        .pointer("bf16_copy", copy);
    run(Operation.ADAMW);
  }

  @Override
  protected final void doConvert(Tensor from, Tensor to) {
    begin(Operation.CONVERT)
        .int32("from_dtype", code(from))
        .int32("to_dtype", code(to))
        .int64("count", from.elements())
        .pointer("from", from)
        .pointer("to", to);
    run(Operation.CONVERT);
  }

  @Override
  protected final void doDropoutMask(PackedBatch batch, Dropout dropout, Tensor mask) {
    begin(Operation.DROPOUT_MASK, batch)
        .int32("channels", mask.extent(1))
        .reserved()
        .dropout(dropout)
        .pointer("mask", mask);
    run(Operation.DROPOUT_MASK);
  }

  // --- argument structs ---

  private Arguments begin(Operation operation) {
    return arguments.begin(operation.arguments());
  }

  private Arguments begin(Operation operation, PackedBatch batch) {
    MemorySegment struct =
        batches
            .begin(Structs.BATCH)
            .pointer("ids", batch.ids())
            .int64("id_count", batch.ids().elements())
            .pointer("starts", batch.starts())
            .pointer("cu_seqlens", batch.cuSeqlens())
            .pointer("samples", batch.samples())
            .int32("sentences", batch.sentences())
            .int32("tokens", batch.tokens())
            .int32("max_length", batch.maxLength())
            .int32("views", batch.views())
            .int32("first_view", batch.firstView())
            .reserved()
            .end();
    return begin(operation).pointer("batch", struct);
  }

  private void run(Operation operation) {
    device.run(operation, arguments.end());
  }

  private static int code(Tensor tensor) {
    return code(tensor.dtype());
  }

  static int code(DType dtype) {
    return switch (dtype) {
      case F32 -> 1;
      case BF16 -> 2;
      default -> throw new IllegalArgumentException("no operation takes " + dtype);
    };
  }

  static int code(GemmEpilogue.Kind kind) {
    return switch (kind) {
      case STORE -> 0;
      case ACCUMULATE -> 1;
      case BIAS -> 2;
      case BIAS_GELU -> 3;
      case BIAS_TANH -> 4;
      case BIAS_RESIDUAL -> 5;
      case GELU_BACKWARD -> 6;
    };
  }

  static int code(PoolingMode mode) {
    return switch (mode) {
      case CLS -> 0;
      case MEAN -> 1;
      case MAX -> 2;
    };
  }
}
