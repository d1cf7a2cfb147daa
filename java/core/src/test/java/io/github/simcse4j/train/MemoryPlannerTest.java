package io.github.simcse4j.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.simcse4j.files.InputException;
import io.github.simcse4j.kernels.DeviceTraits;
import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.kernels.reference.ReferenceKernels;
import io.github.simcse4j.model.BatchDimensions;
import io.github.simcse4j.model.EncoderConfig;
import io.github.simcse4j.model.ModelMemory;
import io.github.simcse4j.model.PassMode;
import io.github.simcse4j.model.Pooler;
import io.github.simcse4j.tensor.DType;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Plans for BERT-base. */
class MemoryPlannerTest {

  private static final EncoderConfig BASE =
      new EncoderConfig(30522, 768, 12, 12, 3072, 512, 2, 1e-12, 0.9, 0.9, 0, 0.02);
  private static final ModelMemory MODEL =
      ModelMemory.of(BASE, Pooler.CLS, DType.F32, DeviceTraits.HOST);
  private static final int ANY = Integer.MAX_VALUE;
  private static final Activations AUTO = Activations.AUTO;
  private static final long GIGABYTE = 1_000_000_000;

  private static MemoryPlanner planner(long bytes) {
    return new MemoryPlanner(MODEL, new MemoryBudget(bytes, "in a test", false));
  }

  private static BatchExtent sentences(int count) {
    return BatchExtent.estimate(count, 1, 20, 32);
  }

  @Test
  void aBatchThatFitsIsLeftWhole() {
    MemoryPlan plan = planner(8 * GIGABYTE).plan(sentences(64), 0, ANY, AUTO);
    assertEquals(1, plan.chunks());
    assertEquals(1, plan.kept());
    assertEquals(2 * 64 * 20, plan.tokensPerChunk());
    // Weights once, gradients and two moments; 110 million of 4 bytes, as published.
    assertEquals(4 * 109.5e6, plan.weights(), 4 * 0.6e6);
    assertEquals(3 * plan.weights(), plan.optimiser(), 4);
    assertTrue(plan.total() <= 8 * GIGABYTE);
    long whole = plan.activations();
    assertEquals(whole, MODEL.passBytes(new BatchDimensions(64 * 20, 64, 2), PassMode.REPLAY));
  }

  @Test
  void asManyChunksAreKeptAsFit() {
    MemoryPlan plan = planner(16 * GIGABYTE).plan(sentences(65536), 0, ANY, AUTO);
    assertEquals(8192, plan.tokensPerChunk());
    assertEquals(2 * 160, plan.chunks());
    assertTrue(plan.kept() > 1, plan.toString());
    assertTrue(plan.total() <= 16 * GIGABYTE);
    assertTrue(plan.total() + plan.activations() / plan.kept() > 16 * GIGABYTE);
    assertEquals(3, planner(16 * GIGABYTE).plan(sentences(65536), 0, 3, AUTO).kept());
  }

  @Test
  void allAreKeptWhereThereIsRoom() {
    MemoryPlan plan = planner(Long.MAX_VALUE).plan(sentences(1000), 512, ANY, AUTO);
    assertEquals(512, plan.tokensPerChunk());
    assertEquals(plan.chunks(), plan.kept());
  }

  private static MemoryPlan onDevice(long bytes, BatchExtent batch, Activations activations) {
    MemoryBudget budget = new MemoryBudget(bytes, "in a test", true);
    return new MemoryPlanner(MODEL, budget).plan(batch, 8192, 3, activations);
  }

  @Test
  void aDeviceKeepsAllActivationsWhereThatCostsNoChunk() {
    for (BatchExtent batch : List.of(sentences(64), sentences(65536))) {
      MemoryPlan replay = onDevice(Long.MAX_VALUE, batch, Activations.REPLAY);
      MemoryPlan keep = onDevice(Long.MAX_VALUE, batch, Activations.KEEP);
      assertEquals(PassMode.KEEP, keep.mode());
      assertEquals(keep, replay.otherMode());
      assertEquals(replay, keep.otherMode());
      assertEquals(keep, onDevice(Long.MAX_VALUE, batch, AUTO));
      assertEquals(PassMode.KEEP, onDevice(keep.total(), batch, AUTO).mode());
      for (long bytes : new long[] {replay.total(), keep.total() - 1}) {
        MemoryPlan less = onDevice(bytes, batch, AUTO);
        assertEquals(PassMode.REPLAY, less.mode());
        assertEquals(replay.kept(), less.kept());
        assertEquals(replay.tokensPerChunk(), less.tokensPerChunk());
      }
      assertEquals(PassMode.REPLAY, planner(Long.MAX_VALUE).plan(batch, 8192, 3, AUTO).mode());
    }
  }

  /** Attention's result, both normalised outputs but the last, and the GELU's output. */
  @Test
  void keepingTakesSevenNumbersMoreForEachChannelOfALayer() {
    ModelMemory model = ModelMemory.of(BASE, Pooler.AVG, DType.F32, DeviceTraits.HOST);
    BatchDimensions dimensions = new BatchDimensions(512, 20, 2);
    long replay = model.passBytes(dimensions, PassMode.REPLAY);
    long keep = model.passBytes(dimensions, PassMode.KEEP);
    // The result of attention that layers share when replaying is not there.
    assertEquals((12 * 7 - 1 - 1) * 1024L * 768 * 4, keep - replay);
  }

