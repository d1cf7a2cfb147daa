package io.github.simcse4j.kernels.ffm;

import io.github.simcse4j.kernels.BatchLimits;
import io.github.simcse4j.kernels.BatchStage;
import io.github.simcse4j.kernels.PackedBatch;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Shape;
import io.github.simcse4j.tensor.Tensor;
import io.github.simcse4j.tensor.Workspace;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;

/**
 * Sends batches to a device. Each is gathered into a slot of page-locked memory, its tokens one
 * behind the other, and goes to a slot of the device in one copy on a stream of its own, while the
 * operations on the batches before are still at work; those that follow wait for the copy.
 *
 * <p>Slots take turns, one more of them than batches may be in use. What reads a batch was asked
 * for before the put that comes as many later, so that the next one, which takes the slot, waits
 * for the operations up to there and no further. All waiting is the device's; the host waits only
 * where it is as many batches ahead as there are slots.
 */
final class DeviceStage implements BatchStage {

  private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED;
  private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED;

  /** That of the memory itself, so that what follows in the workspace is as well aligned. */
  private static final int ALIGNMENT = 256;

  /**
   * Where one batch passes through.
   *
   * @param host page-locked
   * @param offset of the slot in the memory on the device
   * @param copied when the batch has arrived
   * @param asked how far operations had been asked for when it was put
   */
  private record Slot(MemorySegment host, long offset, MemorySegment copied, MemorySegment asked) {}

  private final NativeDevice device;
  private final BatchLimits limits;
  private final MemorySegment stream;
  private final MemorySegment host;
  private final Tensor room;
  private final List<Slot> slots = new ArrayList<>();
  private long puts;
  private boolean open = true;

  /**
   * @param workspace in the memory of the device, which outlives this
   */
  DeviceStage(NativeDevice device, BatchLimits limits, Workspace workspace) {
    this.device = device;
    this.limits = limits;
    this.host = device.allocateHost(bytes(limits));
    this.room = workspace.tensor(DType.U8, host.byteSize());
    this.stream = device.openStream();
    long bytes = host.byteSize() / slots(limits);
    for (int i = 0; i < slots(limits); i++) {
      MemorySegment part = host.asSlice(i * bytes, bytes);
      long offset = room.byteOffset() + i * bytes;
      slots.add(new Slot(part, offset, device.openEvent(), device.openEvent()));
    }
  }

  private static int slots(BatchLimits limits) {
    return limits.batches() + 1;
  }

  /** Of all slots, on either side. */
  static long bytes(BatchLimits limits) {
    return Math.multiplyExact(
        new Layout(limits.sentences(), limits.tokens()).bytes(), (long) slots(limits));
  }

  /**
   * Where the arrays of a batch lie in its slot.
   *
   * @param sentences B
   * @param tokens T
   */
  private record Layout(long sentences, long tokens) {

    long ids() {
      return aligned(sentences * Long.BYTES);
    }

    long cuSeqlens() {
      return ids() + aligned(tokens * Integer.BYTES);
    }

    long samples() {
      return cuSeqlens() + aligned((sentences + 1) * Integer.BYTES);
    }

    long bytes() {
      return samples() + aligned(sentences * Integer.BYTES);
    }

    private static long aligned(long bytes) {
      return bytes + ALIGNMENT - 1 & -ALIGNMENT;
    }
  }

  @Override
  public PackedBatch put(PackedBatch batch) {
    if (batch.sentences() > limits.sentences() || batch.tokens() > limits.tokens()) {
      throw new IllegalArgumentException(
          "stage: %d sentences of %d tokens in all do not go into %s"
              .formatted(batch.sentences(), batch.tokens(), limits));
    }
    Slot slot = slots.get((int) (puts % slots.size()));
    Slot before = slots.get((int) ((puts + slots.size() - 1) % slots.size()));
    Layout layout = new Layout(batch.sentences(), batch.tokens());
    device.synchronizeEvent(slot.copied);
    gather(batch, layout, slot.host);
    device.record(slot.asked);
    // The first one comes behind all that used this part of the workspace before.
    device.await(stream, puts > 0 ? before.asked : slot.asked);
    MemorySegment to = MemorySegment.ofAddress(address(slot)).reinterpret(layout.bytes());
    device.copyToDevice(stream, to, slot.host.asSlice(0, layout.bytes()));
    device.record(stream, slot.copied);
    device.await(slot.copied);
    puts++;
    return staged(batch, layout, slot.offset);
  }

  private long address(Slot slot) {
    return ((DeviceMemory) room.memory()).address(slot.offset);
  }

  private void gather(PackedBatch batch, Layout layout, MemorySegment to) {
    MemorySegment ids = batch.ids().segment();
    MemorySegment starts = batch.starts().segment();
    MemorySegment ends = batch.cuSeqlens().segment();
    long end = ends.get(INT, 0);
    require(end == 0, "cuSeqlens", 0, end);
    for (int b = 0; b < batch.sentences(); b++) {
      long at = end;
      end = ends.getAtIndex(INT, b + 1L);
      long length = end - at;
      require(
          length >= 1 && length <= batch.maxLength() && end <= batch.tokens(),
          "cuSeqlens",
          b + 1,
          end);
      long start = starts.getAtIndex(LONG, b);
      require(start >= 0 && start <= batch.ids().elements() - length, "starts", b, start);
      to.setAtIndex(LONG, b, at);
      long first = layout.ids() + at * Integer.BYTES;
      MemorySegment.copy(ids, start * Integer.BYTES, to, first, length * Integer.BYTES);
      requireIds(to, first, length, start);
    }
    require(end == batch.tokens(), "cuSeqlens", batch.sentences(), end);
    long tables = (batch.sentences() + 1L) * Integer.BYTES;
    MemorySegment.copy(ends, 0, to, layout.cuSeqlens(), tables);
    MemorySegment samples = batch.samples().segment();
    MemorySegment.copy(samples, 0, to, layout.samples(), samples.byteSize());
  }

  /** The device reads rows of the embedding table by these numbers and cannot say which is none. */
  private void requireIds(MemorySegment to, long first, long length, long start) {
    for (long i = 0; i < length; i++) {
      int id = to.get(INT, first + i * Integer.BYTES);
      require(id >= 0 && id < limits.vocabulary(), "ids", start + i, id);
    }
  }

  private static void require(boolean holds, String array, long index, long found) {
    if (!holds) {
      throw new IllegalArgumentException(
          "stage: %s[%d] is %d, which fits neither batch nor vocabulary"
              .formatted(array, index, found));
    }
  }

  private PackedBatch staged(PackedBatch batch, Layout layout, long at) {
    return new PackedBatch(
        tensor(DType.I32, at + layout.ids(), batch.tokens()),
        tensor(DType.I64, at, batch.sentences()),
        tensor(DType.I32, at + layout.cuSeqlens(), batch.sentences() + 1L),
        tensor(DType.I32, at + layout.samples(), batch.sentences()),
        batch.tokens(),
        batch.maxLength(),
        batch.views(),
        batch.firstView());
  }

  private Tensor tensor(DType dtype, long offset, long count) {
    return new Tensor(room.memory(), offset, dtype, Shape.of(count));
  }

  @Override
  public void close() {
    if (!open) {
      return;
    }
    open = false;
    device.drain(stream);
    device.freeHost(host);
    for (Slot slot : slots) {
      device.closeEvent(slot.copied);
      device.closeEvent(slot.asked);
    }
    device.closeStream(stream);
  }
}
