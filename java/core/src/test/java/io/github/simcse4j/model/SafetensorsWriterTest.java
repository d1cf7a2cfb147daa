package io.github.simcse4j.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Shape;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SafetensorsWriterTest {

  @TempDir Path folder;

  @Test
  void writesTheBytesOfTheReferenceFromAnyOrder() throws Exception {
    Path reference = Path.of(getClass().getResource("python.safetensors").toURI());
    try (Arena arena = Arena.ofConfined()) {
      List<NamedTensor> tensors = new ArrayList<>();
      for (var entry : Safetensors.open(reference, arena).entries().values()) {
        tensors.add(
            new NamedTensor(
                entry.name(), entry.dtype().orElseThrow(), entry.shape(), entry.data()));
      }
      Collections.shuffle(tensors, new Random(7));
      Path copy = folder.resolve("copy.safetensors");
      SafetensorsWriter.write(copy, Map.of("format", "pt"), tensors);
      assertArrayEquals(Files.readAllBytes(reference), Files.readAllBytes(copy));
    }
  }

  @Test
  void readsBackWhatItWrote() throws Exception {
    Path file = folder.resolve("x.safetensors");
    var floats = MemorySegment.ofArray(new float[] {1, 2, 3, 4, 5, 6});
    var odd = MemorySegment.ofArray(new byte[] {9, 8, 7});
    SafetensorsWriter.write(
        file,
        Map.of(),
        List.of(
            new NamedTensor("bytes \"ü\"", DType.U8, Shape.of(3), odd),
            NamedTensor.floats("f", Shape.of(3, 2), floats)));
    try (Arena arena = Arena.ofConfined()) {
      var back = Safetensors.open(file, arena);
      assertEquals(Map.of(), back.metadata());
      assertEquals(-1, floats.mismatch(back.entry("f").data()));
      assertEquals(-1, odd.mismatch(back.entry("bytes \"ü\"").data()));
    }
  }

  @Test
  void refusesTwoTensorsOfOneNameAndLeavesNothing() throws Exception {
    var tensor = NamedTensor.floats("a", Shape.of(1), MemorySegment.ofArray(new float[1]));
    assertThrows(
        IllegalArgumentException.class,
        () -> SafetensorsWriter.write(folder.resolve("x"), Map.of(), List.of(tensor, tensor)));
    try (var files = Files.list(folder)) {
      assertEquals(0, files.count());
    }
  }

  @Test
  void aTensorsDataMustFitItsShape() {
    var data = MemorySegment.ofArray(new float[3]);
    assertThrows(
        IllegalArgumentException.class, () -> NamedTensor.floats("a", Shape.of(2, 2), data));
    assertThrows(
        IllegalArgumentException.class,
        () -> NamedTensor.floats("__metadata__", Shape.of(3), data));
  }
}
