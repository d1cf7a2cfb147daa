package io.github.simcse4j.tokenizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class WordPieceTokenizerTest {

  private static final Golden GOLDEN = new Golden();

  @TempDir Path folder;

  @ParameterizedTest
  @ValueSource(
      strings = {
        "uncased",
        "cased",
        "lower-cased with accents",
        "cased without accents",
        "not cleaned",
        "added tokens",
        "cut"
      })
  void givesTheIdsOfTheReference(String name) throws IOException {
    Tokenizer tokenizer = GOLDEN.load(folder, name);
    Golden.Case expected = GOLDEN.named(name);
    for (int i = 0; i < GOLDEN.texts().size(); i++) {
      String text = (String) GOLDEN.texts().get(i);
      int[] ids = ((List<?>) expected.ids().get(i)).stream().mapToInt(id -> (int) id).toArray();
      String label = name + ", text " + i + ": " + escape(text);
      assertArrayEquals(ids, tokenizer.encode(text, expected.maxLength()), label);
      assertArrayEquals(ids, encodeInside(tokenizer, text, expected.maxLength()), label);
    }
  }

  /** Text and ids lie in the middle of arrays whose other elements must not matter or change. */
  private static int[] encodeInside(Tokenizer tokenizer, String text, int maxLength) {
    byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
    byte[] around = new byte[utf8.length + 7];
    Arrays.fill(around, (byte) 0xC3);
    System.arraycopy(utf8, 0, around, 3, utf8.length);
    int[] out = new int[utf8.length + 2 + 9];
    Arrays.fill(out, -7);
    int count = tokenizer.encode(around, 3, 3 + utf8.length, out, 4, maxLength);
    int room = Math.min(maxLength, utf8.length + 2);
    for (int i = 0; i < out.length; i++) {
      assertTrue(i >= 4 && i < 4 + room || out[i] == -7, "element " + i);
    }
    return Arrays.copyOfRange(out, 4, 4 + count);
  }

  @Test
  void cutsLikeTheWholeCutShort() throws IOException {
    Tokenizer tokenizer = GOLDEN.load(folder, "added tokens");
    for (Object text : GOLDEN.texts()) {
      int[] whole = tokenizer.encode((String) text, Integer.MAX_VALUE);
      for (int maxLength = 2; maxLength <= whole.length; maxLength++) {
        int[] expected = Arrays.copyOf(whole, maxLength);
        expected[maxLength - 1] = tokenizer.sepId();
        assertArrayEquals(expected, tokenizer.encode((String) text, maxLength));
      }
    }
  }

  @Test
  void takesLongTextsInPartsThatDoNotShow() throws IOException {
    Tokenizer tokenizer = GOLDEN.load(folder, "uncased");
    String sentence = "Hello, caf\u00e9 \u535a\u63a8 runn\u0338ing [MASK] ";
    int[] once = tokenizer.encode(sentence, 512);
    int[] many = tokenizer.encode(sentence.repeat(5000), Integer.MAX_VALUE);
    assertEquals(5000 * (once.length - 2) + 2, many.length);
    for (int i = 0; i < many.length - 2; i++) {
      assertEquals(once[1 + i % (once.length - 2)], many[1 + i]);
    }
  }

  @Test
  void aWordOfAMillionCharactersIsUnknown() throws IOException {
    Tokenizer tokenizer = GOLDEN.load(folder, "uncased");
    int[] expected = {tokenizer.clsId(), tokenizer.unkId(), tokenizer.sepId()};
    assertArrayEquals(expected, tokenizer.encode("\u00e9".repeat(1_000_000), 32));
    assertArrayEquals(expected, tokenizer.encode("a".repeat(1_000_000), Integer.MAX_VALUE));
    assertEquals(32, tokenizer.encode("a ".repeat(1_000_000), 32).length);
  }

  @Test
  void sortsAMillionMarksInCanonicalOrder() throws IOException {
    Tokenizer tokenizer = GOLDEN.load(folder, "uncased");
    String high = "\ud834\udd6d";
    String low = "\ud834\udd65";
    int[] expected = tokenizer.encode("a" + low.repeat(40) + high.repeat(40), 512);
    assertArrayEquals(expected, tokenizer.encode("a" + (high + low).repeat(40), 512));
    assertEquals(3, tokenizer.encode("a" + (high + low).repeat(500_000), 512).length);
  }

  @Test
  void allocatesNothingPerSentence() throws IOException {
    Tokenizer tokenizer = GOLDEN.load(folder, "uncased");
    byte[] utf8 =
        "Hello caf\u00e9, want\u00e9d \u535a\u63a8 [MASK] xyz!".getBytes(StandardCharsets.UTF_8);
    int[] out = new int[64];
    var threads = (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();
    tokenizer.encode(utf8, 0, utf8.length, out, 0, 64);
    long before = threads.getCurrentThreadAllocatedBytes();
    for (int i = 0; i < 10_000; i++) {
      tokenizer.encode(utf8, 0, utf8.length, out, 0, 64);
    }
    long bytes = threads.getCurrentThreadAllocatedBytes() - before;
    assertTrue(bytes < 10_000, bytes + " bytes in 10,000 sentences");
  }

  @ParameterizedTest
  @CsvSource({
    "61 80, 1", "C0 80, 0", "61 C1 BF, 1", "E0 80 80, 0", "61 20 ED A0 80, 2", "F4 90 80 80, 0",
    "F8 90 80 80 80, 0", "61 E2 82, 1", "FF, 0", "F0 9F 98, 0", "C3 28, 0", "E2 82 28, 0"
  })
  void saysWhereTextIsNoUtf8(String hex, int position) throws IOException {
    Tokenizer tokenizer = GOLDEN.load(folder, "added tokens");
    byte[] tail = HexBytes.of(hex);
    byte[] utf8 = Arrays.copyOf("a b [MASK] c ".getBytes(StandardCharsets.UTF_8), 13 + tail.length);
    System.arraycopy(tail, 0, utf8, 13, tail.length);
    for (int maxLength : new int[] {2, 3, 4, 5, 512}) {
      var e =
          assertThrows(
              MalformedTextException.class,
              () -> tokenizer.encode(utf8, 0, utf8.length, new int[64], 0, maxLength));
      assertEquals(13 + position, e.position(), "maxLength " + maxLength);
    }
  }

  @Test
  void refusesHalfASurrogatePair() throws IOException {
    Tokenizer tokenizer = GOLDEN.load(folder, "uncased");
    var e = assertThrows(MalformedTextException.class, () -> tokenizer.encode("a\ud83d b", 9));
    assertEquals(1, e.position());
    assertEquals(3, tokenizer.encode("\ud83d\ude00", 9).length);
  }

  @Test
  void refusesArgumentsThatCannotHoldAResult() throws IOException {
    Tokenizer tokenizer = GOLDEN.load(folder, "uncased");
    byte[] utf8 = "hello".getBytes(StandardCharsets.UTF_8);
    int[] out = new int[8];
    assertThrows(IllegalArgumentException.class, () -> tokenizer.encode("hello", 1));
    assertThrows(IllegalArgumentException.class, () -> tokenizer.encode(utf8, 0, 5, out, 0, 0));
    assertThrows(IndexOutOfBoundsException.class, () -> tokenizer.encode(utf8, 0, 6, out, 0, 8));
    assertThrows(IndexOutOfBoundsException.class, () -> tokenizer.encode(utf8, 3, 2, out, 0, 8));
    assertThrows(IndexOutOfBoundsException.class, () -> tokenizer.encode(utf8, 0, 5, out, 2, 8));
    assertEquals(3, tokenizer.encode(utf8, 0, 5, out, 1, Integer.MAX_VALUE));
  }

  @Test
  void workersDoNotDisturbEachOther() throws IOException {
    Tokenizer tokenizer = GOLDEN.load(folder, "uncased");
    List<String> texts = GOLDEN.texts().stream().map(String.class::cast).toList();
    List<int[]> expected = texts.stream().map(text -> tokenizer.encode(text, 512)).toList();
    var runs =
        List.of(tokenizer.worker(), tokenizer.worker()).stream()
            .map(worker -> CompletableFuture.runAsync(() -> repeat(worker, texts, expected)))
            .toList();
    runs.forEach(CompletableFuture::join);
  }

  private static void repeat(Tokenizer worker, List<String> texts, List<int[]> expected) {
    for (int i = 0; i < 20 * texts.size(); i++) {
      int text = i % texts.size();
      assertArrayEquals(expected.get(text), worker.encode(texts.get(text), 512));
    }
  }

  @Test
  void namesTokensAndItself() throws IOException {
    Tokenizer tokenizer = GOLDEN.load(folder, "added tokens");
    assertEquals("[CLS]", tokenizer.token(tokenizer.clsId()));
    assertEquals("[SEP]", tokenizer.token(tokenizer.sepId()));
    assertEquals("[UNK]", tokenizer.token(tokenizer.unkId()));
    assertEquals("[PAD]", tokenizer.token(tokenizer.padId()));
    assertEquals("[MASK]", tokenizer.token(tokenizer.maskId()));
    assertEquals("q ", tokenizer.token(tokenizer.vocabularySize() - 1));
    assertEquals(64, tokenizer.fingerprint().length());
    assertEquals(tokenizer.fingerprint(), tokenizer.worker().fingerprint());
    Files.writeString(
        folder.resolve("tokenizer.json"),
        GOLDEN
            .named("added tokens")
            .tokenizerJson()
            .replace("\"lowercase\": true", "\"lowercase\": false"));
    assertNotEquals(tokenizer.fingerprint(), Tokenizers.load(folder).fingerprint());
  }

  private static String escape(String text) {
    var out = new StringBuilder();
    text.codePoints().forEach(point -> out.append(Integer.toHexString(point)).append(' '));
    return out.toString();
  }
}
