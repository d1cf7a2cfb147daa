package io.github.simcse4j.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.simcse4j.data.Columns;
import io.github.simcse4j.files.InputException;
import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.kernels.TestDevice;
import io.github.simcse4j.kernels.reference.ReferenceKernels;
import io.github.simcse4j.model.ModelFolder;
import io.github.simcse4j.model.PassMode;
import io.github.simcse4j.model.Pooler;
import io.github.simcse4j.objective.ContrastiveOptions;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Shape;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Whole trainings on a device, beside the same on plain loops of the host. */
@Tag("cuda")
class CudaTrainingTest {

  private static final int STEPS = 5;
  private static final int BATCH = 8;

  @TempDir static Path folder;

  private static SmallTraining small;

  /** What a training told. */
  private static final class Course implements TrainListener {
    private final List<Plan> plans = new ArrayList<>();
    private final List<Step> steps = new ArrayList<>();
    private float[] vector;

    @Override
    public void onPlan(Plan plan) {
      plans.add(plan);
    }

    @Override
    public void onStep(Step step) {
      steps.add(step);
    }

    private double[] losses() {
      return steps.stream().mapToDouble(Step::loss).toArray();
    }

    private double[] norms() {
      return steps.stream().mapToDouble(Step::gradNorm).toArray();
    }
  }

  @BeforeAll
  static void make() throws IOException {
    small = SmallTraining.make(folder, 1);
  }

  private static Course train(
      Kernels kernels, DType dtype, TrainConfig config, MemorySettings memory, String name) {
    Path out = folder.resolve(name + dtype);
    Training.Files files =
        new Training.Files(
            small.model(), List.of(small.text(1)), Columns.all(), null, List.of(), out, 0);
    Course course = new Course();
    try (kernels;
        Training training = new Training(files, config, memory, kernels, dtype)) {
      training.run(List.of(course));
      course.vector = training.encoder().encode(List.of("a b c", "d e f g h i"));
    }
    return course;
  }

  private static TrainConfig config(Pooler pooler, int accumulation, int steps) {
    return new TrainConfig(
        BATCH,
        accumulation,
        3,
        steps,
        1e-3,
        0,
        0.01,
        1,
        16,
        0.05f,
        0.5f,
        ContrastiveOptions.PUBLISHED,
        pooler,
        false,
        0.9,
        0,
        true,
        true,
        true,
        9);
  }

  private static void assertSame(Course expected, Course actual, double tolerance) {
    assertEquals(expected.steps.size(), actual.steps.size());
    assertArrayEquals(expected.losses(), actual.losses(), tolerance);
    assertArrayEquals(expected.norms(), actual.norms(), 10 * tolerance);
    for (int i = 0; i < actual.steps.size(); i++) {
      assertEquals(i + 1L, actual.steps.get(i).step());
      assertEquals(expected.steps.get(i).epoch(), actual.steps.get(i).epoch());
      assertEquals(expected.steps.get(i).learningRate(), actual.steps.get(i).learningRate());
      assertTrue(actual.steps.get(i).sentencesPerSecond() > 0);
    }
    for (int i = 0; i < expected.vector.length; i++) {
      assertEquals(expected.vector[i], actual.vector[i], 100 * tolerance);
    }
  }

  @Test
  void aTrainingIsThatOfTheHost() {
    for (Pooler pooler : List.of(Pooler.CLS, Pooler.AVG)) {
      TrainConfig config = config(pooler, 1, STEPS);
      String name = pooler.label();
      Course host =
          train(new ReferenceKernels(), DType.F32, config, MemorySettings.AUTO, name + "-host");
      Course device =
          train(
              TestDevice.open(DType.F32), DType.F32, config, MemorySettings.AUTO, name + "-device");
      assertEquals(1, device.steps.getFirst().chunks());
      assertEquals(PassMode.KEEP, device.plans.getFirst().memory().mode());
      assertSame(host, device, 2e-5);
    }
  }

