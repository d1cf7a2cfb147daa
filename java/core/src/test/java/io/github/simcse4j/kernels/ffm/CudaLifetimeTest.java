package io.github.simcse4j.kernels.ffm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.simcse4j.kernels.DeviceException;
import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.kernels.TestDevice;
import io.github.simcse4j.kernels.Timeline;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Memory;
import io.github.simcse4j.tensor.Shape;
import io.github.simcse4j.tensor.Tensor;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** A device's memory is told from the host's, runs out in words, and is given back once. */
@Tag("cuda")
class CudaLifetimeTest {

  private static Tensor tensor(Memory memory) {
    return new Tensor(memory, 0, DType.F32, Shape.of(25));
  }

  @Test
  void memoryIsGivenBackOnce() {
    try (Kernels kernels = TestDevice.open(DType.F32)) {
      Memory memory = kernels.allocate(100);
      Tensor tensor = tensor(memory);
      assertEquals(100, memory.byteSize());
      assertTrue(memory.location().startsWith("cuda:"), memory.location());
      memory.close();
      memory.close();
      assertThrows(IllegalStateException.class, () -> kernels.tanhBackward(tensor, tensor));
      assertThrows(IllegalStateException.class, () -> kernels.zero(tensor));
    }
  }

  @Test
  void closedKernelsRefuse() {
    Kernels kernels = TestDevice.open(DType.F32);
    Tensor tensor = tensor(kernels.allocate(100));
    kernels.close();
    kernels.close();
    assertThrows(IllegalStateException.class, () -> kernels.tanhBackward(tensor, tensor));
    assertThrows(IllegalStateException.class, () -> kernels.zero(tensor));
    assertThrows(IllegalStateException.class, () -> kernels.allocate(1));
  }

  /** An address of another place would be read as one of the device's. */
  @Test
  void memoryOfAnotherPlaceIsRefused() {
    try (Kernels kernels = TestDevice.open(DType.F32);
        Kernels other = TestDevice.open(DType.F32);
        Memory memory = other.allocate(100)) {
      Tensor host = Tensor.host(DType.F32, 25);
      for (Tensor elsewhere : new Tensor[] {host, tensor(memory)}) {
        IllegalArgumentException refusal =
            assertThrows(
                IllegalArgumentException.class, () -> kernels.tanhBackward(elsewhere, elsewhere));
        assertTrue(refusal.getMessage().contains("not of these kernels"), refusal.getMessage());
        assertThrows(IllegalArgumentException.class, () -> kernels.zero(elsewhere));
      }
      assertThrows(IllegalArgumentException.class, () -> kernels.upload(tensor(memory), host));
      host.memory().close();
    }
  }

  @Test
  void whatIsFreeIsTold() {
    try (Kernels kernels = TestDevice.open(DType.F32)) {
      assertTrue(kernels.deviceMemoryFree().orElseThrow() > 0);
      assertTrue(kernels.traits().runsAhead());
    }
  }

  @Test
  void timeIsToldBetweenMarks() {
    try (Kernels kernels = TestDevice.open(DType.F32);
        Timeline timeline = kernels.timeline()) {
      assertEquals(0, timeline.seconds().length);
      Tensor tensor = tensor(kernels.allocate(100));
      for (int round = 0; round < 2; round++) {
        timeline.mark();
        kernels.zero(tensor);
        timeline.mark();
        timeline.mark();
        double[] seconds = timeline.seconds();
        assertEquals(2, seconds.length);
        assertTrue(seconds[0] >= 0 && seconds[1] >= 0 && seconds[0] + seconds[1] < 3600);
      }
    }
  }

  @Test
  void memoryThatRunsOutIsSaidWithItsNumbers() {
    try (Kernels kernels = TestDevice.open(DType.F32)) {
      OutOfMemoryError error =
          assertThrows(OutOfMemoryError.class, () -> kernels.allocate(1L << 60));
      assertTrue(
          error
              .getMessage()
              .startsWith("memory_allocate: out of device memory: 1152921504606846976"),
          error.getMessage());
      assertTrue(error.getMessage().contains(" are free on cuda:"), error.getMessage());
      assertThrows(IllegalArgumentException.class, () -> kernels.allocate(-1));
    }
  }

  /** The emulated device refuses a grid that none takes, as a fault of the device. */
  @Test
  void aFaultNamesOperationAndShapes() {
    Assumptions.assumeFalse(TestDevice.isReal(), "a GPU that failed is of no more use to others");
    try (Kernels kernels = TestDevice.open(DType.F32)) {
      Memory endless = new DeviceMemory((CudaKernels) kernels, 64, Long.MAX_VALUE);
      Tensor from = new Tensor(endless, 0, DType.F32, Shape.of(1L << 42));
      Tensor to = new Tensor(endless, 0, DType.BF16, Shape.of(1L << 42));
      DeviceException fault = assertThrows(DeviceException.class, () -> kernels.convert(from, to));
      assertTrue(fault.getMessage().startsWith("convert: "), fault.getMessage());
      assertTrue(fault.getMessage().contains("(f32, count 4398046511104)"), fault.getMessage());
    }
  }
}
