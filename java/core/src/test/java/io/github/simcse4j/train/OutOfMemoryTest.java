package io.github.simcse4j.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.simcse4j.data.Columns;
import io.github.simcse4j.files.InputException;
import io.github.simcse4j.kernels.Contrast;
import io.github.simcse4j.kernels.ContrastPairs;
import io.github.simcse4j.kernels.ContrastStatistics;
import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.kernels.PackedBatch;
import io.github.simcse4j.kernels.PoolingMode;
import io.github.simcse4j.kernels.vector.VectorKernels;
import io.github.simcse4j.model.PassMode;
import io.github.simcse4j.model.Pooler;
import io.github.simcse4j.random.Dropout;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Memory;
import io.github.simcse4j.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Trainings in chunks, by choice and by need. */
class OutOfMemoryTest {

  private static final int STEPS = 4;
  private static final int BATCH = 24;

  @TempDir static Path folder;

  private static SmallTraining small;
  private static Course whole;

  /** What a training told. */
  private static final class Course implements TrainListener {
    private final List<Plan> plans = new ArrayList<>();
    private final List<Step> steps = new ArrayList<>();
    private byte[] weights;

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
  }

  @BeforeAll
  static void make() throws IOException {
    small = SmallTraining.make(folder);
    whole = train(new VectorKernels(1), MemorySettings.AUTO, "whole");
  }

  private static Course train(Kernels kernels, MemorySettings memory, String name)
      throws IOException {
    Path out = folder.resolve(name);
    Training.Files files =
        new Training.Files(
            small.model(), List.of(small.text(1)), Columns.all(), null, List.of(), out, 0);
    TrainConfig config = SmallTraining.config(BATCH, STEPS, Pooler.CLS);
    Course course = new Course();
    try (kernels;
        Training training = new Training(files, config, memory, kernels, DType.F32)) {
      training.run(List.of(course));
      course.weights = Files.readAllBytes(out.resolve("model.safetensors"));
    }
    return course;
  }

  /** Rounding differs, and a step carries it on. */
  private static void assertSameCourse(Course course) {
    assertArrayEquals(whole.losses(), course.losses(), 1e-5);
  }

  @Test
  void aTrainingInChunksHasTheLossesOfOneWithout() throws IOException {
    Course once = train(new VectorKernels(1), new MemorySettings(100, 0), "once");
    Course again = train(new VectorKernels(2), new MemorySettings(100, 0), "again");
    Course replayed = train(new VectorKernels(1), new MemorySettings(100, 1_200_000), "replayed");
    assertEquals(1, whole.steps.getFirst().chunks());
    assertTrue(once.steps.getFirst().chunks() > 4);
    assertEquals(100, once.steps.getFirst().tokensPerChunk());
    assertTrue(once.plans.getFirst().memory().kept() > replayed.plans.getFirst().memory().kept());
    assertSameCourse(once);
    assertArrayEquals(once.weights, again.weights, "another number of threads");
    assertArrayEquals(once.weights, replayed.weights, "fewer chunks kept");
  }

  /** Memory that gives out no more than so many bytes at once. */
  private static final class SmallMemory extends VectorKernels {
    private final long most;

    SmallMemory(long most) {
      super(1);
      this.most = most;
    }

    @Override
    public Memory allocate(long bytes) {
      if (bytes > most) {
        throw new OutOfMemoryError("asked for " + bytes + " bytes");
      }
      return super.allocate(bytes);
    }
  }

  @Test
  void chunksAreHalvedUntilTheyFit() throws IOException {
    long needed = whole.plans.getFirst().memory().workspace();
    Course course = train(new SmallMemory(needed / 3), MemorySettings.AUTO, "halved");
    assertTrue(course.plans.size() > 2, "plans: " + course.plans);
    assertEquals("", course.plans.getFirst().cause());
    assertEquals("asked for " + needed + " bytes", course.plans.get(1).cause());
    MemoryPlan last = course.plans.getLast().memory();
    assertTrue(last.workspace() <= needed / 3);
    assertEquals(last.tokensPerChunk(), course.steps.getFirst().tokensPerChunk());
    assertSameCourse(course);
  }

