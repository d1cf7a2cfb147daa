package io.github.simcse4j.tensor;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class TensorTest {

  private final HostMemory memory = HostMemory.allocate(240);

  @AfterEach
  void close() {
    memory.close();
  }

  @Test
  void fitsItsMemoryExactly() {
    Tensor tensor = new Tensor(memory, 0, DType.F32, Shape.of(5, 12));
    assertEquals(240, tensor.segment().byteSize());
    assertEquals(60, tensor.elements());
    assertEquals(0, new Tensor(memory, 240, DType.F64, Shape.of(0, 7)).segment().byteSize());
  }

  @Test
  void doesNotReachBeyondItsMemory() {
    Shape shape = Shape.of(5, 12);
    assertThrows(IllegalArgumentException.class, () -> new Tensor(memory, 1, DType.F32, shape));
    assertThrows(IllegalArgumentException.class, () -> new Tensor(memory, -4, DType.F32, shape));
    assertThrows(
        IllegalArgumentException.class,
        () -> new Tensor(memory, Long.MAX_VALUE, DType.F32, Shape.of(1)));
    assertThrows(
        ArithmeticException.class, () -> new Tensor(memory, 0, DType.F64, Shape.of(1L << 61, 1)));
    assertThrows(ArithmeticException.class, () -> Shape.of(1L << 32, 1L << 31));
    assertThrows(IllegalArgumentException.class, () -> Shape.of(3, -1));
  }

  @ParameterizedTest
  @EnumSource(names = {"F64", "F32", "I64", "I32"})
  void getsWhatWasSet(DType dtype) {
    Tensor tensor = new Tensor(memory, 8, dtype, Shape.of(3, 2));
    tensor.set(5, -7);
    assertEquals(-7, tensor.get(5));
    assertEquals(0, tensor.get(4));
    assertThrows(IndexOutOfBoundsException.class, () -> tensor.get(6));
    assertThrows(IndexOutOfBoundsException.class, () -> tensor.set(-1, 0));
  }

  @Test
  void readsTheSmallTypes() {
    memory.segment().set(ValueLayout.JAVA_SHORT, 0, (short) 0xC0A0);
    memory.segment().set(ValueLayout.JAVA_SHORT, 2, Float.floatToFloat16(-5.5f));
    memory.segment().set(ValueLayout.JAVA_BYTE, 4, (byte) 200);
    assertEquals(-5, new Tensor(memory, 0, DType.BF16, Shape.of(1)).get(0));
    assertEquals(-5.5, new Tensor(memory, 2, DType.F16, Shape.of(1)).get(0));
    Tensor bytes = new Tensor(memory, 4, DType.U8, Shape.of(1));
    assertEquals(200, bytes.get(0));
    assertThrows(UnsupportedOperationException.class, () -> bytes.set(0, 1));
  }

  @Test
  void rowsAreAViewOfThoseRows() {
    Tensor tensor = new Tensor(memory, 0, DType.F32, Shape.of(4, 3));
    tensor.fill(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11);
    Tensor middle = tensor.rows(1, 3);
    assertArrayEquals(new float[] {3, 4, 5, 6, 7, 8}, middle.toFloats());
    middle.set(0, 33);
    assertEquals(33, tensor.get(3));
    assertEquals(Shape.of(0, 3), tensor.rows(4, 4).shape());
    assertThrows(IndexOutOfBoundsException.class, () -> tensor.rows(1, 5));
    assertThrows(IndexOutOfBoundsException.class, () -> tensor.rows(-1, 2));
    assertThrows(IndexOutOfBoundsException.class, () -> tensor.rows(3, 2));
  }

  @Test
  void slicesAndShapesAreViews() {
    Tensor tensor = new Tensor(memory, 0, DType.F32, Shape.of(2, 6));
    tensor.slice(4, 2, 2).fill(1, 2, 3, 4);
    assertArrayEquals(
        new float[] {0, 0, 0, 0, 1, 2, 3, 4, 0, 0, 0, 0}, tensor.reshape(12).toFloats());
    assertThrows(IllegalArgumentException.class, () -> tensor.reshape(13));
    assertThrows(IllegalArgumentException.class, () -> tensor.slice(-1, 2));
    assertThrows(IllegalArgumentException.class, () -> tensor.slice(58, 3));
  }

  @Test
  void copiesOutOnlyTheTypeAskedFor() {
    Tensor ints = new Tensor(memory, 0, DType.I32, Shape.of(2));
    ints.set(1, 9);
    assertArrayEquals(new int[] {0, 9}, ints.toInts());
    assertThrows(IllegalStateException.class, ints::toFloats);
    assertThrows(IllegalArgumentException.class, () -> ints.fill(1, 2));
  }

  @Test
  void deviceMemoryHasNoHostBytes() {
    Memory device =
        new Memory() {
          @Override
          public long byteSize() {
            return 64;
          }

          @Override
          public String location() {
            return "cuda:0";
          }

          @Override
          public void close() {}
        };
    Tensor tensor = new Tensor(device, 0, DType.F32, Shape.of(16));
    IllegalStateException error = assertThrows(IllegalStateException.class, tensor::segment);
    assertTrue(error.getMessage().contains("cuda:0"), error.getMessage());
    assertThrows(IllegalStateException.class, () -> tensor.get(0));
  }

  @Test
  void hostMemoryIsAlignedZeroedAndClosedOnce() {
    HostMemory fresh = HostMemory.allocate(100);
    assertEquals(0, fresh.segment().address() % HostMemory.ALIGNMENT);
    assertEquals(-1, fresh.segment().mismatch(MemorySegment.ofArray(new byte[100])));
    fresh.close();
    fresh.close();
    assertThrows(IllegalStateException.class, () -> fresh.segment().get(ValueLayout.JAVA_BYTE, 0));
    HostMemory empty = HostMemory.allocate(0);
    assertEquals(0, empty.byteSize());
    empty.close();
    assertThrows(IllegalArgumentException.class, () -> HostMemory.allocate(-1));
  }

  @Test
  void viewsDoNotCloseWhatTheyShow() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment segment = arena.allocate(16);
      HostMemory view = HostMemory.view(segment);
      view.close();
      segment.set(ValueLayout.JAVA_BYTE, 0, (byte) 1);
      assertEquals(1, Tensor.over(segment, DType.U8, 16).get(0));
    }
    MemorySegment heap = MemorySegment.ofArray(new byte[4]);
    assertThrows(IllegalArgumentException.class, () -> HostMemory.view(heap));
  }
}
