package io.github.simcse4j.kernels;

import io.github.simcse4j.random.Dropout;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Memory;
import io.github.simcse4j.tensor.Tensor;
import io.github.simcse4j.tensor.Workspace;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.OptionalLong;
import java.util.function.Supplier;

/**
 * Other kernels, whose operations are timed one by one between {@link #start} and {@link #stop}.
 * Meanwhile nothing is done {@link #together}, as what is launched as a whole has no parts to time.
 */
public final class ProfiledKernels extends Kernels {

  private final Kernels kernels;
  private final List<Call> calls = new ArrayList<>();
  private Timeline timeline;

  private PackedBatch measured;
  private double measuredSquares;

  /** What a call costs, as {@link OperationProfile.Entry} has it. */
  private record Call(String operation, String shape, double flops, double bytes) {}

  /**
   * @param kernels closed with these
   */
  public ProfiledKernels(Kernels kernels) {
    this.kernels = kernels;
  }

  /** From here on operations are timed. */
  public void start() {
    calls.clear();
    timeline = kernels.timeline();
  }

  /** Waits for what was asked for since {@link #start}; returns where its time went. */
  public OperationProfile stop() {
    OperationProfile profile = new OperationProfile();
    double[] seconds = timeline.seconds();
    for (int i = 0; i < calls.size(); i++) {
      Call call = calls.get(i);
      // A mark before each call and one behind it.
      profile.add(
          new OperationProfile.Entry(
              call.operation, call.shape, 1, seconds[2 * i], call.flops, call.bytes));
    }
    endTimeline();
    return profile;
  }

  private void endTimeline() {
    if (timeline != null) {
      timeline.close();
      timeline = null;
    }
  }

  private void run(Supplier<Call> cost, Runnable operation) {
    if (timeline == null) {
      operation.run();
      return;
    }
    calls.add(cost.get());
    timeline.mark();
    operation.run();
    timeline.mark();
  }

  // --- what operations cost ---

  private static double bytes(Tensor... tensors) {
    double sum = 0;
    for (Tensor tensor : tensors) {
      sum += tensor == null ? 0 : (double) tensor.elements() * tensor.dtype().bytes();
    }
    return sum;
  }

  private static double bytes(RowStatistics statistics) {
    return bytes(statistics.mean(), statistics.rstd());
  }

  private static Call call(String operation, Object shape, double flops, double bytes) {
    return new Call(operation, shape.toString(), flops, bytes);
  }

  /** The squares of the sentences' lengths, added up over all views. */
  private double squares(PackedBatch batch) {
    if (measured != batch) {
      Tensor cuSeqlens = Tensor.host(DType.I32, batch.sentences() + 1L);
      kernels.download(batch.cuSeqlens(), cuSeqlens);
      int[] starts = cuSeqlens.toInts();
      cuSeqlens.memory().close();
      measuredSquares = 0;
      for (int i = 0; i < batch.sentences(); i++) {
        double length = starts[i + 1] - starts[i];
        measuredSquares += batch.views() * length * length;
      }
      measured = batch;
    }
    return measuredSquares;
  }

  // --- operations ---

  @Override
  protected void doEmbeddingForward(
      PackedBatch batch,
      EmbeddingTables tables,
      LayerNorm norm,
      Dropout dropout,
      Tensor out,
      RowStatistics statistics) {
    run(
        // A row of words for each token is read, at most.
        () ->
            call(
                "embedding_forward", out, 0, bytes(out) + bytes(statistics) + words(batch, tables)),
        () -> kernels.doEmbeddingForward(batch, tables, norm, dropout, out, statistics));
  }

  @Override
  protected void doEmbeddingBackward(
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
    run(
        () ->
            call(
                "embedding_backward",
                dOut,
                0,
                bytes(dOut) + bytes(statistics) + words(batch, tables) + 2 * words(batch, dTables)),
        () ->
            kernels.doEmbeddingBackward(
                batch, tables, norm, statistics, dropout, dOut, scratch, dTables, dGamma, dBeta));
  }

  /** The rows of a batch's words, no more than there are. */
  private static double words(PackedBatch batch, EmbeddingTables tables) {
    double share = Math.min(1, (double) batch.tokens() / tables.word().extent(0));
    return share * bytes(tables.word());
  }

  @Override
  protected void doGemm(
      boolean transposeA, boolean transposeB, Tensor a, Tensor b, Tensor c, GemmEpilogue epilogue) {
    run(
        () -> {
          long k = a.extent(transposeA ? 0 : 1);
          String shape =
              "%d x %d x %d %s%s %s%s"
                  .formatted(
                      c.extent(0),
                      c.extent(1),
                      k,
                      transposeA ? "T" : "N",
                      transposeB ? "T" : "N",
                      epilogue.kind().name().toLowerCase(Locale.ROOT),
                      epilogue.biasGradient() == null ? "" : ", bias_gradient");
          boolean added = epilogue.kind() == GemmEpilogue.Kind.ACCUMULATE;
          double moved = bytes(a, b, c, epilogue.preActivation(), epilogue.residual());
          return call("gemm", shape, 2.0 * c.elements() * k, moved + (added ? bytes(c) : 0));
        },
        () -> kernels.doGemm(transposeA, transposeB, a, b, c, epilogue));
  }

