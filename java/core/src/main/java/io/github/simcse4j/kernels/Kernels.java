package io.github.simcse4j.kernels;

import static io.github.simcse4j.kernels.Checks.columns;
import static io.github.simcse4j.kernels.Checks.rows;
import static io.github.simcse4j.kernels.Checks.shape;
import static io.github.simcse4j.kernels.Checks.that;

import io.github.simcse4j.random.Dropout;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Memory;
import io.github.simcse4j.tensor.Tensor;
import io.github.simcse4j.tensor.Workspace;
import java.util.OptionalLong;

/**
 * The contract of a compute backend: a small set of named operations on tensors. Every operation is
 * one public method that checks its arguments and one protected method of {@link BackendOperations}
 * that a backend writes. Nothing above this package knows which backend runs.
 *
 * <p>Letters: B sentences, T tokens, R = views * T rows (see {@link PackedBatch}), H hidden, A
 * heads, D = H / A head size, F feed-forward, V vocabulary, N queries, M keys. Tensors are
 * row-major. Numbers are of one float type per call, and statistics, losses, biases, layer-norm
 * parameters and gradients of parameters of its {@link #accumulator} type; F64 is for the reference
 * only. "+=" marks an output that is added to; every other output is overwritten whole, whatever it
 * held. Arguments do not overlap unless stated. Results depend on the arguments alone: not on the
 * number of threads, nor on earlier calls.
 *
 * <p>A call may return before its work is done on a device with a stream; {@link #download} and
 * {@link #synchronize} wait. An instance is used by one thread at a time.
 */
public abstract class Kernels extends BackendOperations implements AutoCloseable {

  // --- what it is, and its memory ---

  /** The name that {@code --kernels} takes. */
  public abstract String name();

  /**
   * One phrase for the line printed at the start, such as {@code "Vector API, 512 bit, 2 threads"}.
   */
  public abstract String description();

  /** Whether activations and parameters may be of this type. */
  public abstract boolean supports(DType dtype);

  /** Zeroed memory that the operations can read and write; the caller closes it. */
  public abstract Memory allocate(long bytes);

  /** Free memory of a device in bytes; empty where {@link #allocate} takes memory of the host. */
  public OptionalLong deviceMemoryFree() {
    return OptionalLong.empty();
  }

  /** What else is to be known of where this computes. */
  public DeviceTraits traits() {
    return DeviceTraits.HOST;
  }

  /** Bytes of workspace that {@link #stage} takes. */
  public long stageBytes(BatchLimits limits) {
    return 0;
  }

  /** The way of batches to the operations; the caller closes it. */
  public BatchStage stage(BatchLimits limits, Workspace workspace) {
    return BatchStage.HOST;
  }

  /**
   * Runs work that a device may record and launch as a whole, which saves the host much where
   * operations are many and small. Nothing of it is done with certainty before it has returned.
   *
   * @param key the same for work that asks for the same operations over like shapes
   * @param work operations, {@link #zero} and {@link #iota} alone
   */
  public void together(long key, Runnable work) {
    work.run();
  }

  /** The time that operations take; one at a time, and the caller closes it. */
  public Timeline timeline() {
    return new Timeline.OfHost(this);
  }

  /** Copies host to backend; same type and shape. */
  public abstract void upload(Tensor host, Tensor tensor);

  /** Copies backend to host, once everything before it is done; same type and shape. */
  public abstract void download(Tensor tensor, Tensor host);

  /**
   * Announces a tensor that nothing but {@link #adamw}, {@link #convert}, {@link #zero} and {@link
   * #upload} will change, so that a backend may keep packed forms of the matrices in it. That may
   * cost up to twice the tensor's memory.
   */
  public void holdWeights(Tensor weights) {}

  /** Ends {@link #holdWeights}, for the same tensor; due before its memory is closed. */
  public void releaseWeights(Tensor weights) {}

  /** Waits until everything asked for so far is done. */
  public abstract void synchronize();

  @Override
  public abstract void close();

  // --- embedding ---

  /**
   * out = dropout(layerNorm(word[id] + position[p] + type[0])), BERT's input (Devlin et al. 2019).
   *
   * @param out (R, H)
   * @param statistics mean and rstd of every token before the normalisation (T)
   */
  public final void embeddingForward(
      PackedBatch batch,
      EmbeddingTables tables,
      LayerNorm norm,
      Dropout dropout,
      Tensor out,
      RowStatistics statistics) {
    String op = "embedding_forward";
    DType dtype = floats(op, out);
    long hidden = columns(op, "out", out);
    shape(op, "out", out, dtype, batch.rows(), hidden);
    OperandChecks.tables(op, batch, tables, dtype, hidden);
    OperandChecks.norm(op, norm, dtype, hidden);
    OperandChecks.statistics(op, statistics, dtype, batch.tokens());
    doEmbeddingForward(batch, tables, norm, dropout, out, statistics);
  }