  @Test
  void chunksThatAreKeptAndChunksThatAreNotChangeNothing() {
    TrainConfig config = config(Pooler.CLS, 2, 2);
    Course whole =
        train(TestDevice.open(DType.F32), DType.F32, config, MemorySettings.AUTO, "accumulated");
    Course kept =
        train(TestDevice.open(DType.F32), DType.F32, config, new MemorySettings(30, 0), "kept");
    long once = kept.plans.getFirst().memory().total();
    long activations = kept.plans.getFirst().memory().activations();
    int all = kept.plans.getFirst().memory().kept();
    long two = once - activations + 2 * activations / all;
    MemorySettings little = new MemorySettings(30, Integer.MAX_VALUE, Activations.KEEP, two);
    Course fewer = train(TestDevice.open(DType.F32), DType.F32, config, little, "fewer");
    // What does not suffice to keep two of them whole.
    MemorySettings less = new MemorySettings(30, 2, Activations.AUTO, two - 1);
    Course replayed = train(TestDevice.open(DType.F32), DType.F32, config, less, "replayed");
    assertTrue(kept.steps.getFirst().chunks() > 4);
    assertEquals(2, fewer.plans.getFirst().memory().kept());
    assertEquals(2, replayed.plans.getFirst().memory().kept());
    assertEquals(PassMode.REPLAY, replayed.plans.getFirst().memory().mode());
    assertSame(whole, kept, 1e-5);
    for (Course other : List.of(fewer, replayed)) {
      assertArrayEquals(kept.losses(), other.losses());
      assertArrayEquals(kept.vector, other.vector);
    }
  }

  @Test
  void bf16IsAsFarOffAsOnTheHost() {
    TrainConfig config = config(Pooler.AVG, 1, 3);
    Course host =
        train(new ReferenceKernels(), DType.BF16, config, MemorySettings.AUTO, "bf16-host");
    Course device =
        train(TestDevice.open(DType.BF16), DType.BF16, config, MemorySettings.AUTO, "bf16");
    assertArrayEquals(host.losses(), device.losses(), 0.02);
  }

  @Test
  void memoryThatDoesNotSufficeIsCutIntoChunks() {
    // What the plan of the whole batch asks for is more than there is.
    Course course =
        train(
            TestDevice.open(DType.F32),
            DType.F32,
            config(Pooler.AVG, 1, 1),
            new MemorySettings(0, 400_000),
            "little");
    assertTrue(course.steps.getFirst().chunks() > 1, course.plans.toString());
  }

  @Test
  void headsThatTheDeviceDoesNotTakeAreRefusedBeforeTheTraining() throws IOException {
    Path other = Files.createDirectory(folder.resolve("heads"));
    SmallTraining eight = SmallTraining.make(other, 4);
    try (Kernels kernels = TestDevice.open(DType.F32)) {
      InputException fault =
          assertThrows(InputException.class, () -> eight.model(Pooler.AVG, kernels, DType.F32));
      assertEquals(
          "the heads of the model have 8 channels, and kernels cuda take 32, 64 or 128; use --device"
              + " cpu.",
          fault.getMessage());
    }
  }

  /** Weights that grow a million times in a step: those before are told of, nothing is kept. */
  @Test
  void aDivergenceIsNamedByItsStep() {
    Path out = folder.resolve("diverged");
    TrainConfig wild =
        new TrainConfig(
            BATCH,
            1,
            3,
            20,
            900,
            0,
            900,
            0,
            16,
            0.05f,
            0.5f,
            ContrastiveOptions.PUBLISHED,
            Pooler.AVG,
            false,
            0.9,
            0,
            true,
            true,
            true,
            9);
    Training.Files files =
        new Training.Files(
            small.model(), List.of(small.text(1)), Columns.all(), null, List.of(), out, 0);
    Course course = new Course();
    try (Kernels kernels = TestDevice.open(DType.F32);
        Training training = new Training(files, wild, MemorySettings.AUTO, kernels, DType.F32)) {
      InputException fault =
          assertThrows(InputException.class, () -> training.run(List.of(course)));
      String step = "at step " + (course.steps.size() + 1) + ": the training diverged";
      assertTrue(fault.getMessage().contains(step), fault.getMessage());
    }
    assertFalse(course.steps.isEmpty());
    assertTrue(course.steps.size() < 19, "steps: " + course.steps.size());
    assertFalse(Files.exists(out.resolve("model.safetensors")));
  }

  @Test
  void whatIsWrittenIsWhatWasTrained() throws IOException {
    train(
        TestDevice.open(DType.F32),
        DType.F32,
        config(Pooler.AVG, 1, 1),
        MemorySettings.AUTO,
        "written");
    try (ModelFolder trained = ModelFolder.open(folder.resolve("writtenF32"));
        ModelFolder start = ModelFolder.open(small.model())) {
      float[][] words = new float[2][];
      ModelFolder[] folders = {start, trained};
      for (int i = 0; i < 2; i++) {
        words[i] =
            folders[i]
                .weights()
                .floats("embeddings.word_embeddings.weight", Shape.of(31, 32))
                .toArray(ValueLayout.JAVA_FLOAT);
      }
      int changed = 0;
      for (int i = 0; i < words[0].length; i++) {
        assertEquals(words[0][i], words[1][i], 2e-3);
        changed += words[0][i] == words[1][i] ? 0 : 1;
      }
      assertTrue(changed > words[0].length / 2, "changed: " + changed);
    }
  }
}
