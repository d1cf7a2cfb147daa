package io.github.simcse4j.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.simcse4j.files.InputException;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.apache.arrow.memory.RootAllocator;
import org.apache.arrow.vector.BigIntVector;
import org.apache.arrow.vector.LargeVarCharVector;
import org.apache.arrow.vector.VarCharVector;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.ipc.ArrowFileWriter;
import org.apache.arrow.vector.ipc.ArrowStreamWriter;
import org.apache.arrow.vector.ipc.ArrowWriter;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ArrowRowsTest {

  @TempDir Path folder;

  /**
   * Two batches with the columns id: int64, short: utf8, long: large_utf8, the second text null.
   */
  private Path write(String name, boolean stream) throws IOException {
    Path file = folder.resolve(name);
    try (var allocator = new RootAllocator();
        var id = new BigIntVector("id", allocator);
        var utf8 = new VarCharVector("short", allocator);
        var large = new LargeVarCharVector("long", allocator);
        var root = VectorSchemaRoot.of(id, utf8, large);
        var channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        ArrowWriter writer =
            stream
                ? new ArrowStreamWriter(root, null, channel)
                : new ArrowFileWriter(root, null, channel)) {
      for (int batch = 0; batch < 2; batch++) {
        root.allocateNew();
        for (int i = 0; i < 3; i++) {
          id.setSafe(i, i);
          if (i != 1) {
            utf8.setSafe(i, ("kurz " + batch + i).getBytes(StandardCharsets.UTF_8));
          }
          large.setSafe(i, ("läng " + batch + i).getBytes(StandardCharsets.UTF_8));
        }
        root.setRowCount(3);
        writer.writeBatch();
      }
      writer.end();
    }
    return file;
  }

  private static List<String> rows(Path file, Columns columns) {
    List<String> rows = new ArrayList<>();
    try (RowReader reader = RowReaders.open(file, columns)) {
      while (reader.next()) {
        StringBuilder row = new StringBuilder(reader.place());
        for (int i = 0; i < reader.columns(); i++) {
          row.append('|').append(reader.text(i));
        }
        rows.add(row.toString());
      }
    }
    return rows;
  }

  @Test
  void readsFilesAndStreams() throws IOException {
    List<String> expected =
        List.of(
            "row 0|kurz 00|läng 00",
            "row 1||läng 01",
            "row 2|kurz 02|läng 02",
            "row 3|kurz 10|läng 10",
            "row 4||läng 11",
            "row 5|kurz 12|läng 12");
    for (boolean stream : new boolean[] {false, true}) {
      Path file = write(stream + ".arrow", stream);
      assertEquals(expected, rows(file, Columns.all()));
      assertEquals("row 0|läng 00", rows(file, Columns.parse("long")).get(0));
      assertEquals("row 0|läng 00|kurz 00", rows(file, Columns.parse("2,1")).get(0));
      var fault = assertThrows(InputException.class, () -> rows(file, Columns.parse("id")));
      assertTrue(fault.getMessage().contains("expected utf8"), fault.getMessage());
    }
  }

  @Test
  void everyTruncationAndBitFlipIsReadOrRefused() throws IOException {
    for (boolean stream : new boolean[] {false, true}) {
      byte[] whole = Files.readAllBytes(write("sound" + stream + ".arrow", stream));
      Path file = folder.resolve("hostile.arrow");
      for (int length = 0; length < whole.length - 8; length += 3) {
        readOrRefuse(Files.write(file, Arrays.copyOf(whole, length)));
      }
      for (int at = 0; at < whole.length; at++) {
        byte[] changed = whole.clone();
        changed[at] ^= (byte) (1 << at % 8);
        readOrRefuse(Files.write(file, changed));
      }
    }
  }

  private static void readOrRefuse(Path file) {
    try {
      assertTrue(rows(file, Columns.all()).size() <= 6);
    } catch (InputException e) {
      assertTrue(e.getMessage().contains(file.toString()), e.getMessage());
    }
  }
}
