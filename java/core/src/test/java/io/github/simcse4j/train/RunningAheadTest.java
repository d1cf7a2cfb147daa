package io.github.simcse4j.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.simcse4j.data.Columns;
import io.github.simcse4j.files.InputException;
import io.github.simcse4j.kernels.DeviceTraits;
import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.kernels.vector.VectorKernels;
import io.github.simcse4j.model.Pooler;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Numbers of steps that are read late are those that are read at once. */
class RunningAheadTest {

  private static final int STEPS = 40;

  @TempDir static Path folder;

  private static SmallTraining small;

  @BeforeAll
  static void make() throws IOException {
    small = SmallTraining.make(folder);
  }

  /** Kernels that say they run ahead, or not; their gradients are no numbers from some step on. */
  private static final class Ahead extends VectorKernels {
    private final boolean ahead;
    private final int lastSound;
    private int norms;
    private int downloads;

    Ahead(boolean ahead, int lastSound) {
      super(1);
      this.ahead = ahead;
      this.lastSound = lastSound;
    }

    @Override
    public DeviceTraits traits() {
      return new DeviceTraits(ahead, false, List.of());
    }

    @Override
    public void download(Tensor tensor, Tensor host) {
      downloads++;
      super.download(tensor, host);
    }

    @Override
    protected void doGradientNorm(Tensor gradients, Tensor norm) {
      super.doGradientNorm(gradients, norm);
      // Each step asks for two: of the embeddings, and of the gradients.
      if (++norms > 2 * lastSound && norms % 2 == 0) {
        norm.set(0, Double.NaN);
      }
    }
  }

  private static List<TrainListener.Step> train(Kernels kernels, Path out) {
    Training.Files files =
        new Training.Files(
            small.model(), List.of(small.text(1)), Columns.all(), null, List.of(), out, 0);
    List<TrainListener.Step> steps = new ArrayList<>();
    TrainListener listener =
        new TrainListener() {
          @Override
          public void onStep(Step step) {
            steps.add(step);
          }
        };
    TrainConfig config = SmallTraining.config(8, STEPS, Pooler.CLS);
    try (Training training = new Training(files, config, kernels, DType.F32)) {
      training.run(List.of(listener));
    } catch (InputException e) {
      assertTrue(
          e.getMessage().startsWith("the gradient norm is NaN at step " + (steps.size() + 1)),
          e.getMessage());
      throw e;
    }
    return steps;
  }

  @Test
  void everyStepIsToldOfWithItsOwnNumbers() throws IOException {
    List<List<TrainListener.Step>> told = new ArrayList<>();
    List<byte[]> weights = new ArrayList<>();
    for (boolean ahead : new boolean[] {false, true}) {
      Path out = folder.resolve("ahead-" + ahead);
      try (Ahead kernels = new Ahead(ahead, STEPS)) {
        told.add(train(kernels, out));
        assertTrue(ahead ? kernels.downloads < STEPS : kernels.downloads == STEPS);
      }
      weights.add(Files.readAllBytes(out.resolve("model.safetensors")));
    }
    assertEquals(STEPS, told.get(1).size());
    for (int i = 0; i < STEPS; i++) {
      TrainListener.Step once = told.get(0).get(i);
      TrainListener.Step late = told.get(1).get(i);
      assertEquals(i + 1L, late.step());
      assertEquals(once.epoch(), late.epoch());
      assertEquals(once.loss(), late.loss());
      assertEquals(once.gradNorm(), late.gradNorm());
      assertEquals(once.learningRate(), late.learningRate());
      assertEquals(once.chunks(), late.chunks());
    }
    assertArrayEquals(weights.get(0), weights.get(1));
  }

  @Test
  void aDivergenceIsNamedByItsStepAndKeepsNothing() {
    for (boolean ahead : new boolean[] {false, true}) {
      for (int sound : new int[] {0, 5, STEPS - 1}) {
        Path out = folder.resolve("diverged-" + ahead + sound);
        try (Ahead kernels = new Ahead(ahead, sound)) {
          InputException fault = assertThrows(InputException.class, () -> train(kernels, out));
          assertTrue(
              fault.getMessage().matches("(?s).*at step " + (sound + 1) + "[:,].*"),
              fault.getMessage());
        }
        assertFalse(Files.exists(out.resolve("model.safetensors")));
      }
    }
  }
}
