package io.github.simcse4j.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.simcse4j.data.BatchPacker;
import io.github.simcse4j.data.BatchSampler;
import io.github.simcse4j.data.PreparedStore;
import io.github.simcse4j.data.TokenStore;
import io.github.simcse4j.kernels.BatchLimits;
import io.github.simcse4j.kernels.Closeness;
import io.github.simcse4j.kernels.Contrast;
import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.kernels.PackedBatch;
import io.github.simcse4j.kernels.UsableKernels;
import io.github.simcse4j.model.BatchDimensions;
import io.github.simcse4j.model.ForwardPass;
import io.github.simcse4j.model.PassMode;
import io.github.simcse4j.model.Pooler;
import io.github.simcse4j.model.SentenceModel;
import io.github.simcse4j.objective.ContrastiveObjective;
import io.github.simcse4j.objective.ContrastiveOptions;
import io.github.simcse4j.random.Dropout;
import io.github.simcse4j.random.DropoutKey;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Memory;
import io.github.simcse4j.tensor.Shape;
import io.github.simcse4j.tensor.Tensor;
import io.github.simcse4j.tensor.Workspace;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The gradients of a batch do not depend on how it is cut, nor on what is kept. */
class LargeBatchTest {

  private static final int GROUPS = 9;
  private static final DropoutKey KEY = DropoutKey.of(4, 2);

  @TempDir static Path folder;

  private static SmallTraining small;

  @BeforeAll
  static void make() throws IOException {
    // Heads of a size that every backend takes.
    small = SmallTraining.make(folder, 1);
  }

  static Stream<Kernels> f32() {
    return UsableKernels.of(DType.F32);
  }

  static Stream<Kernels> bf16() {
    return UsableKernels.of(DType.BF16);
  }

  private record Outcome(TrainStep.Result result, double loss, double[] gradients) {}

  /** One step on a fresh model. */
  private static Outcome step(
      Kernels kernels, DType dtype, Pooler pooler, int columns, int maxTokens, int kept) {
    ContrastiveObjective objective = new ContrastiveObjective(0.05f, 0.3f);
    return step(kernels, dtype, pooler, objective, columns, maxTokens, kept, Activations.REPLAY);
  }

  private static Outcome step(
      Kernels kernels,
      DType dtype,
      Pooler pooler,
      ContrastiveObjective objective,
      int columns,
      int maxTokens,
      int kept,
      Activations activations) {
    try (PreparedStore prepared = small.store(columns);
        SentenceModel model = small.model(pooler, kernels, dtype)) {
      TokenStore store = prepared.store();
      BatchSampler sampler = SmallTraining.sampler(store, GROUPS);
      BatchExtent extent = BatchExtent.of(store, sampler, 0, 1);
      MemoryBudget budget =
          budget(model, objective.options(), extent, maxTokens, kept, activations);
      try (Workspace state = SmallTraining.state(model);
          StepNumbers told = new StepNumbers(kernels, DType.F32, 1, 1, state);
          TrainStep step =
              new TrainStep(
                  model,
                  store,
                  sampler,
                  objective,
                  new MemoryPlanner(model.memory(), budget, objective.options()),
                  new MemorySettings(maxTokens, Integer.MAX_VALUE, activations, 0),
                  plan -> assertEquals(activations.mode(), plan.memory().mode()))) {
        AdamW optimizer = new AdamW(model, 0, 1, state);
        step.reserve(0, 1);
        TrainStep.Result result =
            step.accumulate(
                0, 0, KEY, 0.5f, optimizer.gradients(), told.loss(0, 0), told.embeddingNorm(0, 0));
        told.read();
        assertTrue(told.embeddingNormSum(0, 1) > 0);
        return new Outcome(result, told.lossSum(0, 1), numbers(kernels, optimizer.gradients()));
      }
    }
  }

  /** What so many chunks take to be kept, to the byte. */
  private static MemoryBudget budget(
      SentenceModel model,
      ContrastiveOptions options,
      BatchExtent extent,
      int maxTokens,
      int kept,
      Activations activations) {
    MemoryBudget all = new MemoryBudget(Long.MAX_VALUE, "", false);
    MemoryPlan one =
        new MemoryPlanner(model.memory(), all, options).plan(extent, maxTokens, 1, activations);
    return new MemoryBudget(one.total() + (kept - 1) * one.activations(), "", false);
  }

  private static double[] numbers(Kernels kernels, Tensor tensor) {
    Tensor host = Tensor.host(tensor.dtype(), tensor.shape().extents());
    kernels.download(tensor, host);
    double[] numbers = IntStream.range(0, (int) host.elements()).mapToDouble(host::get).toArray();
    host.memory().close();
    return numbers;
  }

