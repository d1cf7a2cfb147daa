package io.github.simcse4j.kernels.reference;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.simcse4j.kernels.BatchShape;
import io.github.simcse4j.kernels.Batches;
import io.github.simcse4j.kernels.Closeness;
import io.github.simcse4j.kernels.Contrast;
import io.github.simcse4j.kernels.ContrastPairs;
import io.github.simcse4j.kernels.ContrastStatistics;
import io.github.simcse4j.kernels.EmbeddingTables;
import io.github.simcse4j.kernels.GemmEpilogue;
import io.github.simcse4j.kernels.KernelsFixture;
import io.github.simcse4j.kernels.LayerNorm;
import io.github.simcse4j.kernels.PackedBatch;
import io.github.simcse4j.kernels.PoolingMode;
import io.github.simcse4j.kernels.RowStatistics;
import io.github.simcse4j.random.Dropout;
import io.github.simcse4j.random.DropoutKey;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Tensor;
import java.util.Arrays;
import java.util.function.DoubleSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Every backward operation of the reference against central differences of its forward operation.
 * The function differentiated is the scalar product of the output with fixed random weights.
 */
class ReferenceGradientsTest {

  private static final double STEP = 1e-5;
  private static final double TOLERANCE = 1e-6;
  private static final long SEED = 20;

  private final ReferenceKernels kernels = new ReferenceKernels();
  private final KernelsFixture fixture = new KernelsFixture(kernels, DType.F64, SEED);
  private final DropoutKey key = DropoutKey.of(SEED, 1);

  @AfterEach
  void close() {
    fixture.close();
  }

  @ParameterizedTest
  @EnumSource(names = {"ONE_TOKEN", "RAGGED", "AROUND_16"})
  void embedding(BatchShape shape) {
    int hidden = 6;
    PackedBatch batch = shape.batch(fixture);
    EmbeddingTables tables =
        new EmbeddingTables(
            variable(Batches.VOCABULARY, hidden), variable(17, hidden), variable(2, hidden));
    LayerNorm norm = layerNorm(hidden);
    Dropout dropout = key.at(Dropout.EMBEDDING_SITE, 0.7f);
    Tensor out = fixture.output(batch.rows(), hidden);
    RowStatistics statistics = fixture.rowStatistics(batch.tokens());
    Tensor weights = fixture.activations(batch.rows(), hidden);
    DoubleSupplier loss =
        () -> {
          kernels.embeddingForward(batch, tables, norm, dropout, out, statistics);
          return dot(out, weights);
        };
    loss.getAsDouble();
    EmbeddingTables dTables =
        new EmbeddingTables(zeros(Batches.VOCABULARY, hidden), zeros(17, hidden), zeros(2, hidden));
    Tensor dGamma = zeros(hidden);
    Tensor dBeta = zeros(hidden);
    kernels.embeddingBackward(
        batch,
        tables,
        norm,
        statistics,
        dropout,
        weights,
        fixture.output(batch.tokens(), hidden),
        dTables,
        dGamma,
        dBeta);
    assertGradient("word", tables.word(), dTables.word(), loss);
    assertGradient("position", tables.position(), dTables.position(), loss);
    assertGradient("type", tables.type(), dTables.type(), loss);
    assertGradient("gamma", norm.gamma(), dGamma, loss);
    assertGradient("beta", norm.beta(), dBeta, loss);
  }

