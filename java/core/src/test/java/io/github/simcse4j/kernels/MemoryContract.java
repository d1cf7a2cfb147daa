package io.github.simcse4j.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Memory;
import io.github.simcse4j.tensor.Shape;
import io.github.simcse4j.tensor.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A backend's memory, and what it says of itself. */
interface MemoryContract extends KernelsContract {

  @Test
  default void backendDescribesItself() {
    assertFalse(kernels().name().isBlank());
    assertFalse(kernels().description().isBlank());
    assertTrue(kernels().supports(dtype()));
    assertFalse(kernels().supports(DType.I32));
  }

  @Test
  default void newMemoryIsZero() {
    try (Memory memory = kernels().allocate(1000);
        KernelsFixture fixture = new KernelsFixture(kernels(), dtype(), 0)) {
      assertEquals(1000, memory.byteSize());
      byte[] bytes = fixture.bytes(new Tensor(memory, 0, DType.U8, Shape.of(1000)));
      assertArrayEquals(new byte[1000], bytes);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 15, 16, 17, 1000})
  default void zeroAndIota(int count) {
    check(
        "zero",
        count + " elements",
        fixture -> {
          Tensor zeros = fixture.output(fixture.dtype(), count);
          fixture.kernels().zero(zeros);
          fixture.result("zeros", zeros);
          Tensor counting = fixture.output(DType.I32, count);
          fixture.kernels().iota(counting);
          fixture.result("counting", counting);
        });
  }

  @Test
  default void copiesAreBetweenTensorsOfOneShapeAndType() {
    try (KernelsFixture fixture = new KernelsFixture(kernels(), dtype(), 1)) {
      Tensor tensor = fixture.output(DType.I32, 3, 4);
      for (Tensor host :
          new Tensor[] {Tensor.host(DType.I32, 4, 3), Tensor.host(DType.F32, 3, 4)}) {
        assertThrows(IllegalArgumentException.class, () -> kernels().upload(host, tensor));
        assertThrows(IllegalArgumentException.class, () -> kernels().download(tensor, host));
        host.memory().close();
      }
      fixture.assertNothingWritten("copies");
    }
  }
}
