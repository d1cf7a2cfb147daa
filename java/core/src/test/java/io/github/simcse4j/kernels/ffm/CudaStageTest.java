package io.github.simcse4j.kernels.ffm;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.simcse4j.kernels.BatchLimits;
import io.github.simcse4j.kernels.BatchStage;
import io.github.simcse4j.kernels.Batches;
import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.kernels.KernelsFixture;
import io.github.simcse4j.kernels.PackedBatch;
import io.github.simcse4j.kernels.TestDevice;
import io.github.simcse4j.random.Dropout;
import io.github.simcse4j.random.DropoutKey;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Tensor;
import io.github.simcse4j.tensor.Workspace;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Batches on their way to a device. The emulated one is late with some of its work, as is drawn.
 */
@Tag("cuda")
class CudaStageTest {

  private static final int MOST_SENTENCES = 7;
  private static final int MOST_TOKENS = 70;

  private final Random random = new Random(3);
  private Kernels kernels;
  private KernelsFixture fixture;

  @BeforeEach
  void open() {
    kernels = TestDevice.open(DType.F32);
    fixture = new KernelsFixture(kernels, DType.F32, 5);
  }

  @AfterEach
  void close() {
    fixture.close();
    kernels.close();
  }

  private BatchStage stage(int batches) {
    return stage(new BatchLimits(batches, MOST_SENTENCES, MOST_TOKENS, Batches.VOCABULARY));
  }

  /** In memory that goes with the kernels. */
  private BatchStage stage(BatchLimits limits) {
    Workspace workspace = new Workspace(kernels.allocate(kernels.stageBytes(limits)));
    BatchStage stage = kernels.stage(limits, workspace);
    assertEquals(workspace.byteSize(), workspace.mark());
    return stage;
  }

  /** A batch on the host, of sentences that lie out of order. */
  private PackedBatch batch() {
    int[] lengths = new int[1 + random.nextInt(MOST_SENTENCES)];
    Arrays.setAll(lengths, i -> 1 + random.nextInt(MOST_TOKENS / MOST_SENTENCES));
    return Batches.onHost(fixture, Batches.random(fixture, 1, 0, lengths));
  }

  /** A batch and what became of it. */
  private record Staged(int[] tokens, double[] ends, double[] samples, PackedBatch batch) {}

  private Staged put(BatchStage stage, PackedBatch host) {
    int[] tokens = tokens(host);
    double[] ends = numbers(host.cuSeqlens());
    double[] samples = numbers(host.samples());
    return new Staged(tokens, ends, samples, stage.put(host));
  }

  /** The ids of the sentences, one behind the other. */
  private static int[] tokens(PackedBatch host) {
    return IntStream.range(0, host.sentences())
        .flatMap(b -> {
          int from = (int) host.cuSeqlens().get(b);
          int length = (int) host.cuSeqlens().get(b + 1) - from;
          return IntStream.range(0, length)
              .map(i -> (int) host.ids().get((long) host.starts().get(b) + i));
        })
        .toArray();
  }

  private static double[] numbers(Tensor host) {
    return IntStream.range(0, (int) host.elements()).mapToDouble(host::get).toArray();
  }

  private void assertArrived(Staged staged) {
    double[] ids = fixture.values(staged.batch.ids());
    assertArrayEquals(Arrays.stream(staged.tokens).asDoubleStream().toArray(), ids);
    assertArrayEquals(staged.ends, fixture.values(staged.batch.cuSeqlens()));
    assertArrayEquals(staged.samples, fixture.values(staged.batch.samples()));
    double[] starts = Arrays.copyOf(staged.ends, staged.ends.length - 1);
    assertArrayEquals(starts, fixture.values(staged.batch.starts()));
  }

  /** As many as may be in use are there at once, and slots are used again behind them. */
  @ParameterizedTest
  @ValueSource(ints = {1, 2, 5})
  void batchesStayUntilAsManyMoreWerePut(int inUse) {
    try (BatchStage stage = stage(inUse)) {
      Deque<Staged> live = new ArrayDeque<>();
      for (int i = 0; i < 4 * inUse + 3; i++) {
        if (live.size() == inUse) {
          live.removeFirst();
        }
        live.addLast(put(stage, batch()));
        live.forEach(this::assertArrived);
      }
    }
  }