  @Test
  void whatIsSaidOfActivationsHoldsOnTheHostToo() {
    MemoryPlan plan = planner(8 * GIGABYTE).plan(sentences(64), 0, ANY, Activations.KEEP);
    assertEquals(PassMode.KEEP, plan.mode());
    assertEquals(1, plan.chunks());
    // What is kept of a chunk leaves less room for chunks.
    MemoryPlan replay = planner(16 * GIGABYTE).plan(sentences(65536), 0, ANY, AUTO);
    MemoryPlan keep = planner(16 * GIGABYTE).plan(sentences(65536), 0, ANY, Activations.KEEP);
    assertTrue(keep.kept() < replay.kept(), keep.toString());
    assertTrue(keep.total() <= 16 * GIGABYTE);
  }

  @Test
  void chunksShrinkBeforeABatchIsRefused() {
    MemoryPlan small = planner(2_200_000_000L).plan(sentences(10_000), 0, ANY, AUTO);
    assertTrue(small.tokensPerChunk() < 8192 && small.tokensPerChunk() >= 32, small.toString());
    assertTrue(small.total() <= 2_200_000_000L);
  }

  /** Two of each embedding in BF16, its length, and a query's lse and target. */
  @Test
  void embeddingsTakeUpTheTypeThatTheDeviceSays() {
    DeviceTraits rounding = new DeviceTraits(true, true, List.of());
    for (DeviceTraits traits : List.of(DeviceTraits.HOST, rounding)) {
      ModelMemory model = ModelMemory.of(BASE, Pooler.CLS, DType.BF16, traits);
      MemoryPlanner planner = new MemoryPlanner(model, new MemoryBudget(Long.MAX_VALUE, "", false));
      long bytes = traits == rounding ? 2 : 4;
      long expected = 2 * 2048 * 768 * bytes + 2048 * 4 + 1024 * (4 + 4);
      assertEquals(expected, planner.plan(sentences(1024), 0, ANY, AUTO).embeddings());
    }
  }

  /** All that grows with the batch are the embeddings and the loss. */
  @Test
  void memoryIsFlatInTheBatchButForTheEmbeddings() {
    MemoryPlanner planner = planner(Long.MAX_VALUE);
    MemoryPlan small = planner.plan(sentences(4096), 8192, 1, AUTO);
    MemoryPlan large = planner.plan(sentences(1 << 20), 8192, 1, AUTO);
    assertEquals(small.activations(), large.activations());
    long rows = 2L << 20;
    // q, k, dq, dk and lse, and at most a tenth on top.
    long needed = 2 * rows * 768 * 4 + (1L << 20) * 4;
    assertTrue(large.embeddings() <= 1.1 * needed, large.embeddings() + " for " + needed);
  }

  @Test
  void theLargestBatchOfTheLongestSentencesCanBePlanned() {
    BatchExtent extent = BatchExtent.estimate(1 << 20, 3, 512, 512);
    MemoryPlan plan = planner(60 * GIGABYTE).plan(extent, 0, ANY, AUTO);
    assertEquals((3L << 20) * 512 / 8192, plan.chunks());
    assertEquals(6, plan.lines().size());
  }

  @Test
  void whatDoesNotFitIsNamed() {
    refuses(planner(GIGABYTE)::requireModelFits, "the weights ask for", "--model", "--memory");
    refuses(
        () -> planner(4 * GIGABYTE).plan(sentences(1 << 20), 0, ANY, AUTO),
        "embeddings and the loss for 12.",
        "more than 4.00 GB, in a test",
        "lower --batch-size");
    BatchExtent long512 = BatchExtent.estimate(8, 1, 512, 512);
    refuses(() -> planner(1_770_000_000).plan(long512, 0, ANY, AUTO), "512 tokens", "--max-length");
    refuses(
        () -> planner(1_800_000_000).plan(long512, 0, ANY, Activations.KEEP),
        "; choose --activations replay, lower --max-length or raise");
    refuses(
        () -> MemoryPlanner.requireChunkHolds(new MemorySettings(31, 0), 32),
        "--max-tokens-per-chunk 31",
        "32 tokens");
    refuses(() -> new MemorySettings(-1, 0), "--max-tokens-per-chunk");
    refuses(() -> new MemorySettings(0, -1), "--memory");
  }

  private static void refuses(org.junit.jupiter.api.function.Executable action, String... words) {
    String message = assertThrows(InputException.class, action).getMessage();
    for (String word : words) {
      assertTrue(message.contains(word), message);
    }
  }

  @Test
  void moreNeverTakesLess() {
    for (Pooler pooler : Pooler.values()) {
      for (boolean rounds : new boolean[] {false, true}) {
        DeviceTraits traits = new DeviceTraits(true, rounds, List.of());
        ModelMemory model = ModelMemory.of(BASE, pooler, DType.BF16, traits);
        long tokens = model.passBytes(new BatchDimensions(513, 20, 1), PassMode.REPLAY);
        long sentences = model.passBytes(new BatchDimensions(512, 21, 1), PassMode.REPLAY);
        long base = model.passBytes(new BatchDimensions(512, 20, 1), PassMode.REPLAY);
        assertTrue(base <= tokens && base <= sentences, pooler.label());
      }
    }
  }

  @Test
  void theBudgetIsAShareOfWhatIsFreeOrWhatIsSaid() {
    try (Kernels kernels = new ReferenceKernels()) {
      MemoryBudget measured = MemoryBudget.of(MemorySettings.AUTO, kernels);
      assertTrue(measured.bytes() > 10_000_000 && measured.bytes() < 1L << 50);
      assertEquals("80 % of what is free", measured.source());
      assertEquals(77, MemoryBudget.of(new MemorySettings(0, 77), kernels).bytes());
    }
  }
}
