package io.github.simcse4j.train;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.simcse4j.kernels.Closeness;
import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.kernels.PackedBatch;
import io.github.simcse4j.kernels.TestDevice;
import io.github.simcse4j.model.BatchDimensions;
import io.github.simcse4j.model.ForwardPass;
import io.github.simcse4j.model.Golden;
import io.github.simcse4j.model.PassMode;
import io.github.simcse4j.model.Pooler;
import io.github.simcse4j.model.SentenceModel;
import io.github.simcse4j.objective.ContrastiveObjective;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Tensor;
import io.github.simcse4j.tensor.Workspace;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Embeddings of every pooler and ten losses of supervised training on a device, against PyTorch in
 * double precision. BF16 may be twice as far off as PyTorch is with weights and activations in
 * BF16. {@code bench/parity/make_golden.py} made the values.
 */
@Tag("cuda")
class CudaGoldenTest {

  private static final int STEPS = 10;
  private static final int QUERIES = 6;
  private static final int SENTENCES = 3 * QUERIES;
  private static final int LONGEST = 12;

  @ParameterizedTest
  @EnumSource(names = {"F32", "BF16"})
  void embeddingsAreThoseOfPyTorch(DType dtype) {
    try (Kernels kernels = TestDevice.open(dtype);
        Golden golden = Golden.ofDevices()) {
      for (Pooler pooler : Pooler.values()) {
        String name = "embeddings." + pooler.label();
        try (SentenceModel model = golden.model(pooler, kernels, dtype);
            Workspace workspace = workspace(model)) {
          PackedBatch batch = batch(golden, "", kernels, workspace);
          ForwardPass pass = model.forward(batch, null, PassMode.KEEP, true, workspace);
          double[] out = numbers(kernels, pass.embeddings());
          assertClose(golden, name, out, dtype, 1e-5);
        }
      }
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"F32", "BF16"})
  void tenLossesAreThoseOfPyTorch(DType dtype) {
    try (Kernels kernels = TestDevice.open(dtype);
        Golden golden = Golden.ofDevices();
        SentenceModel model = golden.model(Pooler.AVG_FIRST_LAST, kernels, dtype);
        Workspace state = SmallTraining.state(model)) {
      AdamW optimizer = new AdamW(model, 0.01, 1.0, state);
      LinearSchedule schedule = new LinearSchedule(1e-2, 2, STEPS);
      double[] losses = new double[STEPS];
      for (int step = 0; step < STEPS; step++) {
        double rate = schedule.learningRate(step + 1);
        losses[step] = step(golden, "step" + step + ".", model, optimizer, rate);
      }
      assertClose(golden, "losses", losses, dtype, 1e-4);
    }
  }

  private static double step(
      Golden golden, String prefix, SentenceModel model, AdamW optimizer, double rate) {
    Kernels kernels = model.kernels();
    try (Workspace workspace = workspace(model)) {
      PackedBatch batch = batch(golden, prefix, kernels, workspace);
      DType type = kernels.traits().lossType(model.dtype());
      Tensor embeddings = workspace.tensor(type, SENTENCES, model.dimension());
      Tensor dEmbeddings = workspace.tensor(type, SENTENCES, model.dimension());
      ForwardPass pass = model.forward(batch, null, PassMode.KEEP, true, embeddings, workspace);
      Tensor loss = workspace.tensor(DType.F32, 1);
      Tensor norm = workspace.tensor(DType.F32, 1);
      new ContrastiveObjective(0.05f, 0.3f)
          .evaluate(kernels, QUERIES, embeddings, 1f, loss, dEmbeddings, workspace);
      optimizer.zeroGradients();
      model.backward(pass, dEmbeddings, optimizer.gradients());
      optimizer.update(rate, norm);
      assertTrue(numbers(kernels, norm)[0] > 0);
      return numbers(kernels, loss)[0];
    }
  }

  private static Workspace workspace(SentenceModel model) {
    BatchDimensions largest = new BatchDimensions(SENTENCES * LONGEST, SENTENCES, 1);
    return new Workspace(
        model.kernels().allocate(model.workspaceBytes(largest, PassMode.KEEP) + 65536));
  }

  private static PackedBatch batch(
      Golden golden, String prefix, Kernels kernels, Workspace workspace) {
    PackedBatch host = golden.batch(prefix, SENTENCES, 1);
    return new PackedBatch(
        upload(kernels, host.ids(), workspace),
        upload(kernels, host.starts(), workspace),
        upload(kernels, host.cuSeqlens(), workspace),
        upload(kernels, host.samples(), workspace),
        host.tokens(),
        host.maxLength(),
        1,
        0);
  }

  private static Tensor upload(Kernels kernels, Tensor host, Workspace workspace) {
    Tensor tensor = workspace.tensor(host.dtype(), host.shape().extents());
    kernels.upload(host, tensor);
    return tensor;
  }

  private static double[] numbers(Kernels kernels, Tensor tensor) {
    Tensor host = Tensor.host(tensor.dtype(), tensor.shape().extents());
    kernels.download(tensor, host);
    double[] numbers = all(host);
    host.memory().close();
    return numbers;
  }

  private static double[] all(Tensor host) {
    return IntStream.range(0, (int) host.elements()).mapToDouble(host::get).toArray();
  }

  private static void assertClose(
      Golden golden, String name, double[] out, DType dtype, double f32) {
    Tensor pair = golden.values("bf16." + name);
    Closeness torch = new Closeness(pair.get(0), pair.get(1));
    Closeness closeness = Closeness.of(out, all(golden.values(name)));
    assertTrue(
        dtype == DType.BF16 ? closeness.within(f32, torch) : closeness.within(f32),
        () -> name + " in " + dtype + " is off by " + closeness + ", PyTorch by " + torch);
  }
}
