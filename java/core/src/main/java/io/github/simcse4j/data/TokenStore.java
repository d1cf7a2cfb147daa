package io.github.simcse4j.data;

import io.github.simcse4j.files.InputException;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.apache.arrow.vector.ipc.message.ArrowFieldNode;
import org.apache.arrow.vector.types.pojo.ArrowType;
import org.apache.arrow.vector.types.pojo.Field;

/**
 * Tokenised sentences in a memory-mapped Arrow IPC file with one column {@code tokens:
 * list<int32>}. The K sentences of a group stand one after the other: sentence {@code group * K +
 * column}, with K = 1 for unsupervised training, 2 for pairs, 3 for pairs with a hard negative.
 *
 * <p>Nothing is copied: {@link #ids} is one tensor over the whole file, and a sentence is a stretch
 * of it. Opening looks at every sentence length once, so that no later look-up can leave the file.
 * Look-ups may come from any number of threads.
 */
public final class TokenStore implements AutoCloseable {

  private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED;

  private final MappedArrow arrow;
  private final TokenStoreHeader header;
  private final StoreCounts counts;
  private final Tensor ids;
  private final long[] lengthCounts;
  private final long[] firstSentences;
  private final long[] offsetsAt;
  private final long[] firstIds;
  private int batches;
  private long sentences;
  private long tokens;

  private TokenStore(MappedArrow arrow) {
    this.arrow = arrow;
    this.header = TokenStoreHeader.fromMetadata(arrow.schema().getCustomMetadata());
    this.counts = StoreCounts.from(arrow.footerMetadata());
    long whole = arrow.mapping().byteSize() / Integer.BYTES;
    this.ids = Tensor.over(arrow.mapping().asSlice(0, whole * Integer.BYTES), DType.I32, whole);
    this.lengthCounts = new long[header.maxLength() + 1];
    this.firstSentences = new long[arrow.batches()];
    this.offsetsAt = new long[arrow.batches()];
    this.firstIds = new long[arrow.batches()];
  }

  /**
   * Maps a token store.
   *
   * @throws InputException where it is missing, damaged, or no token store
   */
  public static TokenStore open(Path file) {
    return open(file, Arena.ofShared());
  }

  /** {@link #open(Path)} in an arena that decides which threads may use the store. */
  static TokenStore open(Path file, Arena arena) {
    MappedArrow arrow = MappedArrow.open(file, arena);
    try {
      if (!isStore(arrow)) {
        throw InputException.in(
            file, "", "the Arrow file is no token store", "make one with simcse prepare");
      }
      TokenStore store = new TokenStore(arrow);
      store.readBatches();
      return store;
    } catch (IllegalArgumentException e) {
      arrow.close();
      throw InputException.in(
          file, "", "the token store cannot be used: " + e.getMessage(), "prepare it again");
    } catch (InputException e) {
      arrow.close();
      throw e;
    }
  }

  /** Whether a file is an Arrow file that says it is a token store. */
  static boolean isStore(Path file) {
    if (!RowReaders.isArrow(file)) {
      return false;
    }
    try (MappedArrow arrow = MappedArrow.open(file, Arena.ofConfined())) {
      return isStore(arrow);
    }
  }

  private static boolean isStore(MappedArrow arrow) {
    return TokenStoreHeader.isIn(arrow.schema().getCustomMetadata());
  }

  private void readBatches() {
    List<Field> fields = arrow.schema().getFields();
    boolean expected =
        fields.size() == 1
            && fields.get(0).getName().equals(TokenStoreWriter.COLUMN)
            && fields.get(0).getDictionary() == null
            && fields.get(0).getType() instanceof ArrowType.List
            && isInt32(fields.get(0).getChildren());
    if (!expected) {
      throw new IllegalArgumentException("expected a column tokens: list<int32>, found " + fields);
    }
    for (int i = 0; i < arrow.batches(); i++) {
      readBatch(i, arrow.batch(i));
    }
    if (sentences % header.columns() != 0) {
      throw new IllegalArgumentException(
          sentences + " sentences are no groups of " + header.columns());
    }
  }

  private static boolean isInt32(List<Field> children) {
    return children.size() == 1
        && children.get(0).getDictionary() == null
        && children.get(0).getType().equals(new ArrowType.Int(32, true));
  }

  private void readBatch(int index, MappedArrow.Batch batch) {
    List<ArrowFieldNode> nodes = batch.nodes();
    require(nodes.size() == 2 && batch.buffers().size() == 4, index, "has other columns");
    require(
        nodes.get(0).getLength() == batch.rows()
            && nodes.get(0).getNullCount() == 0
            && nodes.get(1).getNullCount() == 0,
        index,
        "has nulls or lacks rows");
    if (batch.rows() == 0) {
      return;
    }
    MemorySegment offsets = batch.buffers().get(1);
    MemorySegment values = batch.buffers().get(3);
    long valuesAt = values.address() - arrow.mapping().address();
    long offsetBytes = Integer.BYTES * (batch.rows() + 1L);
    require(offsets.byteSize() >= offsetBytes, index, "has fewer offsets than rows");
    require(valuesAt % Integer.BYTES == 0, index, "has misaligned values");
    long available = Math.min(values.byteSize() / Integer.BYTES, nodes.get(1).getLength());
    tokens += scan(index, offsets, batch.rows(), available);
    firstSentences[batches] = sentences;
    offsetsAt[batches] = offsets.address() - arrow.mapping().address();
    firstIds[batches] = valuesAt / Integer.BYTES;
    batches++;
    sentences += batch.rows();
  }

