package io.github.simcse4j.encode;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.simcse4j.files.InputException;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.apache.arrow.memory.RootAllocator;
import org.apache.arrow.vector.ipc.ArrowFileReader;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ArrowVectorWriterTest {

  @TempDir Path folder;

  /** Every row as Arrow's own reader shows it. */
  private static List<String> rows(Path file) throws IOException {
    List<String> rows = new ArrayList<>();
    try (var allocator = new RootAllocator();
        var reader = new ArrowFileReader(FileChannel.open(file), allocator)) {
      var root = reader.getVectorSchemaRoot();
      while (reader.loadNextBatch()) {
        for (int i = 0; i < root.getRowCount(); i++) {
          StringBuilder row = new StringBuilder();
          for (var column : root.getFieldVectors()) {
            row.append(column.getName()).append('=').append(column.getObject(i)).append(' ');
          }
          rows.add(row.toString());
        }
      }
    }
    return rows;
  }

  @Test
  void writesTextsAndVectors() throws IOException {
    Path file = folder.resolve("out/vectors.arrow");
    try (VectorWriter writer = ArrowVectorWriter.open(file, 2, true)) {
      writer.write(List.of("eins", "zwöi"), new float[] {1, 2, 3, 4, 99}, 2);
      writer.write(List.of(""), new float[] {5, 6}, 1);
      writer.commit();
    }
    assertEquals(
        List.of(
            "text=eins vector=[1.0,2.0] ",
            "text=zwöi vector=[3.0,4.0] ",
            "text= vector=[5.0,6.0] "),
        rows(file));
  }

  @Test
  void textsMayBeLeftOut() throws IOException {
    Path file = folder.resolve("vectors.arrow");
    try (VectorWriter writer = ArrowVectorWriter.open(file, 3, false)) {
      writer.write(List.of(), new float[] {1, 2, 3}, 1);
      writer.commit();
    }
    assertEquals(List.of("vector=[1.0,2.0,3.0] "), rows(file));
  }

  @Test
  void withoutCommitNothingChanges() throws IOException {
    Path file = folder.resolve("vectors.arrow");
    Files.writeString(file, "before");
    try (VectorWriter writer = ArrowVectorWriter.open(file, 1, false)) {
      writer.write(List.of(), new float[] {1}, 1);
      assertThrows(IllegalArgumentException.class, () -> writer.write(List.of(), new float[1], 2));
    }
    assertArrayEquals("before".getBytes(), Files.readAllBytes(file));
    try (Stream<Path> files = Files.list(folder)) {
      assertEquals(1, files.count());
    }
    var fault =
        assertThrows(
            InputException.class,
            () -> ArrowVectorWriter.open(file.resolve("below/a.arrow"), 1, false));
    assertTrue(fault.getMessage().contains("cannot be written"), fault.getMessage());
  }
}