  /** The smallest bound under which a batch is cut into at most {@code most} chunks. */
  private static int limit(int columns, int most) {
    try (PreparedStore prepared = small.store(columns)) {
      TokenStore store = prepared.store();
      long[] groups = new long[GROUPS];
      SmallTraining.sampler(store, GROUPS).batch(0, 0, groups);
      int views = TrainConfig.views(columns);
      int limit = SmallTraining.LONGEST;
      while (BatchChunk.cut(store, groups, GROUPS, views, limit).size() > most) {
        limit++;
      }
      return limit;
    }
  }

  private static void assertChunkingChangesNothing(
      Kernels kernels, DType dtype, Pooler pooler, int columns, double tolerance) {
    ContrastiveObjective objective = new ContrastiveObjective(0.05f, 0.3f);
    assertChunkingChangesNothing(kernels, dtype, pooler, objective, columns, tolerance);
  }

  private static void assertChunkingChangesNothing(
      Kernels kernels,
      DType dtype,
      Pooler pooler,
      ContrastiveObjective objective,
      int columns,
      double tolerance) {
    Activations replay = Activations.REPLAY;
    Outcome whole = step(kernels, dtype, pooler, objective, columns, 0, 1, replay);
    // Two views are cut alike, so that the number of their chunks is even.
    int several = columns == 1 ? 6 : 7;
    int limit = limit(columns, several);
    Outcome seven = step(kernels, dtype, pooler, objective, columns, limit, 1, replay);
    int longest = SmallTraining.LONGEST;
    Outcome single = step(kernels, dtype, pooler, objective, columns, longest, 1, replay);
    assertEquals(1, whole.result.chunks());
    assertEquals(several, seven.result.chunks());
    assertEquals(GROUPS * columns * TrainConfig.views(columns), single.result.chunks());
    for (Outcome cut : List.of(seven, single)) {
      String what =
          "%s %s %s, %d columns, %d chunks"
              .formatted(kernels.name(), dtype, pooler, columns, cut.result.chunks());
      assertEquals(whole.loss, cut.loss, tolerance * whole.loss, what);
      assertEquals(whole.result.tokens(), cut.result.tokens());
      Closeness closeness = Closeness.of(cut.gradients, whole.gradients);
      assertTrue(closeness.norm() <= tolerance, () -> what + ": " + closeness);
    }
  }

