package io.github.simcse4j.tensor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class WorkspaceTest {

  private final Workspace workspace = new Workspace(HostMemory.allocate(256));

  @AfterEach
  void close() {
    workspace.close();
  }

  @Test
  void tensorsLieSideBySideAtAlignedAddresses() {
    Tensor first = workspace.tensor(DType.F32, 3);
    Tensor second = workspace.tensor(DType.U8, 65);
    Tensor third = workspace.tensor(DType.F64, 1);
    assertEquals(0, first.byteOffset());
    assertEquals(64, second.byteOffset());
    assertEquals(192, third.byteOffset());
    for (Tensor tensor : new Tensor[] {first, second, third}) {
      assertEquals(0, tensor.segment().address() % HostMemory.ALIGNMENT);
    }
  }

  @Test
  void sizesIncludeTheAlignment() {
    assertEquals(0, Workspace.bytes(DType.F32, 0));
    assertEquals(64, Workspace.bytes(DType.F32, 1));
    assertEquals(64, Workspace.bytes(DType.F32, 16));
    assertEquals(128, Workspace.bytes(DType.F32, 17));
    assertThrows(ArithmeticException.class, () -> Workspace.bytes(DType.F64, 1L << 60));
    assertThrows(ArithmeticException.class, () -> Workspace.bytes(DType.U8, Long.MAX_VALUE));
  }

  @Test
  void fillsUpToTheLastByteAndNoFurther() {
    workspace.tensor(DType.F32, 4, 16);
    IllegalStateException error =
        assertThrows(IllegalStateException.class, () -> workspace.tensor(DType.U8, 1));
    assertTrue(error.getMessage().contains("256"), error.getMessage());
    assertEquals(256, workspace.mark());
    assertThrows(ArithmeticException.class, () -> workspace.tensor(DType.F32, 1L << 62, 8));
  }

  @Test
  void releaseGivesBackWhatCameAfterTheMark() {
    workspace.tensor(DType.F32, 16);
    long mark = workspace.mark();
    Tensor before = workspace.tensor(DType.F32, 32);
    workspace.release(mark);
    Tensor after = workspace.tensor(DType.I64, 3);
    assertEquals(before.byteOffset(), after.byteOffset());
    assertEquals(192, workspace.peak());
    workspace.release(0);
    assertEquals(0, workspace.mark());
    assertEquals(192, workspace.peak());
    assertEquals(256, workspace.byteSize());
  }

  @Test
  void refusesMarksThatItNeverGave() {
    workspace.tensor(DType.F32, 16);
    assertThrows(IllegalArgumentException.class, () -> workspace.release(128));
    assertThrows(IllegalArgumentException.class, () -> workspace.release(-1));
  }
}