  /** Checks the offsets of a batch, counts its lengths, and returns its number of tokens. */
  private long scan(int batch, MemorySegment offsets, int rows, long available) {
    int first = offsets.get(INT, 0);
    int last = first;
    require(first >= 0, batch, "has a negative offset");
    for (long row = 1; row <= rows; row++) {
      int next = offsets.get(INT, Integer.BYTES * row);
      if (next <= last || next - last >= lengthCounts.length) {
        require(next > last, batch, "has offsets that do not increase");
        require(false, batch, "has a sentence longer than " + header.maxLength());
      }
      lengthCounts[next - last]++;
      last = next;
    }
    require(last <= available, batch, "has offsets beyond its tokens");
    return last - first;
  }

  private static void require(boolean holds, int batch, String problem) {
    if (!holds) {
      throw new IllegalArgumentException("record batch " + batch + " " + problem);
    }
  }

  /** Every token id of the file, with whatever else the file holds between; I32. */
  public Tensor ids() {
    return ids;
  }

  /** The index in {@link #ids} of a sentence's first token. */
  public long start(long sentence) {
    int batch = batchOf(sentence);
    return firstIds[batch] + offset(batch, sentence);
  }

  /** The number of a sentence's tokens, at least 1. */
  public int length(long sentence) {
    int batch = batchOf(sentence);
    return offset(batch, sentence + 1) - offset(batch, sentence);
  }

  private int batchOf(long sentence) {
    if (sentence < 0 || sentence >= sentences) {
      throw new IndexOutOfBoundsException("sentence " + sentence + " of " + sentences);
    }
    int found = Arrays.binarySearch(firstSentences, 0, batches, sentence);
    return found >= 0 ? found : -found - 2;
  }

  private int offset(int batch, long sentence) {
    return arrow
        .mapping()
        .get(INT, offsetsAt[batch] + Integer.BYTES * (sentence - firstSentences[batch]));
  }

  /** The ids of one sentence, copied. */
  public int[] tokens(long sentence) {
    return ids.slice(start(sentence), length(sentence)).toInts();
  }

  /** Equal for sentences of the same tokens, and for others in one pair of 2^64. */
  public long hash(long sentence) {
    MemorySegment all = ids.segment();
    long start = start(sentence);
    long end = start + length(sentence);
    long hash = end - start;
    for (long i = start; i < end; i++) {
      hash = mixed(hash + all.get(INT, Integer.BYTES * i));
    }
    return hash;
  }

  /** One step of SplitMix64 (Steele et al. 2014), which maps no two numbers to one. */
  private static long mixed(long value) {
    long z = value + 0x9E3779B97F4A7C15L;
    z = (z ^ z >>> 30) * 0xBF58476D1CE4E5B9L;
    z = (z ^ z >>> 27) * 0x94D049BB133111EBL;
    return z ^ z >>> 31;
  }

  /** The number of sentences: {@code groups * columns}. */
  public long sentences() {
    return sentences;
  }

  /** The number of groups, what a batch is counted in. */
  public long groups() {
    return sentences / header.columns();
  }

  /** K, sentences of a group: 1, 2 or 3. */
  public int columns() {
    return header.columns();
  }

  /** The number of tokens of all sentences. */
  public long tokens() {
    return tokens;
  }

  /** Tokens of the longest sentence. */
  public int longest() {
    int length = header.maxLength();
    while (length > 0 && lengthCounts[length] == 0) {
      length--;
    }
    return length;
  }

  /**
   * The most tokens that any {@code count} sentences have together: a bound on every batch of every
   * epoch under every seed.
   */
  public long mostTokens(long count) {
    long left = count;
    long most = 0;
    for (int length = header.maxLength(); length > 0 && left > 0; length--) {
      long taken = Math.min(left, lengthCounts[length]);
      most += taken * length;
      left -= taken;
    }
    return most;
  }

  /** The most sentences that have at most {@code tokens} tokens together; at least 1. */
  public long mostSentences(long tokens) {
    long left = tokens;
    long most = 0;
    for (int length = 1; length < lengthCounts.length && length <= left; length++) {
      long taken = Math.min(left / length, lengthCounts[length]);
      most += taken;
      left -= taken * length;
    }
    return Math.max(1, most);
  }

  /** The length at which sentences were cut when the store was made. */
  public int maxLength() {
    return header.maxLength();
  }

  /** Fingerprint of the tokenizer that made the ids. */
  public String tokenizer() {
    return header.tokenizer();
  }

  /** The mapped file. */
  public Path file() {
    return arrow.file();
  }

  TokenStoreHeader header() {
    return header;
  }

  StoreCounts counts() {
    return counts;
  }

  /** Unmaps the file; tensors taken from the store are void then. */
  @Override
  public void close() {
    arrow.close();
  }
}