  /**
   * Gradients of {@link #embeddingForward}. Rows of equal ids are added in token order, so that the
   * result repeats.
   *
   * @param dOut (R, H)
   * @param scratch (T, H), content lost
   * @param dTables += gradients of the tables
   * @param dGamma += (H)
   * @param dBeta += (H)
   */
  public final void embeddingBackward(
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
    String op = "embedding_backward";
    DType dtype = floats(op, dOut);
    long hidden = columns(op, "dOut", dOut);
    shape(op, "dOut", dOut, dtype, batch.rows(), hidden);
    shape(op, "scratch", scratch, dtype, batch.tokens(), hidden);
    OperandChecks.tables(op, batch, tables, dtype, hidden);
    OperandChecks.gradients(op, tables, dTables, accumulator(dtype));
    OperandChecks.norm(op, norm, dtype, hidden);
    OperandChecks.statistics(op, statistics, dtype, batch.tokens());
    shape(op, "dGamma", dGamma, accumulator(dtype), hidden);
    shape(op, "dBeta", dBeta, accumulator(dtype), hidden);
    doEmbeddingBackward(
        batch, tables, norm, statistics, dropout, dOut, scratch, dTables, dGamma, dBeta);
  }

  // --- gemm ---

  /**
   * C = epilogue(op(A) op(B)), where op transposes or not. The gradient of a bias that an epilogue
   * sums goes with {@code transposeA}.
   *
   * @param a (M, K), or (K, M) when {@code transposeA}
   * @param b (K, N), or (N, K) when {@code transposeB}
   * @param c (M, N), of the inputs' type or its accumulator type
   */
  public final void gemm(
      boolean transposeA, boolean transposeB, Tensor a, Tensor b, Tensor c, GemmEpilogue epilogue) {
    String op = "gemm";
    DType dtype = floats(op, a);
    long n = columns(op, "c", c);
    long m = c.extent(0);
    long k = transposeA ? rows(op, "a", a) : columns(op, "a", a);
    shape(op, "c", c, c.dtype() == dtype ? dtype : accumulator(dtype), m, n);
    shape(op, "a", a, dtype, transposeA ? k : m, transposeA ? m : k);
    shape(op, "b", b, dtype, transposeB ? n : k, transposeB ? k : n);
    if (epilogue.bias() != null) {
      shape(op, "bias", epilogue.bias(), accumulator(dtype), n);
    }
    if (epilogue.preActivation() != null) {
      shape(op, "preActivation", epilogue.preActivation(), dtype, m, n);
    }
    if (epilogue.residual() != null) {
      shape(op, "residual", epilogue.residual(), c.dtype(), m, n);
    }
    if (epilogue.biasGradient() != null) {
      that(transposeA, op, "biasGradient is summed over the rows of a transposed a alone");
      shape(op, "biasGradient", epilogue.biasGradient(), accumulator(dtype), m);
    }
    doGemm(transposeA, transposeB, a, b, c, epilogue);
  }

  /**
   * Backward of gelu, which also computes the activation again so that it need not be kept.
   *
   * @param preActivation (R, F); overwritten with gelu(preActivation)
   * @param gradient d(activation) (R, F); overwritten with d(preActivation)
   */
  public final void geluBackward(Tensor preActivation, Tensor gradient) {
    String op = "gelu_backward";
    shape(op, "gradient", gradient, floats(op, preActivation), preActivation.shape().extents());
    doGeluBackward(preActivation, gradient);
  }

  /**
   * Backward of tanh.
   *
   * @param activation tanh(x), any shape
   * @param gradient d(activation), same shape; overwritten with d(x)
   */
  public final void tanhBackward(Tensor activation, Tensor gradient) {
    String op = "tanh_backward";
    shape(op, "gradient", gradient, floats(op, activation), activation.shape().extents());
    doTanhBackward(activation, gradient);
  }

  /**
   * Sum over the rows: the gradient of a bias.
   *
   * @param x (R, C)
   * @param sum += (C)
   */
  public final void columnSum(Tensor x, Tensor sum) {
    String op = "column_sum";
    DType dtype = floats(op, x);
    shape(op, "sum", sum, accumulator(dtype), columns(op, "x", x));
    doColumnSum(x, sum);
  }

