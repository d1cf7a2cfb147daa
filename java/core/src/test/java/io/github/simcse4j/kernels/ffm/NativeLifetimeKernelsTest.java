package io.github.simcse4j.kernels.ffm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.HostMemory;
import io.github.simcse4j.tensor.Memory;
import io.github.simcse4j.tensor.Shape;
import io.github.simcse4j.tensor.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** What is closed is refused, never touched, and nothing is given back twice. */
@ExtendWith(BuiltLibrary.class)
class NativeLifetimeKernelsTest {

  @Test
  void memoryIsGivenBackOnce() {
    try (Kernels kernels = BuiltLibrary.open(1)) {
      Memory memory = kernels.allocate(100);
      Tensor tensor = tensor(memory);
      memory.close();
      memory.close();
      assertThrows(IllegalStateException.class, () -> kernels.tanhBackward(tensor, tensor));
      assertThrows(IllegalStateException.class, () -> kernels.zero(tensor));
    }
  }

  @Test
  void memoryEndsWithItsKernels() {
    Kernels kernels = BuiltLibrary.open(1);
    HostMemory memory = (HostMemory) kernels.allocate(100);
    kernels.close();
    assertFalse(memory.segment().scope().isAlive());
    memory.close();
    kernels.close();
  }

  @Test
  void closedKernelsRefuse() {
    Kernels kernels = BuiltLibrary.open(1);
    kernels.close();
    Tensor tensor = Tensor.host(DType.F32, 25);
    assertThrows(IllegalStateException.class, () -> kernels.tanhBackward(tensor, tensor));
    assertThrows(IllegalStateException.class, () -> kernels.zero(tensor));
    assertThrows(IllegalStateException.class, () -> kernels.allocate(1));
    tensor.memory().close();
  }

  @Test
  void memoryOfNoBytesIsMemory() {
    try (Kernels kernels = BuiltLibrary.open(1);
        Memory memory = kernels.allocate(0)) {
      assertEquals(0, memory.byteSize());
    }
  }

  @Test
  void memoryThatCannotBeIsRefused() {
    try (Kernels kernels = BuiltLibrary.open(1)) {
      assertThrows(IllegalArgumentException.class, () -> kernels.allocate(-1));
      OutOfMemoryError error =
          assertThrows(OutOfMemoryError.class, () -> kernels.allocate(Long.MAX_VALUE / 2));
      assertTrue(error.getMessage().startsWith("memory_allocate: "), error.getMessage());
    }
  }

  @Test
  void kernelsMayChangeThreads() throws InterruptedException {
    try (Kernels kernels = BuiltLibrary.open(1);
        Memory memory = kernels.allocate(100)) {
      Tensor tensor = tensor(memory);
      Thread thread = new Thread(() -> kernels.tanhBackward(tensor, tensor));
      thread.start();
      thread.join();
      kernels.iota(new Tensor(memory, 0, DType.I32, Shape.of(25)));
      assertEquals(24, new Tensor(memory, 0, DType.I32, Shape.of(25)).get(24));
    }
  }

  @Test
  void theLibraryNamesItsBuild() {
    assertFalse(BuiltLibrary.library().build().isBlank());
  }

  @Test
  void theTierIsTheOneAskedFor() {
    String asked = System.getenv("SIMCSE_TIER");
    try (NativeDevice device = new NativeDevice(BuiltLibrary.library(), "cpu", 1)) {
      assertEquals(asked == null ? device.tier() : asked, device.tier());
      assertTrue(device.description().contains(device.tier()), device.description());
    }
  }

  @Test
  void unknownDevicesAreRefused() {
    SimcseLibrary library = BuiltLibrary.library();
    RuntimeException error =
        assertThrows(RuntimeException.class, () -> new NativeDevice(library, "tpu:0", 1));
    assertTrue(error.getMessage().contains("tpu:0"), error.getMessage());
  }

  @Test
  void argumentsHaveTheirJavaNames() {
    assertEquals(
        "batch.cuSeqlens[1] is 3, preActivation is null, not SIMCSE_F32",
        NativeDevice.javaNames("batch.cu_seqlens[1] is 3, pre_activation is null, not SIMCSE_F32"));
  }

  private static Tensor tensor(Memory memory) {
    return new Tensor(memory, 0, DType.F32, Shape.of(25));
  }
}