  @ParameterizedTest
  @EnumSource(names = {"ONE_TOKEN", "RAGGED", "AROUND_16"})
  void dropoutResidualLayerNorm(BatchShape shape) {
    int hidden = 6;
    PackedBatch batch = shape.batch(fixture);
    int rows = batch.rows();
    Tensor x = variable(rows, hidden);
    Tensor sum = fixture.output(rows, hidden);
    Tensor residual = variable(rows, hidden);
    Tensor out = fixture.output(rows, hidden);
    LayerNorm norm = layerNorm(hidden);
    RowStatistics statistics = fixture.rowStatistics(rows);
    Tensor weights = fixture.activations(rows, hidden);
    Dropout dropout = key.at(Dropout.feedForwardSite(1), 0.7f);
    DoubleSupplier loss =
        () -> {
          kernels.upload(x, sum);
          kernels.dropoutResidualLayerNormForward(
              batch, sum, residual, norm, dropout, out, statistics);
          return dot(out, weights);
        };
    loss.getAsDouble();
    Tensor dResidual = fixture.output(rows, hidden);
    Tensor dX = fixture.output(rows, hidden);
    Tensor dGamma = zeros(hidden);
    Tensor dBeta = zeros(hidden);
    kernels.dropoutResidualLayerNormBackward(
        batch, weights, sum, statistics, norm, dropout, dResidual, dX, dGamma, dBeta);
    assertGradient("x", x, dX, loss);
    assertGradient("residual", residual, dResidual, loss);
    assertGradient("gamma", norm.gamma(), dGamma, loss);
    assertGradient("beta", norm.beta(), dBeta, loss);
  }

  @ParameterizedTest
  @EnumSource(names = {"ONE_TOKEN", "ONE_TOKEN_SENTENCES", "RAGGED"})
  void attention(BatchShape shape) {
    int heads = 2;
    int hidden = 6;
    PackedBatch batch = shape.batch(fixture);
    Tensor qkv = variable(batch.rows(), 3 * hidden);
    Tensor out = fixture.output(batch.rows(), hidden);
    Tensor lse = fixture.output(batch.rows(), heads);
    Tensor weights = fixture.activations(batch.rows(), hidden);
    Dropout dropout = key.at(Dropout.attentionSite(0), 0.7f);
    DoubleSupplier loss =
        () -> {
          kernels.attentionForward(batch, heads, qkv, dropout, out, lse);
          return dot(out, weights);
        };
    loss.getAsDouble();
    Tensor dQkv = fixture.output(batch.rows(), 3 * hidden);
    kernels.attentionBackward(batch, heads, qkv, out, lse, weights, dropout, dQkv);
    assertGradient("qkv", qkv, dQkv, loss);
  }

  @ParameterizedTest
  @EnumSource
  void pooling(PoolingMode mode) {
    int hidden = 5;
    PackedBatch batch = BatchShape.RAGGED.batch(fixture);
    Tensor states = variable(batch.rows(), hidden);
    Tensor out = fixture.output(batch.embeddings(), hidden);
    Tensor argmax =
        mode == PoolingMode.MAX ? fixture.output(DType.I32, batch.embeddings(), hidden) : null;
    Tensor weights = fixture.activations(batch.embeddings(), hidden);
    DoubleSupplier loss =
        () -> {
          kernels.poolingForward(batch, mode, states, 0.5f, false, out, argmax);
          return dot(out, weights);
        };
    loss.getAsDouble();
    Tensor dStates = zeros(batch.rows(), hidden);
    kernels.poolingBackward(batch, mode, weights, 0.5f, argmax, dStates);
    assertGradient("hidden", states, dStates, loss);
  }

  @ParameterizedTest
  @ValueSource(floats = {0.05f, 0.5f, 1f})
  void similaritySoftmax(float temperature) {
    int n = 4;
    int m = 9;
    int hidden = 7;
    Tensor queries = variable(n, hidden);
    Tensor keys = variable(m, hidden);
    Tensor targets = Batches.integers(fixture, 2, 0, 8, 2);
    Contrast contrast = Contrast.inBatch(temperature).withOwnNegatives(4, 1.5f);
    Tensor loss = fixture.output(1);
    ContrastStatistics statistics =
        new ContrastStatistics(fixture.output(n), fixture.output(n), fixture.output(m));
    DoubleSupplier scaled =
        () -> {
          kernels.similaritySoftmaxForward(
              new ContrastPairs(queries, keys, targets), contrast, loss, statistics);
          return 2.5 * loss.get(0);
        };
    scaled.getAsDouble();
    Tensor dQueries = fixture.output(n, hidden);
    Tensor dKeys = fixture.output(m, hidden);
    kernels.similaritySoftmaxBackward(
        new ContrastPairs(queries, keys, targets), contrast, statistics, 2.5f, dQueries, dKeys);
    assertGradient("queries", queries, dQueries, scaled);
    assertGradient("keys", keys, dKeys, scaled);
  }

