package io.github.simcse4j.train;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.github.simcse4j.data.Columns;
import io.github.simcse4j.kernels.ffm.CountingKernels;
import io.github.simcse4j.model.Pooler;
import io.github.simcse4j.tensor.DType;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What a training takes of a device's memory, it takes before its first step. */
@Tag("cuda")
class CudaAllocationTest {

  private static final int STEPS = 2;

  @TempDir Path folder;

  /** One for the weights, one for the optimiser, one for all that a step computes. */
  @ParameterizedTest
  @EnumSource(names = {"F32", "BF16"})
  void aTrainingTakesThreeBlocks(DType dtype) throws IOException {
    SmallTraining small = SmallTraining.make(folder, 1);
    Path out = folder.resolve("out");
    Training.Files files =
        new Training.Files(
            small.model(), List.of(small.text(1)), Columns.all(), null, List.of(), out, 0);
    TrainConfig config = SmallTraining.config(8, STEPS, Pooler.CLS);
    List<Integer> blocks = new ArrayList<>();
    try (CountingKernels kernels = new CountingKernels();
        Training training = new Training(files, config, kernels, dtype)) {
      blocks.add(kernels.allocations().size());
      TrainListener listener =
          new TrainListener() {
            @Override
            public void onStep(Step step) {
              blocks.add(kernels.allocations().size());
            }
          };
      training.run(List.of(listener));
      assertEquals(List.of(2, 3, 3), blocks, kernels.allocations().toString());
      training.encoder().encode(List.of("a b c", "d e"));
      training.encoder().encode(List.of("f"));
      assertEquals(4, kernels.allocations().size(), kernels.allocations().toString());
    }
  }
}