  /** Nothing is waited for between puts; whoever reads a batch last still finds it. */
  @ParameterizedTest
  @ValueSource(ints = {1, 2, 5})
  void aBatchIsReadBeforeItsSlotIsWrittenAgain(int inUse) {
    int batches = 40;
    // Made before, as whoever takes memory waits.
    PackedBatch[] hosts = new PackedBatch[batches];
    Arrays.setAll(hosts, i -> batch());
    Tensor[] masks = new Tensor[batches];
    Arrays.setAll(masks, i -> fixture.output(DType.U8, MOST_TOKENS, 16));
    Staged[] staged = new Staged[batches];
    try (BatchStage stage = stage(inUse)) {
      for (int i = 0; i < batches; i++) {
        staged[i] = put(stage, hosts[i]);
        mask(staged[i].batch, masks[i]);
      }
      Tensor alone = fixture.output(DType.U8, MOST_TOKENS, 16);
      for (int i = 0; i < batches; i++) {
        Tensor again = mask(stage.put(host(staged[i])), alone);
        Tensor then = masks[i].rows(0, again.extent(0));
        assertArrayEquals(fixture.values(again), fixture.values(then), "batch " + i);
      }
    }
  }

  private Tensor mask(PackedBatch batch, Tensor room) {
    Tensor mask = room.rows(0, batch.rows());
    kernels.dropoutMask(batch, DropoutKey.of(1, 1).at(1, 0.5f), mask);
    return mask;
  }

  private PackedBatch host(Staged staged) {
    int count = staged.samples.length;
    int[] lengths = new int[count];
    Arrays.setAll(lengths, b -> (int) (staged.ends[b + 1] - staged.ends[b]));
    int[] samples = Arrays.stream(staged.samples).mapToInt(s -> (int) (long) s).toArray();
    return Batches.onHost(fixture, Batches.random(fixture, 1, 0, samples, lengths));
  }

  /** The caller may fill its tables again at once. */
  @Test
  void whatABatchWasMadeOfMayBeChanged() {
    try (BatchStage stage = stage(1)) {
      PackedBatch host = batch();
      Staged staged = put(stage, host);
      for (Tensor table : new Tensor[] {host.ids(), host.starts(), host.samples()}) {
        for (int i = 0; i < table.elements(); i++) {
          table.set(i, 1);
        }
      }
      assertArrived(staged);
    }
  }

  @Test
  void viewsGoWithTheBatch() {
    try (BatchStage stage = stage(1)) {
      PackedBatch staged = stage.put(batch().withViews(3, 2));
      assertEquals(2, staged.views());
      assertEquals(3, staged.firstView());
      assertEquals(kernelsLocation(staged), staged.samples().memory().location());
    }
  }

  private static String kernelsLocation(PackedBatch batch) {
    String location = batch.ids().memory().location();
    assertTrue(location.startsWith("cuda:"), location);
    return location;
  }

  @Test
  void aBatchBeyondTheLimitsIsRefused() {
    try (BatchStage stage = stage(new BatchLimits(1, 2, 5, Batches.VOCABULARY))) {
      PackedBatch three = Batches.onHost(fixture, Batches.random(fixture, 1, 0, 1, 1, 1));
      PackedBatch six = Batches.onHost(fixture, Batches.random(fixture, 1, 0, 3, 3));
      PackedBatch fitting = Batches.onHost(fixture, Batches.random(fixture, 1, 0, 2, 3));
      assertTrue(refusal(stage, three).contains("3 sentences of 3 tokens"));
      assertTrue(refusal(stage, six).contains("2 sentences of 6 tokens"));
      assertArrived(put(stage, fitting));
    }
  }

  private static String refusal(BatchStage stage, PackedBatch batch) {
    return assertThrows(IllegalArgumentException.class, () -> stage.put(batch)).getMessage();
  }

  @Test
  void aStageIsClosedWhileItsBatchIsInUse() {
    BatchStage stage = stage(2);
    Tensor mask = null;
    for (int i = 0; i < 3; i++) {
      PackedBatch now = stage.put(batch());
      mask = fixture.output(DType.U8, now.rows(), 8);
      kernels.dropoutMask(now, Dropout.NONE, mask);
    }
    stage.close();
    stage.close();
    assertTrue(Arrays.stream(fixture.values(mask)).allMatch(kept -> kept == 1));
  }
}
