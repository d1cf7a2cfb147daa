package io.github.simcse4j.jcuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.simcse4j.kernels.Batches;
import io.github.simcse4j.kernels.Contrast;
import io.github.simcse4j.kernels.ContrastPairs;
import io.github.simcse4j.kernels.ContrastStatistics;
import io.github.simcse4j.kernels.GemmEpilogue;
import io.github.simcse4j.kernels.KernelsFixture;
import io.github.simcse4j.kernels.PackedBatch;
import io.github.simcse4j.kernels.TestDevice;
import io.github.simcse4j.random.Dropout;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Tensor;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.function.ToIntFunction;
import jcuda.Pointer;
import jcuda.jcudnn.JCudnn;
import jcuda.jcudnn.cudnnDataType;
import jcuda.jcudnn.cudnnDropoutDescriptor;
import jcuda.jcudnn.cudnnHandle;
import jcuda.jcudnn.cudnnSoftmaxAlgorithm;
import jcuda.jcudnn.cudnnSoftmaxMode;
import jcuda.jcudnn.cudnnTensorDescriptor;
import jcuda.jcudnn.cudnnTensorFormat;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * The kernels beside the vendor's softmax and dropout, by JCudnn, where cuDNN is installed; on the
 * emulated device beside loops in its place, which shows that the calls are right.
 */
@Tag("cuda")
class JCudnnTest {

  private static JCudaKernels kernels;

  @BeforeAll
  static void open() {
    JCudaTestDevice.prepare();
    assertEquals(Optional.empty(), JCudaNatives.obstacle());
    Optional<String> obstacle = JCudaNatives.load(List.of("jcuda.jcudnn.JCudnn"));
    if (!TestDevice.isReal()) {
      assertEquals(Optional.empty(), obstacle);
    }
    Assumptions.assumeTrue(obstacle.isEmpty(), () -> "JCudnn: " + obstacle.orElseThrow());
    kernels = (JCudaKernels) JCudaTestDevice.open(DType.F32);
  }

  @AfterAll
  static void close() {
    if (kernels != null) {
      kernels.close();
    }
  }

  /** The loss of every query is what cuDNN's log-softmax has in the column of its target. */
  @Test
  void theLossIsThatOfItsLogSoftmax() {
    int queries = 33;
    int keys = 65;
    int hidden = 64;
    try (KernelsFixture fixture = new KernelsFixture(kernels, DType.F32, 5)) {
      double[] targets = new double[queries];
      Arrays.setAll(targets, i -> (7 * i) % keys);
      Tensor unitQueries =
          fixture.input(DType.F32, unit(fixture, queries, hidden), queries, hidden);
      Tensor unitKeys = fixture.input(DType.F32, unit(fixture, keys, hidden), keys, hidden);
      Tensor loss = fixture.output(DType.F32, 1);
      ContrastStatistics statistics =
          new ContrastStatistics(
              fixture.output(DType.F32, queries),
              fixture.output(DType.F32, queries),
              fixture.output(DType.F32, keys));
      kernels.similaritySoftmaxForward(
          new ContrastPairs(unitQueries, unitKeys, fixture.input(DType.I32, targets, queries)),
          Contrast.inBatch(1f),
          loss,
          statistics);
      Tensor logits = fixture.output(DType.F32, queries, keys);
      kernels.gemm(false, true, unitQueries, unitKeys, logits, GemmEpilogue.STORE);
      double[] logs = softmax(fixture, logits, cudnnSoftmaxAlgorithm.CUDNN_SOFTMAX_LOG);
      double expected = 0;
      for (int i = 0; i < queries; i++) {
        expected -= logs[i * keys + (int) targets[i]] / queries;
      }
      assertEquals(expected, fixture.values(loss)[0], 1e-5 * expected);
    }
  }

  /** One sentence and one head: products by cuBLAS around cuDNN's softmax. */
  @Test
  void attentionIsThatOfItsSoftmax() {
    int tokens = 37;
    int hidden = 64;
    try (KernelsFixture fixture = new KernelsFixture(kernels, DType.F32, 6)) {
      PackedBatch batch = Batches.random(fixture, 1, 0, tokens);
      double[] rows = fixture.normal(3L * tokens * hidden);
      Tensor out = fixture.output(tokens, hidden);
      kernels.attentionForward(
          batch,
          1,
          fixture.input(DType.F32, rows, tokens, 3 * hidden),
          Dropout.NONE,
          out,
          fixture.output(DType.F32, tokens, 1));
      double[][] parts = new double[3][tokens * hidden];
      for (int i = 0; i < rows.length; i++) {
        int column = i % (3 * hidden);
        double scale = column < hidden ? 1 / Math.sqrt(hidden) : 1;
        parts[column / hidden][i / (3 * hidden) * hidden + column % hidden] = scale * rows[i];
      }
      Tensor scores = fixture.output(DType.F32, tokens, tokens);
      kernels.gemm(
          false,
          true,
          fixture.input(DType.F32, parts[0], tokens, hidden),
          fixture.input(DType.F32, parts[1], tokens, hidden),
          scores,
          GemmEpilogue.STORE);
      double[] weights = softmax(fixture, scores, cudnnSoftmaxAlgorithm.CUDNN_SOFTMAX_ACCURATE);
      Tensor expected = fixture.output(DType.F32, tokens, hidden);
      kernels.gemm(
          false,
          false,
          fixture.input(DType.F32, weights, tokens, tokens),
          fixture.input(DType.F32, parts[2], tokens, hidden),
          expected,
          GemmEpilogue.STORE);
      assertClose(fixture.values(expected), fixture.values(out));
    }
  }