  @Override
  protected void doGeluBackward(Tensor preActivation, Tensor gradient) {
    run(
        () -> call("gelu_backward", gradient, 0, 2 * bytes(preActivation, gradient)),
        () -> kernels.doGeluBackward(preActivation, gradient));
  }

  @Override
  protected void doTanhBackward(Tensor activation, Tensor gradient) {
    run(
        () -> call("tanh_backward", gradient, 0, bytes(activation, gradient, gradient)),
        () -> kernels.doTanhBackward(activation, gradient));
  }

  @Override
  protected void doColumnSum(Tensor x, Tensor sum) {
    run(() -> call("column_sum", x, 0, bytes(x, sum, sum)), () -> kernels.doColumnSum(x, sum));
  }

  @Override
  protected void doDropoutResidualLayerNormForward(
      PackedBatch batch,
      Tensor x,
      Tensor residual,
      LayerNorm norm,
      Dropout dropout,
      Tensor out,
      RowStatistics statistics) {
    run(
        // The sum is left in x where something is added: one more for each residual.
        () ->
            call(
                "dropout_residual_layer_norm_forward",
                out,
                0,
                bytes(x, residual, residual, out) + bytes(statistics)),
        () ->
            kernels.doDropoutResidualLayerNormForward(
                batch, x, residual, norm, dropout, out, statistics));
  }

  @Override
  protected void doLayerNormReplay(
      Tensor sum, RowStatistics statistics, LayerNorm norm, Tensor out) {
    run(
        () -> call("layer_norm_replay", out, 0, bytes(sum, out) + bytes(statistics)),
        () -> kernels.doLayerNormReplay(sum, statistics, norm, out));
  }

  @Override
  protected void doDropoutResidualLayerNormBackward(
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
    run(
        () ->
            call(
                "dropout_residual_layer_norm_backward",
                dOut,
                0,
                bytes(dOut, sum, dResidual, dX) + bytes(statistics)),
        () ->
            kernels.doDropoutResidualLayerNormBackward(
                batch, dOut, sum, statistics, norm, dropout, dResidual, dX, dGamma, dBeta));
  }

  @Override
  protected void doAttentionForward(
      PackedBatch batch, int heads, Tensor qkv, Dropout dropout, Tensor out, Tensor lse) {
    run(
        // Scores and the weighted sum of values.
        () -> attention("attention_forward", batch, heads, out, 4, bytes(qkv, out, lse)),
        () -> kernels.doAttentionForward(batch, heads, qkv, dropout, out, lse));
  }

  @Override
  protected void doAttentionBackward(
      PackedBatch batch,
      int heads,
      Tensor qkv,
      Tensor out,
      Tensor lse,
      Tensor dOut,
      Dropout dropout,
      Tensor dQkv) {
    run(
        // Scores again, and four products of gradients.
        () ->
            attention(
                "attention_backward", batch, heads, dOut, 10, bytes(qkv, out, lse, dOut, dQkv)),
        () -> kernels.doAttentionBackward(batch, heads, qkv, out, lse, dOut, dropout, dQkv));
  }

  /** {@code flops} for each pair of tokens of a sentence and each channel. */
  private Call attention(
      String operation, PackedBatch batch, int heads, Tensor out, int flops, double bytes) {
    String shape = "%s, %d sentences, %d heads".formatted(out, batch.embeddings(), heads);
    return call(operation, shape, flops * squares(batch) * out.extent(1), bytes);
  }

  @Override
  protected void doPoolingForward(
      PackedBatch batch,
      PoolingMode mode,
      Tensor hidden,
      float weight,
      boolean accumulate,
      Tensor out,
      Tensor argmax) {
    run(
        () -> {
          double read = mode == PoolingMode.CLS ? pooled(hidden, out) : bytes(hidden);
          double moved = read + bytes(out, argmax) + (accumulate ? bytes(out) : 0);
          return call("pooling_forward", shape(mode, hidden), 0, moved);
        },
        () -> kernels.doPoolingForward(batch, mode, hidden, weight, accumulate, out, argmax));
  }

  @Override
  protected void doPoolingBackward(
      PackedBatch batch,
      PoolingMode mode,
      Tensor dOut,
      float weight,
      Tensor argmax,
      Tensor dHidden) {
    run(
        () -> {
          double added = mode == PoolingMode.MEAN ? bytes(dHidden) : pooled(dHidden, dOut);
          return call("pooling_backward", shape(mode, dHidden), 0, bytes(dOut, argmax) + 2 * added);
        },
        () -> kernels.doPoolingBackward(batch, mode, dOut, weight, argmax, dHidden));
  }