  // --- dropout, residual, layer norm ---

  /**
   * out = layerNorm(residual + dropout(x)), the end of each half of a post-layer-norm block
   * (Vaswani et al. 2017).
   *
   * @param x (R, H); overwritten with residual + dropout(x), which the backward pass needs
   * @param residual (R, H), or null where x has it already and the dropout drops nothing
   * @param out (R, H); may be the same tensor as {@code residual}
   * @param statistics of the sum (R)
   */
  public final void dropoutResidualLayerNormForward(
      PackedBatch batch,
      Tensor x,
      Tensor residual,
      LayerNorm norm,
      Dropout dropout,
      Tensor out,
      RowStatistics statistics) {
    String op = "dropout_residual_layer_norm_forward";
    DType dtype = floats(op, x);
    long hidden = columns(op, "x", x);
    shape(op, "x", x, dtype, batch.rows(), hidden);
    if (residual != null) {
      shape(op, "residual", residual, dtype, batch.rows(), hidden);
    }
    that(residual != null || !dropout.active(), op, "residual is missing, and dropout is active");
    shape(op, "out", out, dtype, batch.rows(), hidden);
    OperandChecks.norm(op, norm, dtype, hidden);
    OperandChecks.statistics(op, statistics, dtype, batch.rows());
    doDropoutResidualLayerNormForward(batch, x, residual, norm, dropout, out, statistics);
  }

  /**
   * The output of a layer normalisation computed again from what was kept, to the same bits.
   *
   * @param sum (R, H), the normalisation's input
   * @param out (R, H)
   */
  public final void layerNormReplay(
      Tensor sum, RowStatistics statistics, LayerNorm norm, Tensor out) {
    String op = "layer_norm_replay";
    DType dtype = floats(op, sum);
    long hidden = columns(op, "sum", sum);
    long rows = sum.extent(0);
    shape(op, "out", out, dtype, rows, hidden);
    OperandChecks.norm(op, norm, dtype, hidden);
    OperandChecks.statistics(op, statistics, dtype, rows);
    doLayerNormReplay(sum, statistics, norm, out);
  }

  /**
   * Gradients of {@link #dropoutResidualLayerNormForward}.
   *
   * @param dOut (R, H)
   * @param sum residual + dropout(x) as the forward pass left it (R, H)
   * @param dResidual (R, H); may be the same tensor as {@code dOut}
   * @param dX (R, H); may be the same tensor as {@code sum}
   * @param dGamma += (H)
   * @param dBeta += (H)
   */
  public final void dropoutResidualLayerNormBackward(
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
    String op = "dropout_residual_layer_norm_backward";
    DType dtype = floats(op, dOut);
    long hidden = columns(op, "dOut", dOut);
    shape(op, "dOut", dOut, dtype, batch.rows(), hidden);
    shape(op, "sum", sum, dtype, batch.rows(), hidden);
    shape(op, "dResidual", dResidual, dtype, batch.rows(), hidden);
    shape(op, "dX", dX, dtype, batch.rows(), hidden);
    OperandChecks.norm(op, norm, dtype, hidden);
    OperandChecks.statistics(op, statistics, dtype, batch.rows());
    shape(op, "dGamma", dGamma, accumulator(dtype), hidden);
    shape(op, "dBeta", dBeta, accumulator(dtype), hidden);
    doDropoutResidualLayerNormBackward(
        batch, dOut, sum, statistics, norm, dropout, dResidual, dX, dGamma, dBeta);
  }

  // --- attention ---

  /**
   * out = dropout(softmax(q k^T / sqrt D)) v for every sentence and head (Vaswani et al. 2017); no
   * token sees another sentence. Dropout's position is the query's, its channel the key's.
   *
   * @param qkv queries, keys and values side by side (R, 3 H), each of A heads of D channels
   * @param out (R, H)
   * @param lse log-sum-exp of the scores for the backward pass (R, A), or null
   */
  public final void attentionForward(
      PackedBatch batch, int heads, Tensor qkv, Dropout dropout, Tensor out, Tensor lse) {
    String op = "attention_forward";
    DType dtype = floats(op, out);
    long hidden = columns(op, "out", out);
    OperandChecks.attention(op, batch, heads, qkv, out, lse, dtype, hidden);
    doAttentionForward(batch, heads, qkv, dropout, out, lse);
  }

