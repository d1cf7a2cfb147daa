package io.github.simcse4j.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.simcse4j.kernels.Closeness;
import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.kernels.PackedBatch;
import io.github.simcse4j.kernels.UsableKernels;
import io.github.simcse4j.objective.ContrastiveObjective;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Shape;
import io.github.simcse4j.tensor.Tensor;
import io.github.simcse4j.tensor.Workspace;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The whole encoder in BF16 against PyTorch in double precision. It may be off by twice of what
 * PyTorch itself is off with weights and activations in BF16: the fixture has that too.
 */
class Bf16GoldenTest {

  private static final int SENTENCES = 6;

  /** Beside the rounding to BF16: that of sums in F32. */
  private static final double F32_TOLERANCE = 1e-5;

  static Stream<Kernels> backends() {
    return UsableKernels.of(DType.BF16);
  }

  @ParameterizedTest
  @MethodSource("backends")
  void embeddings(Kernels kernels) {
    try (kernels;
        Golden golden = new Golden()) {
      for (Pooler pooler : Pooler.values()) {
        String name = "embeddings." + pooler.label();
        for (PassMode mode : PassMode.values()) {
          try (SentenceModel model = golden.model(pooler, kernels, DType.BF16, mode.training());
              Workspace workspace = workspace(model, mode)) {
            PackedBatch batch = golden.batch("", 3 * SENTENCES, 1);
            ForwardPass pass = model.forward(batch, null, mode, true, workspace);
            assertEquals(DType.F32, pass.embeddings().dtype());
            String label = name + " " + mode + " on " + kernels.name();
            assertClose(
                golden, name, doubles(pass.embeddings()), doubles(golden.values(name)), label);
          }
        }
      }
    }
  }

  /** A model to be used alone keeps no parameters in F32, and computes the same. */
  @ParameterizedTest
  @MethodSource("backends")
  void modelsToBeUsedAlone(Kernels kernels) {
    try (kernels;
        Golden golden = new Golden();
        SentenceModel trainable = golden.model(Pooler.CLS, kernels, DType.BF16, true);
        SentenceModel alone = golden.model(Pooler.CLS, kernels, DType.BF16, false);
        Workspace workspace = workspace(trainable, PassMode.ENCODE);
        Workspace other = workspace(alone, PassMode.ENCODE)) {
      assertThrows(IllegalStateException.class, alone::parameters);
      PackedBatch batch = golden.batch("", 3 * SENTENCES, 1);
      alone.holdWeights();
      assertArrayEquals(
          doubles(trainable.forward(batch, null, PassMode.ENCODE, true, workspace).embeddings()),
          doubles(alone.forward(batch, null, PassMode.ENCODE, true, other).embeddings()));
      alone.releaseWeights();
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void unsupervisedGradients(Kernels kernels) {
    gradients(kernels, PassMode.REPLAY, "unsupervised", Pooler.CLS, SENTENCES, 2);
  }

  @ParameterizedTest
  @MethodSource("backends")
  void supervisedGradients(Kernels kernels) {
    gradients(kernels, PassMode.KEEP, "supervised", Pooler.AVG_FIRST_LAST, 3 * SENTENCES, 1);
  }

  private static void gradients(
      Kernels kernels, PassMode mode, String kind, Pooler pooler, int sentences, int views) {
    try (kernels;
        Golden golden = new Golden();
        SentenceModel model = golden.model(pooler, kernels, DType.BF16, true);
        Workspace workspace = workspace(model, mode)) {
      PackedBatch batch = golden.batch("", sentences, views);
      ForwardPass pass = model.forward(batch, null, mode, true, workspace);
      Tensor gradients = zeros(kernels, model.layout().elements());
      Tensor loss = zeros(kernels, 1);
      Tensor dEmbeddings = zeros(kernels, batch.embeddings(), model.dimension());
      new ContrastiveObjective(0.05f, 0.3f)
          .evaluate(kernels, SENTENCES, pass.embeddings(), 1f, loss, dEmbeddings, workspace);
      model.backward(pass, dEmbeddings, gradients);
      double[] expected = new double[Math.toIntExact(model.layout().elements())];
      for (ParameterLayout.Entry entry : model.layout().entries()) {
        double[] part = doubles(golden.values(kind + ".gradient." + entry.name()));
        System.arraycopy(part, 0, expected, Math.toIntExact(entry.offset()), part.length);
      }
      String label = kind + " gradient on " + kernels.name();
      assertClose(golden, kind + ".gradient", doubles(gradients), expected, label);
    }
  }

  private static void assertClose(
      Golden golden, String name, double[] out, double[] reference, String label) {
    Tensor pair = golden.values("bf16." + name);
    Closeness torch = new Closeness(pair.get(0), pair.get(1));
    Closeness closeness = Closeness.of(out, reference);
    assertTrue(
        closeness.within(F32_TOLERANCE, torch),
        () -> label + " is off by " + closeness + ", PyTorch by " + torch);
  }

  private static Workspace workspace(SentenceModel model, PassMode mode) {
    BatchDimensions largest =
        new BatchDimensions(12 * 3 * SENTENCES, 3 * SENTENCES, mode.training() ? 2 : 1);
    return new Workspace(model.kernels().allocate(model.workspaceBytes(largest, mode) + 4096));
  }

  private static Tensor zeros(Kernels kernels, long... extents) {
    Shape shape = Shape.of(extents);
    return new Tensor(kernels.allocate(shape.elements() * Float.BYTES), 0, DType.F32, shape);
  }

  private static double[] doubles(Tensor tensor) {
    double[] values = new double[Math.toIntExact(tensor.elements())];
    for (int i = 0; i < values.length; i++) {
      values[i] = tensor.get(i);
    }
    return values;
  }
}
