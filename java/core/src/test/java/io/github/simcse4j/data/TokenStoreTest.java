package io.github.simcse4j.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.simcse4j.files.InputException;
import io.github.simcse4j.kernels.BatchLimits;
import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.kernels.PackedBatch;
import io.github.simcse4j.kernels.reference.ReferenceKernels;
import io.github.simcse4j.tensor.PlannedMemory;
import io.github.simcse4j.tensor.Workspace;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.apache.arrow.vector.types.pojo.ArrowType;
import org.apache.arrow.vector.types.pojo.Field;
import org.apache.arrow.vector.types.pojo.FieldType;
import org.apache.arrow.vector.types.pojo.Schema;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TokenStoreTest {

  private static final int VOCABULARY = 100;
  private static final int MAX_LENGTH = 12;

  /** Batches for the host are left where they are. */
  private static final Kernels KERNELS = new ReferenceKernels();

  @TempDir Path folder;

  private static TokenStoreHeader header(int columns) {
    return new TokenStoreHeader(columns, "tokenizer", VOCABULARY, MAX_LENGTH, "", List.of());
  }

  /** A store of sentences of 1 to 12 seeded tokens. */
  private Path write(String name, int columns, int sentences) throws IOException {
    Path file = folder.resolve(name);
    Random random = new Random(7);
    int[] ids = new int[MAX_LENGTH];
    try (FileChannel channel = create(file);
        var writer = new TokenStoreWriter(channel, header(columns))) {
      for (int i = 0; i < sentences; i++) {
        writer.add(ids, 0, fill(random, ids));
      }
      writer.finish(new StoreCounts(3, 4));
    }
    return file;
  }

  private static BatchPacker packer(TokenStore store, int sentences, int vocabulary) {
    return new BatchPacker(
        store,
        KERNELS,
        new BatchLimits(1, sentences, sentences * MAX_LENGTH, vocabulary),
        new Workspace(new PlannedMemory()));
  }

  private static int fill(Random random, int[] ids) {
    int length = 1 + random.nextInt(MAX_LENGTH);
    for (int j = 0; j < length; j++) {
      ids[j] = random.nextInt(VOCABULARY);
    }
    return length;
  }

  private static FileChannel create(Path file) throws IOException {
    return FileChannel.open(
        file,
        StandardOpenOption.CREATE,
        StandardOpenOption.TRUNCATE_EXISTING,
        StandardOpenOption.WRITE);
  }

  @Test
  void severalRecordBatchesReadAsOne() throws IOException {
    int sentences = 2 * (1 << 16) + 5;
    try (TokenStore store = TokenStore.open(write("a.arrow", 1, sentences))) {
      assertEquals(sentences, store.sentences());
      assertEquals(3, store.counts().skippedEmpty());
      assertEquals(4, store.counts().truncated());
      Random random = new Random(7);
      int[] ids = new int[MAX_LENGTH];
      long tokens = 0;
      for (int i = 0; i < sentences; i++) {
        int length = fill(random, ids);
        tokens += length;
        assertEquals(length, store.length(i));
        if (i % 1000 == 0 || i % (1 << 16) < 3 || i % (1 << 16) > (1 << 16) - 3) {
          assertArrayEquals(Arrays.copyOf(ids, length), store.tokens(i), "sentence " + i);
        }
      }
      assertEquals(tokens, store.tokens());
      assertThrows(IndexOutOfBoundsException.class, () -> store.start(sentences));
      assertThrows(IndexOutOfBoundsException.class, () -> store.length(-1));
    }
  }

  @Test
  void batchesPointIntoTheMappingAndReuseTheirTables() throws IOException {
    try (TokenStore store = TokenStore.open(write("a.arrow", 3, 3 * 40));
        var packer = packer(store, 30, VOCABULARY)) {
      long[] groups = {7, 3, 39, 0};
      PackedBatch all = packer.packColumns(groups, 4, 0, 12);
      assertEquals(12, all.sentences());
      assertEquals(store.ids().segment().address(), all.ids().segment().address());
      assertEquals(Files.size(store.file()) / 4, all.ids().elements());
      for (int column = 0; column < 3; column++) {
        for (int i = 0; i < 4; i++) {
          assertSentence(store, all, 4 * column + i, groups[i] * 3 + column);
        }
      }
      MemorySegment tables = all.starts().segment();
      PackedBatch negatives = packer.pack(groups, 1, 3, 2);
      assertEquals(tables.address(), negatives.starts().segment().address());
      assertEquals(2, negatives.sentences());
      assertSentence(store, negatives, 0, 3 * 3 + 2);
      assertSentence(store, negatives, 1, 39 * 3 + 2);
      assertThrows(IndexOutOfBoundsException.class, () -> packer.pack(groups, 0, 1, 3));
    }
  }

  private static void assertSentence(TokenStore store, PackedBatch batch, int row, long sentence) {
    int from = (int) batch.cuSeqlens().get(row);
    int length = (int) batch.cuSeqlens().get(row + 1) - from;
    long start = (long) batch.starts().get(row);
    assertEquals(sentence, (long) batch.samples().get(row));
    assertArrayEquals(store.tokens(sentence), batch.ids().slice(start, length).toInts());
    assertTrue(length <= batch.maxLength());
  }

  @Test
  void anIdOutsideTheVocabularyIsFoundBeforeAKernelSeesIt() throws IOException {
    Path file = write("a.arrow", 1, 10);
    try (TokenStore store = TokenStore.open(file);
        var packer = packer(store, 10, 5)) {
      long[] groups = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
      var fault = assertThrows(InputException.class, () -> packer.pack(groups, 0, 10, 0));
      assertTrue(fault.getMessage().contains("not in the vocabulary of 5"), fault.getMessage());
    }
  }

  @Test
  void tokenBatchesAreFilledByHand() {
    try (var batch = new TokenBatch(new BatchLimits(1, 2, 5, 10))) {
      assertTrue(batch.fits(5));
      assertFalse(batch.fits(6));
      batch.add(new int[] {9, 1, 2, 3}, 1, 3, 17);
      batch.add(new int[] {4}, 0, 1, 18);
      assertFalse(batch.fits(1), "two sentences are in");
      assertThrows(IllegalArgumentException.class, () -> batch.add(new int[1], 0, 1, 0));
      PackedBatch packed = batch.packed();
      assertArrayEquals(new int[] {1, 2, 3, 4}, packed.ids().slice(0, 4).toInts());
      assertArrayEquals(new int[] {0, 3, 4}, packed.cuSeqlens().toInts());
      assertArrayEquals(new int[] {17, 18}, packed.samples().toInts());
      assertEquals(3, packed.maxLength());
      assertEquals(4, packed.tokens());
      batch.clear();
      batch.add(new int[] {8, 8}, 0, 2, 0);
      assertArrayEquals(new int[] {0, 2}, batch.packed().cuSeqlens().toInts());
    }
  }

  @Test
  void everyTruncationIsRefused() throws IOException {
    byte[] whole = Files.readAllBytes(write("sound.arrow", 1, 20));
    Path file = folder.resolve("cut.arrow");
    for (int length = 0; length < whole.length; length += 7) {
      Files.write(file, Arrays.copyOf(whole, length));
      assertThrows(InputException.class, () -> TokenStore.open(file));
    }
  }

  @Test
  void everyChangedByteIsReadOrRefused() throws IOException {
    byte[] whole = Files.readAllBytes(write("sound.arrow", 1, 20));
    Path file = folder.resolve("hostile.arrow");
    int[] flips = {0x01, 0xFF, 0x40, 0x80, 0x02};
    int refused = 0;
    for (int at = 0; at < whole.length; at++) {
      byte[] changed = whole.clone();
      changed[at] ^= (byte) flips[at % flips.length];
      refused += readOrRefuse(Files.write(file, changed)) ? 0 : 1;
    }
    assertTrue(refused > whole.length / 16, refused + " of " + whole.length);
  }

  @Test
  void manyChangedBytesAreReadOrRefused() throws IOException {
    byte[] whole = Files.readAllBytes(write("sound.arrow", 1, 20));
    Path file = folder.resolve("hostile.arrow");
    long seed = 20260101;
    Random random = new Random(seed);
    for (int round = 0; round < 400; round++) {
      byte[] changed = whole.clone();
      for (int i = 0; i < 1 + round % 8; i++) {
        int at = random.nextInt(changed.length - 3);
        int value = random.nextBoolean() ? random.nextInt() : -random.nextInt(64);
        MemorySegment.ofArray(changed).set(ValueLayout.JAVA_INT_UNALIGNED, at & ~3, value);
      }
      readOrRefuse(Files.write(file, changed));
    }
  }

  /** Reads every sentence; closing asserts that Arrow holds no memory. */
  private static boolean readOrRefuse(Path file) {
    try (TokenStore store = TokenStore.open(file, Arena.ofConfined());
        var packer = packer(store, 3, VOCABULARY)) {
      assertTrue(store.sentences() <= 20);
      for (long i = 0; i < store.groups(); i++) {
        assertTrue(
            packer.packColumns(new long[] {i}, 1, 0, store.columns()).tokens() <= 3 * MAX_LENGTH);
      }
      return true;
    } catch (InputException e) {
      assertTrue(e.getMessage().contains(file.toString()), e.getMessage());
      return false;
    }
  }

  @Test
  void arrowHoldsNothingAfterAFailure() throws IOException {
    Path file = hostile(new int[] {0, 4}, new int[] {1, 2, 3, 4}, Map.of());
    byte[] bytes = Files.readAllBytes(file);
    try (MappedArrow arrow = MappedArrow.open(file, Arena.ofConfined())) {
      arrow.batch(0);
      assertEquals(0, arrow.allocatedBytes());
    }
    Random random = new Random(5);
    int failures = 0;
    for (int round = 0; round < 500; round++) {
      byte[] changed = bytes.clone();
      changed[random.nextInt(changed.length)] ^= (byte) (1 << random.nextInt(8));
      try (MappedArrow arrow = MappedArrow.open(Files.write(file, changed), Arena.ofConfined())) {
        try {
          arrow.batch(0);
        } catch (InputException e) {
          failures++;
        }
        assertEquals(0, arrow.allocatedBytes());
      } catch (InputException e) {
        failures++;
      }
    }
    assertNotEquals(0, failures);
  }

  private Path hostile(int[] offsets, int[] values, Map<String, String> metadata)
      throws IOException {
    Map<String, String> all = new java.util.HashMap<>(header(1).toMetadata());
    all.putAll(metadata);
    Field item = new Field("item", FieldType.notNullable(new ArrowType.Int(32, true)), null);
    Field tokens = new Field("tokens", FieldType.notNullable(new ArrowType.List()), List.of(item));
    Path file = folder.resolve("hostile.arrow");
    try (FileChannel channel = create(file);
        var sink = new ArrowSink(channel, new Schema(List.of(tokens), all))) {
      sink.batch(
          offsets.length - 1,
          new int[] {offsets.length - 1, values.length},
          ArrowSink.ALL_VALID,
          MemorySegment.ofArray(offsets),
          ArrowSink.ALL_VALID,
          MemorySegment.ofArray(values));
      sink.finish();
    }
    return file;
  }

  private void assertRefused(String problem, Path file) {
    var fault = assertThrows(InputException.class, () -> TokenStore.open(file));
    assertTrue(fault.getMessage().contains(problem), fault.getMessage());
  }

  @Test
  void whatAStoreMayNotHoldIsNamed() throws IOException {
    int[] four = {1, 2, 3, 4};
    TokenStore.open(hostile(new int[] {0, 1, 4}, four, Map.of())).close();
    assertRefused("do not increase", hostile(new int[] {0, 3, 2, 4}, four, Map.of()));
    assertRefused("do not increase", hostile(new int[] {0, 2, 2, 4}, four, Map.of()));
    assertRefused("negative offset", hostile(new int[] {-1, 4}, four, Map.of()));
    assertRefused(
        "longer than 3", hostile(new int[] {0, 4}, four, Map.of("simcse4j.max_length", "3")));
    assertRefused("columns is 0", hostile(new int[] {0, 4}, four, Map.of("simcse4j.columns", "0")));
    assertRefused("groups of 2", hostile(new int[] {0, 4}, four, Map.of("simcse4j.columns", "2")));
    assertRefused("format 99", hostile(new int[] {0, 4}, four, Map.of("simcse4j.format", "99")));
    assertRefused(
        "cannot be used", hostile(new int[] {0, 4}, four, Map.of("simcse4j.sources", "many")));
    assertRefused("no such file", folder.resolve("none.arrow"));
  }
}
