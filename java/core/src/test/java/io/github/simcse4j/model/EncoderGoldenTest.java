package io.github.simcse4j.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.kernels.PackedBatch;
import io.github.simcse4j.kernels.reference.ReferenceKernels;
import io.github.simcse4j.kernels.vector.VectorKernels;
import io.github.simcse4j.objective.ContrastiveObjective;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Shape;
import io.github.simcse4j.tensor.Tensor;
import io.github.simcse4j.tensor.Workspace;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The whole encoder against PyTorch in double precision: embeddings of every pooler, losses and all
 * gradients. {@code bench/parity/make_golden.py} made the values.
 */
class EncoderGoldenTest {

  private static final int SENTENCES = 6;

  /** A backend and the largest norm-wise error it may have. */
  private record Backend(Kernels kernels, DType dtype, double tolerance) {
    @Override
    public String toString() {
      return kernels.description() + " " + dtype;
    }
  }

  static Stream<Backend> backends() {
    return Stream.of(
        new Backend(new ReferenceKernels(), DType.F64, 1e-9),
        new Backend(new ReferenceKernels(), DType.F32, 2e-6),
        new Backend(new VectorKernels(1), DType.F32, 1e-5),
        new Backend(new VectorKernels(2), DType.F32, 1e-5));
  }

  @ParameterizedTest
  @EnumSource(Pooler.class)
  void embeddingsAreThoseOfPyTorch(Pooler pooler) {
    for (Backend backend : backends().toList()) {
      try (Golden golden = new Golden();
          SentenceModel model = golden.model(pooler, backend.kernels, backend.dtype)) {
        PackedBatch batch = golden.batch("", 3 * SENTENCES, 1);
        for (PassMode mode : PassMode.values()) {
          Workspace workspace = workspace(model, batch, mode);
          ForwardPass pass = model.forward(batch, null, mode, true, workspace);
          assertClose(
              golden.values("embeddings." + pooler.label()),
              pass.embeddings(),
              backend,
              pooler + " " + mode);
        }
      }
      backend.kernels.close();
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void unsupervisedLossAndAllGradientsAreThoseOfPyTorch(Backend backend) {
    check(backend, "unsupervised", Pooler.CLS, SENTENCES, 2);
  }

  @ParameterizedTest
  @MethodSource("backends")
  void supervisedLossAndAllGradientsAreThoseOfPyTorch(Backend backend) {
    check(backend, "supervised", Pooler.AVG_FIRST_LAST, 3 * SENTENCES, 1);
  }

  private static void check(Backend backend, String kind, Pooler pooler, int sentences, int views) {
    Kernels kernels = backend.kernels;
    try (Golden golden = new Golden();
        SentenceModel model = golden.model(pooler, kernels, backend.dtype)) {
      PackedBatch batch = golden.batch("", sentences, views);
      for (PassMode mode : List.of(PassMode.REPLAY, PassMode.KEEP)) {
        Workspace workspace = workspace(model, batch, mode);
        ForwardPass pass = model.forward(batch, null, mode, true, workspace);
        Tensor gradients = zeros(backend, model.layout().elements());
        Tensor loss = zeros(backend, 1);
        Tensor dEmbeddings = zeros(backend, batch.embeddings(), model.dimension());
        new ContrastiveObjective(0.05f, 0.3f)
            .evaluate(kernels, SENTENCES, pass.embeddings(), 1f, loss, dEmbeddings, workspace);
        model.backward(pass, dEmbeddings, gradients);
        assertEquals(golden.values(kind + ".loss").get(0), loss.get(0), 10 * backend.tolerance);
        int compared = 0;
        for (ParameterLayout.Entry entry : model.layout().entries()) {
          Tensor expected = golden.values(kind + ".gradient." + entry.name());
          Tensor actual = gradients.slice(entry.offset(), entry.shape().extents());
          assertClose(expected, actual, backend, entry.name() + " " + mode);
          compared++;
        }
        assertEquals(model.layout().entries().size(), compared);
      }
    }
    kernels.close();
  }

  private static Workspace workspace(SentenceModel model, PackedBatch batch, PassMode mode) {
    BatchDimensions dimensions =
        new BatchDimensions(batch.tokens(), batch.sentences(), batch.views());
    long bytes = model.workspaceBytes(dimensions, mode) + 4096;
    return new Workspace(model.kernels().allocate(bytes));
  }

  private static Tensor zeros(Backend backend, long... extents) {
    Shape shape = Shape.of(extents);
    return new Tensor(
        backend.kernels.allocate(shape.elements() * backend.dtype.bytes()),
        0,
        backend.dtype,
        shape);
  }

  private static void assertClose(Tensor expected, Tensor actual, Backend backend, String what) {
    double difference = 0;
    double largest = 0;
    for (long i = 0; i < expected.elements(); i++) {
      double error = Math.abs(expected.get(i) - actual.get(i));
      assertTrue(!Double.isNaN(error), what + " is NaN at " + i + " on " + backend);
      difference = Math.max(difference, error);
      largest = Math.max(largest, Math.abs(expected.get(i)));
    }
    // The gradient of a key's bias is zero but for rounding, so that it has no size to be held to.
    double scale = Math.max(largest, 1e-2);
    assertTrue(
        difference <= backend.tolerance * scale,
        what + " on " + backend + " differs by " + difference + " of " + largest);
  }
}