  /**
   * Gradients of {@link #attentionForward}.
   *
   * @param out (R, H) and {@code lse} (R, A) of the forward pass
   * @param dOut (R, H)
   * @param dQkv (R, 3 H)
   */
  public final void attentionBackward(
      PackedBatch batch,
      int heads,
      Tensor qkv,
      Tensor out,
      Tensor lse,
      Tensor dOut,
      Dropout dropout,
      Tensor dQkv) {
    String op = "attention_backward";
    DType dtype = floats(op, dOut);
    long hidden = columns(op, "dOut", dOut);
    that(lse != null, op, "lse is missing");
    OperandChecks.attention(op, batch, heads, qkv, out, lse, dtype, hidden);
    shape(op, "dOut", dOut, dtype, batch.rows(), hidden);
    shape(op, "dQkv", dQkv, dtype, batch.rows(), 3 * hidden);
    doAttentionBackward(batch, heads, qkv, out, lse, dOut, dropout, dQkv);
  }

  // --- pooling ---

  /**
   * One vector per sentence and view, times {@code weight}.
   *
   * @param hidden (R, H)
   * @param accumulate adds to {@code out} instead of overwriting it, for poolers over two layers
   * @param out (views * B, H), of the hidden states' type or its accumulator type
   * @param argmax row of {@code hidden} that gave each value (views * B, H) I32; for MAX, else null
   */
  public final void poolingForward(
      PackedBatch batch,
      PoolingMode mode,
      Tensor hidden,
      float weight,
      boolean accumulate,
      Tensor out,
      Tensor argmax) {
    String op = "pooling_forward";
    OperandChecks.pooling(op, batch, mode, hidden, out, argmax, floats(op, hidden));
    doPoolingForward(batch, mode, hidden, weight, accumulate, out, argmax);
  }

  /**
   * Gradient of {@link #poolingForward}.
   *
   * @param dOut (views * B, H), of the hidden states' type or its accumulator type
   * @param dHidden += (R, H)
   */
  public final void poolingBackward(
      PackedBatch batch,
      PoolingMode mode,
      Tensor dOut,
      float weight,
      Tensor argmax,
      Tensor dHidden) {
    String op = "pooling_backward";
    OperandChecks.pooling(op, batch, mode, dHidden, dOut, argmax, floats(op, dHidden));
    doPoolingBackward(batch, mode, dOut, weight, argmax, dHidden);
  }

  // --- contrastive loss ---

  /**
   * InfoNCE over cosine similarities (van den Oord et al. 2018; Gao et al. 2021, equation 1):
   *
   * <pre>
   *   s[i][j] = (q_i . k_j) / (|q_i| |k_j| temperature) + bias(i, j)
   *   loss    = mean over i of ( log sum over j of exp s[i][j]  -  s[i][target_i] )
   * </pre>
   *
   * With same-side negatives the sum goes on over the logits u[i][i'] of query i and the other
   * queries i'. With both directions the loss is the mean of this and of the same for the keys:
   *
   * <pre>
   *   mean over i of ( log ( sum over i' of exp s[i'][target_i] )  -  s[i][target_i] )
   * </pre>
   *
   * whose sum goes on over the logits w[target_i][j] of the positive key and the other keys j.
   *
   * <p>A pair (i, j) other than (i, target_i) is left out of every sum where the key says what the
   * query or its positive says, or where the query whose positive the key is says what the query
   * says; so are two queries, or two keys, of which one says what the other or the other's partner
   * says. The partner of a query is its positive, that of a key the first query whose target it is.
   * A pair is also left out of the sum of an anchor where its cosine is above that of the anchor
   * and its partner by more than the margin.
   *
   * <p>The N x M logits are never stored. A vector of length 0 has similarity 0 to everything.
   *
   * @param pairs queries (N, H), keys (M, H), targets, ids
   * @param loss one number (1)
   * @param statistics kept for the backward pass
   * @throws IllegalArgumentException also where memory of the host holds a target out of range, or
   *     targets that are equal in both directions
   */
  public final void similaritySoftmaxForward(
      ContrastPairs pairs, Contrast contrast, Tensor loss, ContrastStatistics statistics) {
    String op = "similarity_softmax_forward";
    DType dtype = floats(op, pairs.queries());
    OperandChecks.contrast(op, pairs, contrast, statistics, dtype);
    shape(op, "loss", loss, accumulator(dtype), 1);
    doSimilaritySoftmaxForward(pairs, contrast, loss, statistics);
  }