  @Test
  void activationsAreComputedAgainBeforeFewerChunksAreKept() throws IOException {
    for (int tokens : new int[] {0, 100}) {
      Course replayed = train(new VectorKernels(1), settings(tokens, Activations.REPLAY), "replay");
      Course kept = train(new VectorKernels(2), settings(tokens, Activations.KEEP), "keep");
      MemoryPlan replay = replayed.plans.getFirst().memory();
      assertEquals(PassMode.REPLAY, replay.mode());
      assertEquals(replay.otherMode().workspace(), kept.plans.getFirst().memory().workspace());
      assertArrayEquals(replayed.losses(), kept.losses());
      assertArrayEquals(replayed.weights, kept.weights);
      Kernels little = new SmallMemory(replay.workspace());
      Course lowered = train(little, settings(tokens, Activations.KEEP), "lowered");
      assertEquals(1, causes(lowered).size());
      MemoryPlan last = lowered.plans.getLast().memory();
      assertEquals(PassMode.REPLAY, last.mode());
      assertEquals(replay.kept(), last.kept());
      assertEquals(replay.tokensPerChunk(), last.tokensPerChunk());
      assertArrayEquals(kept.weights, lowered.weights);
    }
  }

  private static MemorySettings settings(int tokens, Activations activations) {
    return new MemorySettings(tokens, Integer.MAX_VALUE, activations, 0);
  }

  /** Memory that runs out in the sixth call of an operation. */
  private static final class FailingOnce extends VectorKernels {
    private final String operation;
    private int calls;

    FailingOnce(String operation) {
      super(1);
      this.operation = operation;
    }

    private void before(String called) {
      if (called.equals(operation) && ++calls == 6) {
        throw new OutOfMemoryError("scratch");
      }
    }

    @Override
    protected void doAttentionForward(
        PackedBatch batch, int heads, Tensor qkv, Dropout dropout, Tensor out, Tensor lse) {
      before("attentionForward");
      super.doAttentionForward(batch, heads, qkv, dropout, out, lse);
    }

    @Override
    protected void doGeluBackward(Tensor preActivation, Tensor gradient) {
      before("geluBackward");
      super.doGeluBackward(preActivation, gradient);
    }
  }

  @Test
  void aStepThatRunsOutOfMemoryIsBegunAgain() throws IOException {
    MemorySettings chunks = new MemorySettings(100, 0);
    Course cut = train(new VectorKernels(1), chunks, "cut");
    for (String operation : List.of("attentionForward", "geluBackward")) {
      Course halved = train(new FailingOnce(operation), MemorySettings.AUTO, operation);
      assertEquals(List.of("scratch"), causes(halved));
      assertEquals(STEPS, halved.steps.size());
      assertSameCourse(halved);
      Course fewer = train(new FailingOnce(operation), chunks, operation + "-fewer");
      assertEquals(List.of("scratch"), causes(fewer));
      assertTrue(fewer.plans.getLast().memory().kept() < cut.plans.getLast().memory().kept());
      assertArrayEquals(cut.weights, fewer.weights);
    }
  }

  private static List<String> causes(Course course) {
    return course.plans.stream()
        .map(TrainListener.Plan::cause)
        .filter(cause -> !cause.isEmpty())
        .toList();
  }

  @Test
  void memoryThatNeverSufficesIsSaidInOneSentence() {
    Kernels kernels =
        new VectorKernels(1) {
          @Override
          protected void doSimilaritySoftmaxForward(
              ContrastPairs pairs, Contrast contrast, Tensor loss, ContrastStatistics statistics) {
            throw new OutOfMemoryError("no scratch");
          }
        };
    InputException fault =
        assertThrows(
            InputException.class, () -> train(kernels, new MemorySettings(64, 0), "never"));
    assertTrue(
        fault.getMessage().startsWith("the memory does not suffice for chunks of 12 tokens"),
        fault.getMessage());
    assertTrue(fault.getMessage().contains("no scratch"), fault.getMessage());
  }

  @Test
  void embeddingsThatAreNoNumbersAreFoundAtTheirStep() {
    Kernels kernels =
        new VectorKernels(1) {
          private int calls;

          @Override
          protected void doPoolingForward(
              PackedBatch batch,
              PoolingMode mode,
              Tensor hidden,
              float weight,
              boolean accumulate,
              Tensor out,
              Tensor argmax) {
            super.doPoolingForward(batch, mode, hidden, weight, accumulate, out, argmax);
            // Three of them belong to a step of one chunk.
            if (++calls > 6) {
              out.set(0, Double.NaN);
            }
          }
        };
    InputException fault =
        assertThrows(InputException.class, () -> train(kernels, MemorySettings.AUTO, "no-numbers"));
    assertTrue(
        fault.getMessage().startsWith("the length of the embeddings is NaN at step "),
        fault.getMessage());
  }
}
