package io.github.simcse4j.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.simcse4j.files.InputException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TokenStoresTest {

  private static final int MAX_LENGTH = 8;

  @TempDir Path folder;
  @TempDir Path scratch;
  private TinyTokenizer tokenizer;

  @BeforeEach
  void makeTokenizer() {
    tokenizer = new TinyTokenizer(scratch);
  }

  private Path file(String name, String content) throws IOException {
    return Files.writeString(folder.resolve(name), content);
  }

  private PreparedStore prepare(Path... inputs) {
    return TokenStores.prepare(List.of(inputs), Columns.all(), tokenizer, MAX_LENGTH, null);
  }

  private void assertTokens(String expected, TokenStore store, long sentence) {
    assertArrayEquals(tokenizer.encode(expected, MAX_LENGTH), store.tokens(sentence));
  }

  private long filesInFolder() throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.count();
    }
  }

  @Test
  void sentencesStandInOrderAndUntidinessIsCounted() throws IOException {
    Path text = file("a.txt", "\uFEFFab\n\n  \t\nabcdefghijkl\r\nabcdef\nz");
    try (var prepared = prepare(text)) {
      TokenStore store = prepared.store();
      String[] sentences = {"ab", "abcdefghijkl", "abcdef", "z"};
      assertEquals(4, store.sentences());
      assertEquals(4, store.groups());
      for (int i = 0; i < sentences.length; i++) {
        assertTokens(sentences[i], store, i);
      }
      assertEquals(4 + 8 + 8 + 3, store.tokens());
      assertEquals(8, store.longest());
      assertEquals(8 + 8 + 4, store.mostTokens(3));
      assertEquals(23, store.mostTokens(100));
      PrepareSummary summary = prepared.summary();
      assertEquals(2, summary.skippedEmpty());
      assertEquals(1, summary.truncated());
      assertFalse(summary.reused());
      assertEquals(folder, summary.file().getParent());
      assertTrue(summary.text().contains("4 sentences, 23 tokens"), summary.text());
      assertTrue(summary.text().contains("2 empty rows skipped"), summary.text());
      assertTrue(summary.text().contains("1 sentences truncated"), summary.text());
    }
  }

  @Test
  void aSentenceOfAMillionLettersIsTruncated() throws IOException {
    try (var prepared = prepare(file("a.txt", "a b ".repeat(250_000) + "\nc\n"))) {
      assertTokens("a b a b a b", prepared.store(), 0);
      assertTokens("c", prepared.store(), 1);
      assertEquals(1, prepared.summary().truncated());
    }
  }

  @Test
  void groupsAreInterleavedAndLeftOutWhereACellIsEmpty() throws IOException {
    Path csv = file("a.csv", "sent0,sent1,hard_neg\na,b,c\nd,,f\ng,h,i\n");
    try (var prepared = prepare(csv)) {
      TokenStore store = prepared.store();
      assertEquals(3, store.columns());
      assertEquals(2, store.groups());
      String[] sentences = {"a", "b", "c", "g", "h", "i"};
      for (int i = 0; i < sentences.length; i++) {
        assertTokens(sentences[i], store, i);
      }
      assertEquals(1, prepared.summary().skippedEmpty());
    }
    try (var pairs =
        TokenStores.prepare(
            List.of(csv), Columns.parse("sent0,hard_neg"), tokenizer, MAX_LENGTH, null)) {
      assertEquals(2, pairs.store().columns());
      assertEquals(3, pairs.store().groups());
      assertTokens("f", pairs.store(), 3);
    }
  }

  @Test
  void severalInputsFollowEachOther() throws IOException {
    Path first = file("a.txt", "a\nb\n");
    Path second = file("b.jsonl", "{\"text\": \"c\"}\n");
    try (var prepared = prepare(first, second)) {
      assertEquals(3, prepared.store().sentences());
      assertTokens("c", prepared.store(), 2);
    }
    Path pairs = file("c.tsv", "a b\tc\n");
    var fault = assertThrows(InputException.class, () -> prepare(first, pairs));
    assertTrue(fault.getMessage().contains("expected 1 columns"), fault.getMessage());
  }

  @Test
  void anUnchangedInputIsNotTokenisedAgain() throws IOException {
    Path text = file("a.txt", "a\nb\nc\n");
    prepare(text).close();
    assertEquals(3, tokenizer.encoded());
    try (var again = prepare(text)) {
      assertTrue(again.summary().reused());
      assertTrue(again.summary().text().startsWith("re-used 3 sentences"), again.summary().text());
      assertEquals(3, again.store().sentences());
    }
    Files.setLastModifiedTime(text, FileTime.from(Instant.parse("2020-01-01T00:00:00Z")));
    prepare(text).close();
    assertEquals(3, tokenizer.encoded(), "only the time changed");
    assertEquals(2, filesInFolder());
  }

  @Test
  void whateverChangesTheTokensMakesANewStore() throws IOException {
    Path text = file("a.txt", "a\nb\nc\n");
    FileTime time = Files.getLastModifiedTime(text);
    prepare(text).close();
    file("a.txt", "a\nx\nc\n");
    Files.setLastModifiedTime(text, time);
    try (var changed = prepare(text)) {
      assertFalse(changed.summary().reused(), "same size, same time, other content");
      assertTokens("x", changed.store(), 1);
    }
    TokenStores.prepare(List.of(text), Columns.all(), tokenizer, 5, null).close();
    assertEquals(9, tokenizer.encoded(), "another length");
    TokenStores.prepare(List.of(text), Columns.parse("0"), tokenizer, MAX_LENGTH, null).close();
    assertEquals(12, tokenizer.encoded(), "another selection");
    tokenizer = new TinyTokenizer(scratch, "hello\n");
    prepare(text).close();
    assertEquals(3, tokenizer.encoded(), "another tokenizer");
    prepare(text, text).close();
    assertEquals(9, tokenizer.encoded(), "other inputs");
  }

  @Test
  void theSameOutputIsWrittenAgainWhenItNoLongerFits() throws IOException {
    Path text = file("a.txt", "a\nb\n");
    Path out = folder.resolve("sub/tokens.arrow");
    TokenStores.prepare(List.of(text), Columns.all(), tokenizer, 5, out).close();
    TokenStores.prepare(List.of(text), Columns.all(), tokenizer, 5, out).close();
    assertEquals(2, tokenizer.encoded());
    try (var other = TokenStores.prepare(List.of(text), Columns.all(), tokenizer, 6, out)) {
      assertEquals(6, other.store().maxLength());
      assertEquals(out.toAbsolutePath(), other.summary().file());
    }
  }

  @Test
  void aDamagedStoreBesideTheInputIsWrittenAgain() throws IOException {
    Path text = file("a.txt", "a\nb\n");
    Path store;
    try (var prepared = prepare(text)) {
      store = prepared.summary().file();
    }
    byte[] bytes = Files.readAllBytes(store);
    Files.write(store, java.util.Arrays.copyOf(bytes, bytes.length - 20));
    try (var prepared = prepare(text)) {
      assertFalse(prepared.summary().reused());
      assertEquals(2, prepared.store().sentences());
    }
  }

  @Test
  void aStoreIsAnInputOfItsOwn() throws IOException {
    Path text = file("a.txt", "a\nb\n");
    Path out = folder.resolve("tokens.arrow");
    TokenStores.prepare(List.of(text), Columns.all(), tokenizer, MAX_LENGTH, out).close();
    Files.delete(text);
    try (var prepared = prepare(out)) {
      assertTrue(prepared.summary().reused());
      assertEquals(2, prepared.store().sentences());
    }
    var length =
        assertThrows(
            InputException.class,
            () -> TokenStores.prepare(List.of(out), Columns.all(), tokenizer, 5, null));
    assertTrue(length.getMessage().contains("at most 8 tokens, not 5"), length.getMessage());
    tokenizer = new TinyTokenizer(scratch, "hello\n");
    var other = assertThrows(InputException.class, () -> prepare(out));
    assertTrue(other.getMessage().contains("another tokenizer"), other.getMessage());
  }

  @Test
  void whatIsNoStoreIsNeverOverwritten() throws IOException {
    Path text = file("a.txt", "a\n");
    Path precious = file("precious.arrow", "do not lose me");
    for (Path out : List.of(text, precious, file("precious.txt", "nor me"))) {
      byte[] before = Files.readAllBytes(out);
      assertThrows(
          InputException.class,
          () -> TokenStores.prepare(List.of(text), Columns.all(), tokenizer, MAX_LENGTH, out));
      assertArrayEquals(before, Files.readAllBytes(out));
    }
    Path vectors = Files.copy(precious, folder.resolve("input.arrow"));
    assertThrows(
        InputException.class,
        () -> TokenStores.prepare(List.of(vectors), Columns.all(), tokenizer, 5, vectors));
  }

  @Test
  void aFaultNamesItsPlaceAndLeavesNothing() throws IOException {
    Path text = folder.resolve("latin.txt");
    Files.write(text, "gut\nsch\u00f6n\n".getBytes(StandardCharsets.ISO_8859_1));
    var fault = assertThrows(InputException.class, () -> prepare(text));
    assertTrue(
        fault.getMessage().contains("latin.txt, line 2: expected UTF-8"), fault.getMessage());
    assertEquals(1, filesInFolder());
    Path empty = file("empty.txt", "\n\n");
    assertThrows(InputException.class, () -> prepare(empty));
    assertThrows(InputException.class, () -> prepare());
    assertThrows(
        InputException.class,
        () -> TokenStores.prepare(List.of(text), Columns.all(), tokenizer, 1, null));
  }

  @Test
  void aFolderThatIsNotWritableSendsTheStoreToTheCache() throws IOException {
    Path text = file("a.txt", "a\n");
    Path cache = scratch.resolve("cache");
    var stores = new TokenStores(Columns.all(), tokenizer, MAX_LENGTH, cache);
    assertTrue(folder.toFile().setWritable(false));
    try {
      org.junit.jupiter.api.Assumptions.assumeFalse(
          Files.isWritable(folder), "this user may write everywhere");
      try (var prepared = stores.prepare(List.of(text), null)) {
        assertEquals(cache, prepared.summary().file().getParent());
        assertTrue(prepared.summary().text().contains("not writable"), prepared.summary().text());
      }
      try (var again = stores.prepare(List.of(text), null)) {
        assertTrue(again.summary().reused());
      }
    } finally {
      assertTrue(folder.toFile().setWritable(true));
    }
  }
}