  @ParameterizedTest
  @MethodSource("f32")
  void oneChunkSevenAndOneForEachSentenceGiveTheSameGradients(Kernels kernels) {
    try (kernels) {
      for (Pooler pooler : Pooler.values()) {
        assertChunkingChangesNothing(kernels, DType.F32, pooler, 1, 1e-6);
      }
      for (int columns = 2; columns <= 3; columns++) {
        assertChunkingChangesNothing(kernels, DType.F32, Pooler.CLS, columns, 1e-6);
        assertChunkingChangesNothing(kernels, DType.F32, Pooler.AVG, columns, 1e-6);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("f32")
  void soDoAllOptionsOfTheLoss(Kernels kernels) {
    ContrastiveOptions ntXent = new ContrastiveOptions(true, true, false, Contrast.NO_MARGIN);
    ContrastiveOptions masked = new ContrastiveOptions(false, false, true, 0.02f);
    ContrastiveOptions everything = new ContrastiveOptions(true, true, true, 0.01f);
    try (kernels) {
      for (ContrastiveOptions options : List.of(ntXent, masked, everything)) {
        ContrastiveObjective objective = new ContrastiveObjective(0.05f, 0.3f, options);
        for (int columns = 1; columns <= 3; columns++) {
          assertChunkingChangesNothing(kernels, DType.F32, Pooler.AVG, objective, columns, 1e-6);
        }
      }
    }
  }

  /** Rows are computed alike whatever is beside them; what is left are sums of F32. */
  @ParameterizedTest
  @MethodSource("bf16")
  void theSameHoldsInBf16(Kernels kernels) {
    try (kernels) {
      for (Pooler pooler : List.of(Pooler.CLS, Pooler.AVG_TOP2)) {
        assertChunkingChangesNothing(kernels, DType.BF16, pooler, 1, 1e-5);
        assertChunkingChangesNothing(kernels, DType.BF16, pooler, 3, 1e-5);
      }
      ContrastiveOptions everything = new ContrastiveOptions(true, true, true, 0.01f);
      ContrastiveObjective objective = new ContrastiveObjective(0.05f, 0.3f, everything);
      assertChunkingChangesNothing(kernels, DType.BF16, Pooler.MAX, objective, 2, 1e-5);
    }
  }

  /** Tensor cores multiply BF16; the loss is that of embeddings in the device's type to the bit. */
  @ParameterizedTest
  @MethodSource("bf16")
  void theLossTakesEmbeddingsOfTheTypeThatTheDeviceSays(Kernels kernels) {
    try (kernels) {
      boolean rounds = kernels.name().equals("cuda");
      assertEquals(rounds ? DType.BF16 : DType.F32, kernels.traits().lossType(DType.BF16));
      // Of poolers whose vectors are more than copies of numbers in BF16.
      for (Pooler pooler : List.of(Pooler.CLS, Pooler.AVG, Pooler.AVG_TOP2)) {
        double rounded = lossOfEmbeddings(kernels, pooler, DType.BF16);
        double unrounded = lossOfEmbeddings(kernels, pooler, DType.F32);
        assertNotEquals(rounded, unrounded, pooler.label());
        double loss = step(kernels, DType.BF16, pooler, 1, 0, 1).loss;
        assertEquals(rounds ? rounded : unrounded, loss, pooler.label());
      }
    }
  }

  /** Of the batch of {@link #step}, encoded as a whole into embeddings of a type. */
  private static double lossOfEmbeddings(Kernels kernels, Pooler pooler, DType type) {
    try (PreparedStore prepared = small.store(1);
        BatchPacker packer = packer(prepared.store(), kernels);
        SentenceModel model = small.model(pooler, kernels, DType.BF16);
        Workspace workspace = new Workspace(kernels.allocate(1 << 20));
        StepNumbers told = new StepNumbers(kernels, DType.F32, 1, 1, workspace)) {
      long[] groups = new long[GROUPS];
      SmallTraining.sampler(prepared.store(), GROUPS).batch(0, 0, groups);
      PackedBatch batch = packer.packColumns(groups, GROUPS, 0, GROUPS).withViews(0, 2);
      Tensor embeddings = workspace.tensor(type, 2 * GROUPS, model.dimension());
      Tensor dEmbeddings = workspace.tensor(type, 2 * GROUPS, model.dimension());
      model.forward(batch, KEY, PassMode.REPLAY, true, embeddings, workspace);
      new ContrastiveObjective(0.05f, 0.3f)
          .evaluate(kernels, GROUPS, embeddings, 1f, told.loss(0, 0), dEmbeddings, workspace);
      told.read();
      return told.lossSum(0, 1);
    }
  }

  @ParameterizedTest
  @MethodSource("f32")
  void chunksThatAreKeptAndChunksThatAreRunAgainGiveTheSameBits(Kernels kernels) {
    try (kernels) {
      for (int columns = 1; columns <= 3; columns++) {
        for (Pooler pooler : List.of(Pooler.CLS, Pooler.MAX)) {
          int limit = limit(columns, 7);
          Outcome none = step(kernels, DType.F32, pooler, columns, limit, 1);
          for (int kept : new int[] {2, 5, 7}) {
            Outcome some = step(kernels, DType.F32, pooler, columns, limit, kept);
            assertEquals(none.result, some.result);
            assertEquals(none.loss, some.loss);
            assertArrayEquals(none.gradients, some.gradients);
          }
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("f32")
  void activationsThatAreKeptAndThoseComputedAgainGiveLikeGradients(Kernels kernels) {
    assertKeepingChangesNothing(kernels, DType.F32);
  }

  @ParameterizedTest
  @MethodSource("bf16")
  void theyDoInBf16(Kernels kernels) {
    assertKeepingChangesNothing(kernels, DType.BF16);
  }

  /**
   * Kernels that apply the GELU or its derivative before they round what comes from a product, as
   * they can where nothing is computed again, differ by that rounding.
   */
  private static void assertKeepingChangesNothing(Kernels kernels, DType dtype) {
    boolean exact = dtype == DType.F32 && !kernels.name().equals("reference");
    double rounding = dtype == DType.F32 ? 1e-6 : 0x1p-6;
    ContrastiveObjective objective = new ContrastiveObjective(0.05f, 0.3f);
    int several = limit(1, 6);
    try (kernels) {
      for (Pooler pooler : Pooler.values()) {
        for (int limit : new int[] {0, several}) {
          int kept = limit == 0 ? 1 : 2;
          Outcome[] ways =
              Stream.of(Activations.REPLAY, Activations.KEEP)
                  .map(way -> step(kernels, dtype, pooler, objective, 1, limit, kept, way))
                  .toArray(Outcome[]::new);
          String what = "%s %s %s, chunks of %d".formatted(kernels.name(), dtype, pooler, limit);
          assertEquals(ways[0].result, ways[1].result);
          assertEquals(ways[0].loss, ways[1].loss, what);
          if (exact) {
            assertArrayEquals(ways[0].gradients, ways[1].gradients, what);
          } else {
            Closeness closeness = Closeness.of(ways[1].gradients, ways[0].gradients);
            assertTrue(closeness.norm() <= rounding, what + ": " + closeness);
          }
        }
      }
    }
  }

  /** A sentence's masks are those it has in the whole batch, in every view and place. */
  @ParameterizedTest
  @MethodSource("f32")
  void masksDoNotDependOnTheChunk(Kernels kernels) {
    int channels = 32;
    try (kernels;
        PreparedStore prepared = small.store(1);
        BatchPacker packer = packer(prepared.store(), kernels)) {
      long[] groups = new long[GROUPS];
      SmallTraining.sampler(prepared.store(), GROUPS).batch(0, 0, groups);
      Dropout dropout = KEY.at(Dropout.attentionOutputSite(1), 0.9f);
      PackedBatch all = packer.packColumns(groups, GROUPS, 0, GROUPS).withViews(0, 2);
      double[] whole = mask(kernels, all, dropout, channels);
      assertTrue(Arrays.stream(whole).sum() < whole.length, "nothing is dropped");
      for (int limit : new int[] {SmallTraining.LONGEST, 40}) {
        double[] joined = new double[0];
        for (BatchChunk chunk : BatchChunk.cut(prepared.store(), groups, GROUPS, 2, limit)) {
          PackedBatch part =
              packer
                  .packColumns(groups, GROUPS, chunk.from(), chunk.to())
                  .withViews(chunk.firstView(), chunk.views());
          double[] mask = mask(kernels, part, dropout, channels);
          joined = concat(joined, mask);
        }
        assertArrayEquals(whole, joined);
      }
    }
  }

  private static double[] mask(Kernels kernels, PackedBatch batch, Dropout dropout, int channels) {
    long bytes = (long) batch.rows() * channels;
    try (Memory memory = kernels.allocate(bytes)) {
      Tensor mask = new Tensor(memory, 0, DType.U8, Shape.of(batch.rows(), channels));
      kernels.dropoutMask(batch, dropout, mask);
      return numbers(kernels, mask);
    }
  }

  private static BatchPacker packer(TokenStore store, Kernels kernels) {
    BatchLimits limits = new BatchLimits(1, GROUPS, GROUPS * SmallTraining.LONGEST, 31);
    Workspace workspace = new Workspace(kernels.allocate(kernels.stageBytes(limits)));
    return new BatchPacker(store, kernels, limits, workspace);
  }

  /** A pass that keeps nothing gives the bits of one that does, in every chunk. */
  @ParameterizedTest
  @MethodSource("f32")
  void embeddingsDoNotDependOnTheChunkNorOnWhatIsKept(Kernels kernels) {
    try (kernels;
        PreparedStore prepared = small.store(1);
        BatchPacker packer = packer(prepared.store(), kernels)) {
      long[] groups = new long[GROUPS];
      SmallTraining.sampler(prepared.store(), GROUPS).batch(0, 0, groups);
      for (Pooler pooler : Pooler.values()) {
        try (SentenceModel model = small.model(pooler, kernels, DType.F32)) {
          PackedBatch all = packer.packColumns(groups, GROUPS, 0, GROUPS).withViews(0, 2);
          double[] kept = embeddings(model, all, PassMode.KEEP);
          for (PassMode mode : PassMode.values()) {
            assertArrayEquals(kept, embeddings(model, all, mode), pooler + " " + mode);
          }
          double[] joined = new double[0];
          for (BatchChunk chunk : BatchChunk.cut(prepared.store(), groups, GROUPS, 2, 30)) {
            PackedBatch part =
                packer
                    .packColumns(groups, GROUPS, chunk.from(), chunk.to())
                    .withViews(chunk.firstView(), chunk.views());
            joined = concat(joined, embeddings(model, part, PassMode.ENCODE));
          }
          Closeness closeness = Closeness.of(joined, kept);
          assertTrue(closeness.within(1e-6), pooler + " on " + kernels.name() + ": " + closeness);
        }
      }
    }
  }

  private static double[] embeddings(SentenceModel model, PackedBatch batch, PassMode mode) {
    BatchDimensions dimensions =
        new BatchDimensions(batch.tokens(), batch.sentences(), batch.views());
    long bytes = model.workspaceBytes(dimensions, mode);
    try (Workspace workspace = new Workspace(model.kernels().allocate(bytes))) {
      ForwardPass pass = model.forward(batch, KEY, mode, true, workspace);
      return numbers(model.kernels(), pass.embeddings());
    }
  }

  private static double[] concat(double[] first, double[] second) {
    return DoubleStream.concat(Arrays.stream(first), Arrays.stream(second)).toArray();
  }
}