  /** Every combination of the loss's options, with a query's own hard negative among them. */
  @ParameterizedTest
  @CsvSource({
    "true, false, false, Infinity",
    "false, true, false, Infinity",
    "true, true, false, Infinity",
    "true, true, true, Infinity",
    "false, false, true, 0.1",
    "true, true, false, -0.2",
    "true, true, true, 0.3"
  })
  void similaritySoftmaxWithOptions(boolean both, boolean sameSide, boolean ids, float margin) {
    int n = 4;
    int m = 9;
    Tensor queries = variable(n, 7);
    Tensor keys = variable(m, 7);
    Tensor queryIds = fixture.input(DType.I64, new double[] {1, 2, 1, 3}, n);
    Tensor keyIds = fixture.input(DType.I64, new double[] {5, 6, 3, 1, 7, 8, 6, 9, 2}, m);
    Tensor targets = Batches.integers(fixture, 2, 0, 8, 5);
    ContrastPairs pairs =
        new ContrastPairs(queries, keys, targets, ids ? queryIds : null, ids ? keyIds : null);
    Contrast contrast = new Contrast(0.5f, 4, 1.5f, both, sameSide, margin);
    Tensor loss = fixture.output(1);
    ContrastStatistics statistics =
        new ContrastStatistics(
            fixture.output(n),
            fixture.output(n),
            fixture.output(m),
            both ? fixture.output(m) : null);
    DoubleSupplier scaled =
        () -> {
          kernels.similaritySoftmaxForward(pairs, contrast, loss, statistics);
          return 2.5 * loss.get(0);
        };
    scaled.getAsDouble();
    Tensor dQueries = fixture.output(n, 7);
    Tensor dKeys = fixture.output(m, 7);
    kernels.similaritySoftmaxBackward(pairs, contrast, statistics, 2.5f, dQueries, dKeys);
    assertGradient("queries", queries, dQueries, scaled);
    assertGradient("keys", keys, dKeys, scaled);
  }

  /** A linear layer with gelu: the products, the bias and the activation together. */
  @Test
  void gemmAndGelu() {
    int m = 5;
    int k = 4;
    int n = 6;
    Tensor a = variable(m, k);
    Tensor b = variable(n, k);
    Tensor bias = variable(n);
    Tensor preActivation = fixture.output(m, n);
    Tensor c = fixture.output(m, n);
    GemmEpilogue gelu = GemmEpilogue.biasGelu(bias, preActivation);
    Tensor weights = fixture.activations(m, n);
    DoubleSupplier loss =
        () -> {
          kernels.gemm(false, true, a, b, c, gelu);
          return dot(c, weights);
        };
    loss.getAsDouble();
    Tensor gradient = fixture.inOut(DType.F64, fixture.values(weights), m, n);
    kernels.geluBackward(preActivation, gradient);
    assertTrue(Closeness.of(fixture.values(preActivation), fixture.values(c)).within(1e-15));
    Tensor dA = fixture.output(m, k);
    Tensor dB = fixture.output(n, k);
    Tensor dBias = zeros(n);
    kernels.gemm(false, false, gradient, b, dA, GemmEpilogue.STORE);
    kernels.gemm(true, false, gradient, a, dB, GemmEpilogue.STORE);
    kernels.columnSum(gradient, dBias);
    assertGradient("a", a, dA, loss);
    assertGradient("b", b, dB, loss);
    assertGradient("bias", bias, dBias, loss);
  }