  /**
   * Gradients of {@code lossScale * loss} of {@link #similaritySoftmaxForward}, through the
   * normalisation. What is left out counts as constant.
   *
   * @param dQueries (N, H)
   * @param dKeys (M, H)
   */
  public final void similaritySoftmaxBackward(
      ContrastPairs pairs,
      Contrast contrast,
      ContrastStatistics statistics,
      float lossScale,
      Tensor dQueries,
      Tensor dKeys) {
    String op = "similarity_softmax_backward";
    DType dtype = floats(op, pairs.queries());
    OperandChecks.contrast(op, pairs, contrast, statistics, dtype);
    shape(op, "dQueries", dQueries, dtype, pairs.queries().shape().extents());
    shape(op, "dKeys", dKeys, dtype, pairs.keys().shape().extents());
    doSimilaritySoftmaxBackward(pairs, contrast, statistics, lossScale, dQueries, dKeys);
  }

  // --- optimiser ---

  /**
   * The Euclidean length of all gradients.
   *
   * @param gradients (P), of an accumulator type
   * @param norm one number (1)
   */
  public final void gradientNorm(Tensor gradients, Tensor norm) {
    String op = "gradient_norm";
    DType dtype = parameterType(op, gradients);
    shape(op, "gradients", gradients, dtype, gradients.elements());
    shape(op, "norm", norm, accumulator(dtype), 1);
    doGradientNorm(gradients, norm);
  }

  /**
   * One AdamW update (Loshchilov and Hutter 2019, algorithm 2), gradient clipping folded in:
   *
   * <pre>
   *   g = clip * gradient;  m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2
   *   p = p - learningRate ( m' / (sqrt(v') + epsilon) + weightDecay p ),  m', v' bias-corrected
   * </pre>
   *
   * @param parameters updated (P), of an accumulator type, as all but {@code copy}
   * @param gradients (P)
   * @param firstMoment m, updated (P)
   * @param secondMoment v, updated (P)
   * @param norm global norm of the gradients as {@link #gradientNorm} left it (1)
   * @param copy BF16 (P), the updated parameters rounded to nearest even, or null
   */
  public final void adamw(
      AdamWStep step,
      Tensor parameters,
      Tensor gradients,
      Tensor firstMoment,
      Tensor secondMoment,
      Tensor norm,
      Tensor copy) {
    String op = "adamw";
    DType dtype = parameterType(op, parameters);
    long count = parameters.elements();
    shape(op, "parameters", parameters, dtype, count);
    shape(op, "gradients", gradients, dtype, count);
    shape(op, "firstMoment", firstMoment, dtype, count);
    shape(op, "secondMoment", secondMoment, dtype, count);
    shape(op, "norm", norm, dtype, 1);
    if (copy != null) {
      shape(op, "copy", copy, DType.BF16, count);
    }
    doAdamw(step, parameters, gradients, firstMoment, secondMoment, norm, copy);
  }

  // --- small ones ---

  /**
   * The same numbers in another type, rounded to nearest even.
   *
   * @param from any shape
   * @param to same shape, another float type
   */
  public final void convert(Tensor from, Tensor to) {
    String op = "convert";
    floats(op, from);
    DType dtype = floats(op, to);
    that(from.dtype() != dtype, op, "from and to are both %s", dtype);
    shape(op, "to", to, dtype, from.shape().extents());
    doConvert(from, to);
  }

  /**
   * The dropout mask of a hidden site, one byte an element: 1 kept, 0 dropped. For tests and
   * benchmarks; the fused operations draw the same bits inside.
   *
   * @param mask U8 (R, channels)
   */
  public final void dropoutMask(PackedBatch batch, Dropout dropout, Tensor mask) {
    String op = "dropout_mask";
    shape(op, "mask", mask, DType.U8, batch.rows(), columns(op, "mask", mask));
    doDropoutMask(batch, dropout, mask);
  }

  /** Sets every byte of the tensor to 0. */
  public abstract void zero(Tensor tensor);

  /** Sets element i of an I32 tensor to i. */
  public abstract void iota(Tensor tensor);

  // --- types ---

  /** The type in which sums, statistics and losses over numbers of this type are kept. */
  public static DType accumulator(DType dtype) {
    return dtype == DType.F64 ? DType.F64 : DType.F32;
  }

  private DType floats(String op, Tensor tensor) {
    that(tensor != null, op, "an argument is missing");
    that(supports(tensor.dtype()), op, "the %s backend does not compute in %s", name(), tensor);
    return tensor.dtype();
  }

  /** A type whose sums are of the same type: parameters in any other would lose small updates. */
  private DType parameterType(String op, Tensor tensor) {
    DType dtype = floats(op, tensor);
    that(accumulator(dtype) == dtype, op, "parameters and gradients are not kept in %s", tensor);
    return dtype;
  }
}
