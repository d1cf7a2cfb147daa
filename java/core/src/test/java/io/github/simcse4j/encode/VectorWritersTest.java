package io.github.simcse4j.encode;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.simcse4j.files.InputException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class VectorWritersTest {

  @TempDir Path folder;

  @Test
  void npyHasItsHeaderAndItsRows() throws IOException {
    Path file = folder.resolve("v.npy");
    try (VectorWriter writer = VectorWriters.open(file, 3, true)) {
      writer.write(List.of("a", "b"), new float[] {1, 2, 3, 4, 5, 6, 99}, 2);
      writer.write(List.of(), new float[0], 0);
      writer.write(List.of("c"), new float[] {7, 8, -0.5f}, 1);
      writer.commit();
    }
    ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
    assertEquals(128 + 9 * 4, bytes.limit());
    byte[] magic = new byte[8];
    bytes.get(magic);
    assertArrayEquals(new byte[] {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0}, magic);
    byte[] header = new byte[bytes.getShort()];
    bytes.get(header);
    String text = new String(header, StandardCharsets.US_ASCII);
    assertEquals(
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 3), }", text.stripTrailing());
    assertTrue(text.endsWith(" \n"));
    float[] numbers = new float[9];
    bytes.asFloatBuffer().get(numbers);
    assertArrayEquals(new float[] {1, 2, 3, 4, 5, 6, 7, 8, -0.5f}, numbers);
  }

  @Test
  void npyWritesMoreRowsThanItsBufferHolds() throws IOException {
    Path file = folder.resolve("v.npy");
    int rows = 40_000;
    float[] vectors = new float[rows * 5];
    for (int i = 0; i < vectors.length; i++) {
      vectors[i] = i;
    }
    try (VectorWriter writer = NpyVectorWriter.open(file, 5)) {
      writer.write(List.of(), vectors, rows);
      writer.commit();
    }
    ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
    float[] numbers = new float[vectors.length];
    bytes
        .position(128)
        .order(ByteOrder.LITTLE_ENDIAN)
        .slice()
        .order(ByteOrder.LITTLE_ENDIAN)
        .asFloatBuffer()
        .get(numbers);
    assertArrayEquals(vectors, numbers);
  }

  @Test
  void jsonLinesHaveOneObjectForEachSentence() throws IOException {
    Path file = folder.resolve("v.jsonl");
    try (VectorWriter writer = VectorWriters.open(file, 2, true)) {
      writer.write(List.of("say \"é\"\n", ""), new float[] {0.1f, -1e-7f, 3, 1f / 3}, 2);
      writer.commit();
    }
    assertEquals(
        "{\"text\":\"say \\\"é\\\"\\n\",\"vector\":[0.1,-1.0E-7]}\n"
            + "{\"text\":\"\",\"vector\":[3.0,0.33333334]}\n",
        Files.readString(file));
  }

  @Test
  void jsonLinesMayLeaveTheTextsOut() throws IOException {
    Path file = folder.resolve("v.jsonl");
    try (VectorWriter writer = VectorWriters.open(file, 1, false)) {
      writer.write(List.of(), new float[] {2}, 1);
      writer.commit();
    }
    assertEquals("{\"vector\":[2.0]}\n", Files.readString(file));
  }

  @Test
  void jsonCannotHoldNaN() throws IOException {
    try (VectorWriter writer = JsonlVectorWriter.open(folder.resolve("v.jsonl"), 1, false)) {
      assertThrows(
          IllegalArgumentException.class,
          () -> writer.write(List.of(), new float[] {Float.NaN}, 1));
    }
    assertNothingIn(folder);
  }

  @ParameterizedTest
  @ValueSource(strings = {"v.npy", "v.jsonl", "v.arrow"})
  void withoutCommitNothingIsLeft(String name) throws IOException {
    try (VectorWriter writer = VectorWriters.open(folder.resolve(name), 2, true)) {
      writer.write(List.of("a"), new float[] {1, 2}, 1);
    }
    assertNothingIn(folder);
  }

  @ParameterizedTest
  @ValueSource(strings = {"v.npy", "v.jsonl", "v.arrow"})
  void anOlderFileStaysUntilCommit(String name) throws IOException {
    Path file = folder.resolve(name);
    Files.writeString(file, "older");
    try (VectorWriter writer = VectorWriters.open(file, 2, true)) {
      writer.write(List.of("a"), new float[] {1, 2}, 1);
      assertEquals("older", Files.readString(file));
      writer.commit();
    }
    assertFalse(new String(Files.readAllBytes(file), StandardCharsets.ISO_8859_1).equals("older"));
    try (Stream<Path> left = Files.list(folder)) {
      assertEquals(1, left.count());
    }
  }

  @Test
  void noRowsMakeAnEmptyFile() throws IOException {
    Path file = folder.resolve("v.jsonl");
    try (VectorWriter writer = VectorWriters.open(file, 2, true)) {
      writer.commit();
    }
    assertEquals(0, Files.size(file));
  }

  @Test
  void anUnknownEndingIsRefused() {
    Path file = folder.resolve("vectors.bin");
    String message =
        assertThrows(InputException.class, () -> VectorWriters.open(file, 2, true)).getMessage();
    assertTrue(message.contains(".arrow, .npy or .jsonl"), message);
  }

  @Test
  void aFolderThatIsAFileIsNamed() throws IOException {
    Path blocked = Files.writeString(folder.resolve("file"), "x").resolve("v.npy");
    String message =
        assertThrows(InputException.class, () -> VectorWriters.open(blocked, 2, true)).getMessage();
    assertTrue(message.startsWith(blocked.toString()), message);
    assertTrue(message.contains(blocked.getParent() + " is no folder"), message);
  }

  private static void assertNothingIn(Path folder) throws IOException {
    try (Stream<Path> left = Files.list(folder)) {
      assertEquals(List.of(), left.toList());
    }
  }
}