  /** Both keep as many as they should, within five standard deviations, and scale alike. */
  @Test
  void dropoutKeepsAsMany() {
    int rows = 512;
    int channels = 768;
    float keepProb = 0.9f;
    int count = rows * channels;
    double deviation = Math.sqrt(keepProb * (1 - keepProb) * count);
    try (KernelsFixture fixture = new KernelsFixture(kernels, DType.F32, 7)) {
      PackedBatch batch = Batches.random(fixture, 1, 0, rows);
      Tensor mask = fixture.output(DType.U8, rows, channels);
      kernels.dropoutMask(batch, new Dropout(1, 2, 3, keepProb), mask);
      double ours = Arrays.stream(fixture.values(mask)).filter(x -> x != 0).count();
      double[] dropped = dropout(fixture, count, keepProb);
      double theirs = Arrays.stream(dropped).filter(x -> x != 0).count();
      assertEquals(keepProb * count, ours, 5 * deviation);
      assertEquals(keepProb * count, theirs, 5 * deviation);
      assertEquals(1 / keepProb, Arrays.stream(dropped).max().orElseThrow(), 1e-6);
    }
  }

  private static double[] unit(KernelsFixture fixture, int rows, int hidden) {
    double[] values = fixture.normal((long) rows * hidden);
    for (int row = 0; row < rows; row++) {
      double square = 0;
      for (int i = 0; i < hidden; i++) {
        square += values[row * hidden + i] * values[row * hidden + i];
      }
      for (int i = 0; i < hidden; i++) {
        values[row * hidden + i] /= Math.sqrt(square);
      }
    }
    return values;
  }

  /** cuDNN's softmax of every row. */
  private static double[] softmax(KernelsFixture fixture, Tensor rows, int algorithm) {
    Tensor out = fixture.output(DType.F32, rows.extent(0), rows.extent(1));
    withCudnn(handle -> {
      cudnnTensorDescriptor shape = descriptor((int) rows.extent(0), (int) rows.extent(1));
      int status =
          JCudnn.cudnnSoftmaxForward(
              handle,
              algorithm,
              cudnnSoftmaxMode.CUDNN_SOFTMAX_MODE_CHANNEL,
              Pointer.to(new float[] {1}),
              shape,
              kernels.pointer(rows),
              Pointer.to(new float[] {0}),
              shape,
              kernels.pointer(out));
      JCudnn.cudnnDestroyTensorDescriptor(shape);
      return status;
    });
    return fixture.values(out);
  }

  /** cuDNN's dropout of ones. */
  private static double[] dropout(KernelsFixture fixture, int count, float keepProb) {
    double[] ones = new double[count];
    Arrays.fill(ones, 1);
    Tensor in = fixture.input(DType.F32, ones, count);
    Tensor out = fixture.output(DType.F32, count);
    withCudnn(handle -> {
      long[] stateBytes = new long[1];
      long[] reserveBytes = new long[1];
      cudnnTensorDescriptor shape = descriptor(1, count);
      check(JCudnn.cudnnDropoutGetStatesSize(handle, stateBytes));
      check(JCudnn.cudnnDropoutGetReserveSpaceSize(shape, reserveBytes));
      Tensor state = fixture.output(DType.U8, stateBytes[0]);
      Tensor reserve = fixture.output(DType.U8, reserveBytes[0]);
      cudnnDropoutDescriptor dropout = new cudnnDropoutDescriptor();
      check(JCudnn.cudnnCreateDropoutDescriptor(dropout));
      check(
          JCudnn.cudnnSetDropoutDescriptor(
              dropout, handle, 1 - keepProb, kernels.pointer(state), stateBytes[0], 11));
      int status =
          JCudnn.cudnnDropoutForward(
              handle,
              dropout,
              shape,
              kernels.pointer(in),
              shape,
              kernels.pointer(out),
              kernels.pointer(reserve),
              reserveBytes[0]);
      JCudnn.cudnnDestroyDropoutDescriptor(dropout);
      JCudnn.cudnnDestroyTensorDescriptor(shape);
      return status;
    });
    return fixture.values(out);
  }

  /** Rows of channels, as cuDNN names what it normalises over. */
  private static cudnnTensorDescriptor descriptor(int rows, int channels) {
    cudnnTensorDescriptor shape = new cudnnTensorDescriptor();
    check(JCudnn.cudnnCreateTensorDescriptor(shape));
    check(
        JCudnn.cudnnSetTensor4dDescriptor(
            shape,
            cudnnTensorFormat.CUDNN_TENSOR_NCHW,
            cudnnDataType.CUDNN_DATA_FLOAT,
            rows,
            channels,
            1,
            1));
    return shape;
  }

  /** With a handle of cuDNN on the stream of the kernels. */
  private static void withCudnn(ToIntFunction<cudnnHandle> body) {
    kernels.within(() -> {
      cudnnHandle handle = new cudnnHandle();
      check(JCudnn.cudnnCreate(handle));
      check(JCudnn.cudnnSetStream(handle, kernels.runtimeStream()));
      check(body.applyAsInt(handle));
      kernels.synchronize();
      check(JCudnn.cudnnDestroy(handle));
      return handle;
    });
  }

  private static void check(int status) {
    assertEquals(0, status, "status of cuDNN");
  }

  private static void assertClose(double[] expected, double[] actual) {
    double largest = Arrays.stream(expected).map(Math::abs).max().orElseThrow();
    for (int i = 0; i < expected.length; i++) {
      double error = Math.abs(expected[i] - actual[i]);
      assertTrue(error <= 1e-5 * largest, "element " + i + " is off by " + error);
    }
  }
}