  /** Two linear layers with gelu between them, whose backward passes are products alone. */
  @Test
  void gemmWithTheBackwardPassOfGelu() {
    int m = 5;
    int n = 6;
    Tensor a = variable(m, 4);
    Tensor b = variable(n, 4);
    Tensor bias = variable(n);
    Tensor preActivation = fixture.output(m, n);
    Tensor wide = fixture.output(m, n);
    Tensor down = fixture.activations(3, n);
    Tensor c = fixture.output(m, 3);
    Tensor weights = fixture.activations(m, 3);
    DoubleSupplier loss =
        () -> {
          kernels.gemm(false, true, a, b, wide, GemmEpilogue.biasGelu(bias, preActivation));
          kernels.gemm(false, true, wide, down, c, GemmEpilogue.STORE);
          return dot(c, weights);
        };
    loss.getAsDouble();
    Tensor gradient = fixture.output(m, n);
    GemmEpilogue backward = GemmEpilogue.geluBackward(preActivation);
    kernels.gemm(false, false, weights, down, gradient, backward);
    Tensor dA = fixture.output(m, 4);
    Tensor dB = zeros(n, 4);
    Tensor dBias = zeros(n);
    kernels.gemm(false, false, gradient, b, dA, GemmEpilogue.STORE);
    kernels.gemm(true, false, gradient, a, dB, GemmEpilogue.accumulate(dBias));
    assertGradient("a", a, dA, loss);
    assertGradient("b", b, dB, loss);
    assertGradient("bias", bias, dBias, loss);
  }

  @Test
  void tanh() {
    Tensor a = variable(3, 4);
    Tensor b = fixture.activations(4, 5);
    Tensor c = fixture.output(3, 5);
    Tensor weights = fixture.activations(3, 5);
    GemmEpilogue epilogue = GemmEpilogue.biasTanh(fixture.parameters(5));
    DoubleSupplier loss =
        () -> {
          kernels.gemm(false, false, a, b, c, epilogue);
          return dot(c, weights);
        };
    loss.getAsDouble();
    Tensor gradient = fixture.inOut(DType.F64, fixture.values(weights), 3, 5);
    kernels.tanhBackward(c, gradient);
    Tensor dA = fixture.output(3, 4);
    kernels.gemm(false, true, gradient, b, dA, GemmEpilogue.STORE);
    assertGradient("a", a, dA, loss);
  }

  private Tensor variable(int... extents) {
    long[] shape = Arrays.stream(extents).asLongStream().toArray();
    return fixture.inOut(DType.F64, fixture.normal(count(extents)), shape);
  }

  private Tensor zeros(int... extents) {
    long[] shape = Arrays.stream(extents).asLongStream().toArray();
    return fixture.inOut(DType.F64, new double[count(extents)], shape);
  }

  private LayerNorm layerNorm(int hidden) {
    return new LayerNorm(variable(hidden), variable(hidden), 1e-12f);
  }

  private static int count(int[] extents) {
    return Arrays.stream(extents).reduce(1, Math::multiplyExact);
  }

  private static double dot(Tensor out, Tensor weights) {
    double sum = 0;
    for (long i = 0; i < out.elements(); i++) {
      sum += out.get(i) * weights.get(i);
    }
    return sum;
  }

  private static void assertGradient(
      String name, Tensor variable, Tensor gradient, DoubleSupplier loss) {
    double[] differences = new double[(int) variable.elements()];
    double[] computed = new double[differences.length];
    for (int i = 0; i < differences.length; i++) {
      double value = variable.get(i);
      variable.set(i, value + STEP);
      double above = loss.getAsDouble();
      variable.set(i, value - STEP);
      double below = loss.getAsDouble();
      variable.set(i, value);
      differences[i] = (above - below) / (2 * STEP);
      computed[i] = gradient.get(i);
    }
    Closeness closeness = Closeness.of(computed, differences, 1e-3);
    assertTrue(closeness.within(TOLERANCE), name + ": " + closeness + ", seed " + SEED);
  }
}
