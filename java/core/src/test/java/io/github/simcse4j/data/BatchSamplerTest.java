package io.github.simcse4j.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.simcse4j.files.InputException;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.List;
import java.util.stream.LongStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class BatchSamplerTest {

  private static final int GROUPS = 103;

  @TempDir Path folder;
  private TokenStore store;

  /** Pairs; sentence i has {@code 1 + 7 i mod 11} tokens. */
  @BeforeEach
  void writeStore() throws IOException {
    Path file = folder.resolve("pairs.arrow");
    var header = new TokenStoreHeader(2, "tokenizer", 10, 12, "", List.of());
    try (var channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        var writer = new TokenStoreWriter(channel, header)) {
      for (int i = 0; i < 2 * GROUPS; i++) {
        writer.add(new int[12], 0, 1 + 7 * i % 11);
      }
      writer.finish(new StoreCounts(0, 0));
    }
    store = TokenStore.open(file);
  }

  @AfterEach
  void closeStore() {
    store.close();
  }

  private BatchSampler sampler(long seed, boolean dropLast, boolean lengthAware) {
    return new BatchSampler(store, new BatchSettings(10, seed, true, dropLast, lengthAware));
  }

  private static long[][] epoch(BatchSampler sampler, long epoch) {
    long[][] batches = new long[(int) sampler.batches()][];
    long[] groups = new long[sampler.settings().batchSize()];
    for (int i = 0; i < batches.length; i++) {
      batches[i] = Arrays.copyOf(groups, sampler.batch(epoch, i, groups));
    }
    return batches;
  }

  private static long[] sorted(long[] groups) {
    long[] copy = groups.clone();
    Arrays.sort(copy);
    return copy;
  }

  @Test
  void anEpochHasEveryGroupOnce() {
    long[][] kept = epoch(sampler(1, false, false), 0);
    assertEquals(11, kept.length);
    assertEquals(3, kept[10].length);
    long[] all = Arrays.stream(kept).flatMapToLong(Arrays::stream).sorted().toArray();
    assertArrayEquals(LongStream.range(0, GROUPS).toArray(), all);
    long[][] dropped = epoch(sampler(1, true, false), 0);
    assertEquals(10, dropped.length);
    assertArrayEquals(Arrays.copyOf(kept, 10), dropped);
  }

  @Test
  void seedAndEpochDecideTheOrder() {
    long[][] once = epoch(sampler(1, false, true), 3);
    assertArrayEquals(once, epoch(sampler(1, false, true), 3));
    assertFalse(Arrays.deepEquals(once, epoch(sampler(1, false, true), 4)));
    assertFalse(Arrays.deepEquals(once, epoch(sampler(2, false, true), 3)));
    BatchSampler jumping = sampler(1, false, true);
    long[] groups = new long[10];
    jumping.batch(9, 0, groups);
    jumping.batch(3, 5, groups);
    assertArrayEquals(once[5], groups);
    var plain = new BatchSampler(store, new BatchSettings(10, 1, false, false, false));
    assertArrayEquals(LongStream.range(10, 20).toArray(), epoch(plain, 0)[1]);
  }

  @Test
  void lengthAwareOrderKeepsWhoIsInABatch() {
    long[][] plain = epoch(sampler(5, false, false), 2);
    long[][] ordered = epoch(sampler(5, false, true), 2);
    for (int i = 0; i < plain.length; i++) {
      assertArrayEquals(sorted(plain[i]), sorted(ordered[i]));
      for (int j = 1; j < ordered[i].length; j++) {
        assertTrue(tokens(ordered[i][j - 1]) >= tokens(ordered[i][j]));
      }
    }
    assertFalse(Arrays.deepEquals(plain, ordered));
  }

  private int tokens(long group) {
    return store.length(2 * group) + store.length(2 * group + 1);
  }

  @Test
  void theGreatestBatchIsKnownExactly() {
    BatchSampler sampler = sampler(5, false, false);
    long[] most = new long[3];
    for (long[] batch : epoch(sampler, 1)) {
      long first = Arrays.stream(batch).map(group -> store.length(2 * group)).sum();
      long second = Arrays.stream(batch).map(group -> store.length(2 * group + 1)).sum();
      most[0] = Math.max(most[0], first);
      most[1] = Math.max(most[1], second);
      most[2] = Math.max(most[2], first + second);
    }
    assertEquals(most[0], sampler.maxTokens(1, sampler.batches(), 0, 1));
    assertEquals(most[1], sampler.maxTokens(1, sampler.batches(), 1, 1));
    assertEquals(most[2], sampler.maxTokens(1, sampler.batches(), 0, 2));
    assertTrue(most[2] <= store.mostTokens(20));
  }

  @Test
  void aBatchLargerThanTheDataIsRefusedWhereItWouldBeDropped() {
    var settings = new BatchSettings(GROUPS + 1, 1, true, true, false);
    var fault = assertThrows(InputException.class, () -> new BatchSampler(store, settings));
    assertTrue(fault.getMessage().contains("larger than the 103 groups of 2"), fault.getMessage());
    var kept = new BatchSampler(store, new BatchSettings(GROUPS + 1, 1, true, false, false));
    assertEquals(1, kept.batches());
    assertEquals(GROUPS, epoch(kept, 0)[0].length);
    assertThrows(IndexOutOfBoundsException.class, () -> kept.batch(0, 1, new long[200]));
  }

  @Test
  void permutationsAreOneToOne() {
    for (long size = 1; size < 300; size++) {
      var permutation = new Permutation(size, 11, size);
      long[] images = LongStream.range(0, size).map(permutation::apply).sorted().toArray();
      assertArrayEquals(LongStream.range(0, size).toArray(), images);
    }
    var huge = new Permutation(1L << 40, 1, 2);
    assertTrue(LongStream.range(0, 1000).map(huge::apply).distinct().count() == 1000);
  }

  /** The image of 0 and of 1 over many seeds, against the uniform distribution. */
  @Test
  void everyPlaceIsEquallyLikely() {
    int size = 10;
    int seeds = 20_000;
    double[] counts = new double[size * size];
    for (int seed = 0; seed < seeds; seed++) {
      var permutation = new Permutation(size, seed, 0);
      counts[(int) (permutation.apply(0) * size + permutation.apply(1))]++;
    }
    double expected = seeds / (size * (size - 1.0));
    double chiSquare = 0;
    for (int i = 0; i < counts.length; i++) {
      if (i % (size + 1) == 0) {
        assertEquals(0, counts[i]);
      } else {
        chiSquare += (counts[i] - expected) * (counts[i] - expected) / expected;
      }
    }
    assertTrue(chiSquare < 140, "chi square with 89 degrees of freedom is " + chiSquare);
  }
}