  /** One hidden number for each of a vector. */
  private static double pooled(Tensor hidden, Tensor vectors) {
    return (double) vectors.elements() * hidden.dtype().bytes();
  }

  private static String shape(PoolingMode mode, Tensor hidden) {
    return hidden + " " + mode.name().toLowerCase(Locale.ROOT);
  }

  @Override
  protected void doSimilaritySoftmaxForward(
      ContrastPairs pairs, Contrast contrast, Tensor loss, ContrastStatistics statistics) {
    run(
        () -> similarity("similarity_softmax_forward", pairs, 2, 1),
        () -> kernels.doSimilaritySoftmaxForward(pairs, contrast, loss, statistics));
  }

  @Override
  protected void doSimilaritySoftmaxBackward(
      ContrastPairs pairs,
      Contrast contrast,
      ContrastStatistics statistics,
      float lossScale,
      Tensor dQueries,
      Tensor dKeys) {
    run(
        // The logits again, and the gradients of both sides.
        () -> similarity("similarity_softmax_backward", pairs, 6, 2),
        () ->
            kernels.doSimilaritySoftmaxBackward(
                pairs, contrast, statistics, lossScale, dQueries, dKeys));
  }

  /** {@code flops} for each pair of a query and a key and each channel. */
  private static Call similarity(String operation, ContrastPairs pairs, int flops, int passes) {
    Tensor queries = pairs.queries();
    Tensor keys = pairs.keys();
    double products = (double) queries.elements() * keys.extent(0) * flops;
    return call(operation, queries + " " + keys, products, passes * bytes(queries, keys));
  }

  @Override
  protected void doGradientNorm(Tensor gradients, Tensor norm) {
    run(
        () -> call("gradient_norm", gradients, 0, bytes(gradients)),
        () -> kernels.doGradientNorm(gradients, norm));
  }

  @Override
  protected void doAdamw(
      AdamWStep step,
      Tensor parameters,
      Tensor gradients,
      Tensor firstMoment,
      Tensor secondMoment,
      Tensor norm,
      Tensor copy) {
    run(
        () -> {
          double updated = bytes(parameters, firstMoment, secondMoment);
          return call("adamw", parameters, 0, 2 * updated + bytes(gradients, copy));
        },
        () -> kernels.doAdamw(step, parameters, gradients, firstMoment, secondMoment, norm, copy));
  }

  @Override
  protected void doConvert(Tensor from, Tensor to) {
    run(() -> call("convert", to, 0, bytes(from, to)), () -> kernels.doConvert(from, to));
  }

  @Override
  protected void doDropoutMask(PackedBatch batch, Dropout dropout, Tensor mask) {
    run(
        () -> call("dropout_mask", mask, 0, bytes(mask)),
        () -> kernels.doDropoutMask(batch, dropout, mask));
  }

  @Override
  public void zero(Tensor tensor) {
    run(() -> call("zero", tensor, 0, bytes(tensor)), () -> kernels.zero(tensor));
  }

  @Override
  public void iota(Tensor tensor) {
    run(() -> call("iota", tensor, 0, bytes(tensor)), () -> kernels.iota(tensor));
  }

  // --- what is not timed ---

  @Override
  public String name() {
    return kernels.name();
  }

  @Override
  public String description() {
    return kernels.description();
  }

  @Override
  public boolean supports(DType dtype) {
    return kernels.supports(dtype);
  }

  @Override
  public Memory allocate(long bytes) {
    return kernels.allocate(bytes);
  }

  @Override
  public OptionalLong deviceMemoryFree() {
    return kernels.deviceMemoryFree();
  }

  @Override
  public DeviceTraits traits() {
    return kernels.traits();
  }

  @Override
  public long stageBytes(BatchLimits limits) {
    return kernels.stageBytes(limits);
  }

  @Override
  public BatchStage stage(BatchLimits limits, Workspace workspace) {
    return kernels.stage(limits, workspace);
  }

  @Override
  public void together(long key, Runnable work) {
    if (timeline == null) {
      kernels.together(key, work);
    } else {
      work.run();
    }
  }

  @Override
  public Timeline timeline() {
    return kernels.timeline();
  }

  @Override
  public void upload(Tensor host, Tensor tensor) {
    kernels.upload(host, tensor);
  }

  @Override
  public void download(Tensor tensor, Tensor host) {
    kernels.download(tensor, host);
  }

  @Override
  public void holdWeights(Tensor weights) {
    kernels.holdWeights(weights);
  }

  @Override
  public void releaseWeights(Tensor weights) {
    kernels.releaseWeights(weights);
  }

  @Override
  public void synchronize() {
    kernels.synchronize();
  }

  @Override
  public void close() {
    endTimeline();
    kernels.close();
  }
}
