package io.github.simcse4j.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.simcse4j.data.Columns;
import io.github.simcse4j.encode.SentenceEncoder;
import io.github.simcse4j.kernels.Closeness;
import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.kernels.reference.ReferenceKernels;
import io.github.simcse4j.model.ModelFolder;
import io.github.simcse4j.model.Pooler;
import io.github.simcse4j.objective.ContrastiveOptions;
import io.github.simcse4j.tensor.Bfloat16;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Shape;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Training in BF16 from files to files, on the reference backend. */
class Bf16TrainingTest {

  private static final int STEPS = 8;
  private static final int BATCH = 6;

  @TempDir static Path folder;

  private static Quickstart quickstart;
  private static Outcome trained;

  private record Outcome(Path out, double[] losses) {

    byte[] weights() {
      try {
        return Files.readAllBytes(out.resolve("model.safetensors"));
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
  }

  @BeforeAll
  static void train() throws IOException {
    try (Kernels kernels = new ReferenceKernels()) {
      quickstart = Quickstart.make(folder.resolve("quickstart"), 5, kernels);
    }
    trained = train(DType.BF16, "bf16");
  }

  private static Outcome train(DType dtype, String name) {
    TrainConfig config =
        new TrainConfig(
            BATCH,
            1,
            1,
            STEPS,
            1e-3,
            2,
            0.01,
            1,
            12,
            0.1f,
            0,
            ContrastiveOptions.PUBLISHED,
            Pooler.CLS,
            false,
            0.9,
            0,
            true,
            true,
            true,
            9);
    Path out = folder.resolve(name);
    Training.Files files =
        new Training.Files(
            quickstart.start(),
            List.of(quickstart.sentences()),
            Columns.all(),
            null,
            List.of(),
            out,
            0);
    List<Double> losses = new ArrayList<>();
    TrainListener collector =
        new TrainListener() {
          @Override
          public void onStep(Step step) {
            losses.add(step.loss());
          }
        };
    try (Kernels kernels = new ReferenceKernels();
        Training training = new Training(files, config, kernels, dtype)) {
      training.run(List.of(collector));
    }
    return new Outcome(out, losses.stream().mapToDouble(Double::doubleValue).toArray());
  }

  @Test
  void equalSeedsGiveEqualBytes() {
    Outcome again = train(DType.BF16, "again");
    assertArrayEquals(trained.weights(), again.weights());
    assertArrayEquals(trained.losses, again.losses);
  }

  /** The path of the loss is that of F32 but for rounding, under the same masks. */
  @Test
  void lossesFollowThoseOfF32() {
    Outcome f32 = train(DType.F32, "f32");
    assertFalse(Arrays.equals(f32.weights(), trained.weights()));
    // A cosine of vectors in BF16 is off by 2^-8 of its terms; the temperature multiplies it.
    double bound = 0x1p-8 / 0.1;
    for (int step = 0; step < STEPS; step++) {
      double difference = Math.abs(f32.losses[step] - trained.losses[step]);
      assertTrue(difference < bound, "step " + step + " is off by " + difference);
    }
  }

  /** What is saved are the parameters that AdamW updates, not their rounded copy. */
  @Test
  void theMasterIsSaved() {
    try (ModelFolder saved = ModelFolder.open(trained.out)) {
      String name = "encoder.layer.1.output.dense.weight";
      int hidden = saved.config().hiddenSize();
      Shape shape = Shape.of(hidden, saved.config().intermediateSize());
      MemorySegment floats = saved.weights().floats(name, shape);
      long rounded =
          IntStream.range(0, (int) shape.elements())
              .mapToObj(i -> floats.getAtIndex(ValueLayout.JAVA_FLOAT_UNALIGNED, i))
              .filter(x -> Bfloat16.toFloat(Bfloat16.of(x)) == x)
              .count();
      // One F32 in 2^16 is a BF16 by chance.
      assertTrue(rounded < shape.elements() / 100, rounded + " of " + shape + " are in BF16");
    }
  }

  @Test
  void theSavedModelEncodesInEitherType() {
    List<String> sentences = List.of("the cat sat", "a dog", "the cat sat on a mat with a dog");
    double[] f32 = encode(sentences, DType.F32);
    double[] bf16 = encode(sentences, DType.BF16);
    Closeness closeness = Closeness.of(bf16, f32);
    // Ten roundings of 2^-9 one after the other, each of its own sign, are far below this.
    assertTrue(closeness.within(0x1p-6), closeness.toString());
    assertFalse(Arrays.equals(f32, bf16));
  }

  private static double[] encode(List<String> sentences, DType dtype) {
    try (Kernels kernels = new ReferenceKernels();
        SentenceEncoder encoder = SentenceEncoder.load(trained.out, null, 0, kernels, dtype)) {
      float[] vectors = encoder.encode(sentences);
      return IntStream.range(0, vectors.length).mapToDouble(i -> vectors[i]).toArray();
    }
  }
}
