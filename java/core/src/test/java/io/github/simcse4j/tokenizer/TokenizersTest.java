package io.github.simcse4j.tokenizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.simcse4j.files.InputException;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class TokenizersTest {

  private static final String VOCABULARY =
      "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nhello\nHello\n\u00e9\n";

  private static final String JSON =
      """
      {"added_tokens": [{"id": 4, "content": "[MASK]", "special": true}],
       "normalizer": {"type": "BertNormalizer", "lowercase": true},
       "pre_tokenizer": {"type": "BertPreTokenizer"},
       "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
       "model": {"type": "WordPiece", "unk_token": "[UNK]", "max_input_chars_per_word": 100,
        "vocab": {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4, "world": 5}}}
      """;

  @TempDir Path folder;

  private void write(String name, String text) throws IOException {
    Files.writeString(folder.resolve(name), text);
  }

  private String fault() {
    return assertThrows(InputException.class, () -> Tokenizers.load(folder)).getMessage();
  }

  private void assertFault(String file, String... parts) {
    String message = fault();
    assertTrue(message.startsWith(folder.resolve(file).toString()), message);
    assertTrue(message.endsWith("."), message);
    assertEquals(1, message.lines().count(), message);
    for (String part : parts) {
      assertTrue(message.contains(part), message);
    }
  }

  @Test
  void readsVocabTxtAsBertUncasedByDefault() throws IOException {
    write("vocab.txt", VOCABULARY);
    Tokenizer tokenizer = Tokenizers.load(folder);
    assertArrayEquals(new int[] {2, 5, 4, 1, 3}, tokenizer.encode("Hello[MASK]\u00e9", 9));
    assertEquals(8, tokenizer.vocabularySize());
    assertEquals(0, tokenizer.padId());
  }

  @Test
  void followsTokenizerConfig() throws IOException {
    write("vocab.txt", VOCABULARY);
    write("tokenizer_config.json", "{\"do_lower_case\": false, \"strip_accents\": null}");
    Tokenizer cased = Tokenizers.load(folder);
    assertArrayEquals(new int[] {2, 6, 7, 3}, cased.encode("Hello \u00e9", 9));
    write("tokenizer_config.json", "{\"do_lower_case\": true, \"strip_accents\": false}");
    Tokenizer accented = Tokenizers.load(folder);
    assertArrayEquals(new int[] {2, 5, 7, 3}, accented.encode("Hello \u00e9", 9));
    assertNotEquals(cased.fingerprint(), accented.fingerprint());
    write(
        "tokenizer_config.json",
        "{\"cls_token\": {\"content\": \"[MASK]\"}, \"pad_token\": \"<p>\"}");
    Tokenizer renamed = Tokenizers.load(folder);
    assertEquals(4, renamed.clsId());
    assertEquals(-1, renamed.padId());
  }

  @Test
  void readsAddedTokensOfTokenizerConfig() throws IOException {
    write("vocab.txt", VOCABULARY);
    write(
        "tokenizer_config.json",
        "{\"added_tokens_decoder\": {\"8\": {\"content\": \"Big One\", \"lstrip\": true}}}");
    Tokenizer tokenizer = Tokenizers.load(folder);
    assertArrayEquals(new int[] {2, 5, 8, 5, 3}, tokenizer.encode("hello  BIG onehello", 9));
    assertEquals("Big One", tokenizer.token(8));
    write("tokenizer_config.json", "{\"added_tokens_decoder\": {\"9\": {\"content\": \"Big\"}}}");
    assertFault("vocab.txt", "'Big' has the id 9, expected 8");
    write("tokenizer_config.json", "{\"added_tokens_decoder\": {\"x\": {\"content\": \"Big\"}}}");
    assertFault("tokenizer_config.json", "expected ids as names");
  }

  @Test
  void acceptsByteOrderMarkAndCrLf() throws IOException {
    write("vocab.txt", VOCABULARY);
    String plain = Tokenizers.load(folder).fingerprint();
    write("vocab.txt", "\uFEFF" + VOCABULARY.replace("\n", "\r\n"));
    assertEquals(plain, Tokenizers.load(folder).fingerprint());
    write("vocab.txt", VOCABULARY.strip());
    assertEquals(plain, Tokenizers.load(folder).fingerprint());
  }

  @Test
  void takesWhitespaceForTokensThatNoTextHolds() throws IOException {
    write("vocab.txt", VOCABULARY + "\u2028\n##\u2028\n\u3000\nworld  \n\n");
    Tokenizer tokenizer = Tokenizers.load(folder);
    assertEquals("\u2028", tokenizer.token(8));
    assertArrayEquals(
        new int[] {2, 5, 11, 3},
        tokenizer.encode(" \u2028\u3000hello,world ".replace(",", "  "), 9));
  }

  @Test
  void prefersTokenizerJson() throws IOException {
    write("vocab.txt", VOCABULARY);
    write("tokenizer.json", JSON);
    Tokenizer tokenizer = Tokenizers.load(folder);
    assertArrayEquals(new int[] {2, 5, 4, 3}, tokenizer.encode("World [MASK]", 9));
    assertEquals(4, tokenizer.maskId());
  }

  @Test
  void ignoresPaddingAndTruncation() throws IOException {
    write("tokenizer.json", JSON);
    Tokenizer plain = Tokenizers.load(folder);
    write(
        "tokenizer.json",
        JSON.replaceFirst(
            "\\{",
            "{\"padding\": {\"strategy\": {\"Fixed\": 128}}, \"truncation\": {\"max_length\":"
                + " 3},"));
    Tokenizer padded = Tokenizers.load(folder);
    assertArrayEquals(plain.encode("world ".repeat(9), 99), padded.encode("world ".repeat(9), 99));
    assertEquals(plain.fingerprint(), padded.fingerprint());
  }

  @Test
  void namesAMissingVocabulary() throws IOException {
    assertFault("", "expected tokenizer.json or vocab.txt");
    Files.createDirectory(folder.resolve("vocab.txt"));
    assertFault("vocab.txt", "cannot be read");
  }

  @ParameterizedTest
  @ValueSource(strings = {"[UNK]", "[CLS]", "[SEP]"})
  void namesAMissingSpecialToken(String token) throws IOException {
    write("vocab.txt", VOCABULARY.replace(token, "other"));
    assertFault("vocab.txt", "lacks '" + token + "'");
  }

  @Test
  void namesARepeatedLine() throws IOException {
    write("vocab.txt", VOCABULARY + "hello\n");
    assertFault("vocab.txt, line 9", "'hello' is there a second time, first in line 6");
    write("vocab.txt", "");
    assertFault("vocab.txt", "lacks '[UNK]'");
  }

  @Test
  void namesTheLineThatIsNoUtf8() throws IOException {
    byte[] bytes = VOCABULARY.getBytes(StandardCharsets.UTF_8);
    bytes[bytes.length - 2] = ' ';
    Files.write(folder.resolve("vocab.txt"), bytes);
    assertFault("vocab.txt, line 8", "invalid UTF-8 at byte " + (bytes.length - 3));
    Files.write(folder.resolve("tokenizer.json"), bytes);
    assertFault("tokenizer.json, line 8", "invalid UTF-8");
  }

  @Test
  void refusesLooseAddedTokens() throws IOException {
    write("vocab.txt", VOCABULARY);
    write("added_tokens.json", "{\"x\": 8}");
    assertFault("added_tokens.json", "expected tokenizer.json", "save_pretrained");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "WordPiece | BPE | field model.type: the tokenizer model is 'BPE', expected WordPiece",
        "WordPiece | Unigram | expected WordPiece",
        "BertNormalizer | Sequence | field normalizer.type: found 'Sequence', expected"
            + " BertNormalizer",
        "BertPreTokenizer | Whitespace | expected BertPreTokenizer",
        "BertProcessing | RobertaProcessing | expected TemplateProcessing",
        "`\"lowercase\": true` | `\"lowercase\": 1` | field 'normalizer'.'lowercase': expected true"
            + " or false",
        "`\"world\": 5` | `\"world\": 6` | expected each id from 0 to 5 exactly once",
        "`\"world\": 5` | `\"world\": 4` | exactly once",
        "`\"world\": 5` | `\"world\": -1` | expected a whole number",
        "`\"world\": 5` | `\"world\": 99999999999` | expected a whole number",
        "`\"world\": 5` | `\"world\": \"5\"` | expected a whole number",
        "`\"world\": 5` | `\"[MASK]\": 5` | Duplicate",
        "`\"world\": 5` | `\"\\ud800\": 5` | surrogate",
        "`\"content\": \"[MASK]\"` | `\"content\": \"\\udc00\"` | surrogate",
        "`\"[UNK]\": 1` | `\"[unk]\": 1` | lacks '[UNK]'",
        "`[\"[SEP]\", 3]` | `[\"[SEP]\", 4]` | expected the id 3",
        "`[\"[SEP]\", 3]` | `[\"[sep]\", 3]` | lacks '[sep]'",
        "`[\"[SEP]\", 3]` | `[3]` | expected [token; id]",
        "`\"id\": 4` | `\"id\": 3` | 'has the id 3, expected 4'",
        "`\"id\": 4, ` | `` | expected a whole number",
        "`\"max_input_chars_per_word\": 100` | `\"max_input_chars_per_word\": -1` | whole number",
        "`\"model\"` | `\"modell\"` | field 'model': expected a JSON object",
        "`world\": 5}}}` | `world\": 5}}` | no valid JSON",
        "`world\": 5}}}` | `world\": 5}}} 7` | text follows the JSON value",
      })
  void namesWhatIsWrongInTokenizerJson(String from, String to, String problem) throws IOException {
    write("tokenizer.json", JSON.replace(from, to == null ? "" : to));
    String expected = problem.replace("; ", ", ").replaceAll("^'has", "has").replaceAll("4'$", "4");
    assertFault("tokenizer.json", expected);
  }

  @Test
  void refusesAddedTokensThatCannotBeToldApart() throws IOException {
    String twice = "[{\"id\": 6, \"content\": \"Foo\"}, {\"id\": 7, \"content\": \"foo\"}]";
    write("tokenizer.json", JSON.replaceFirst("\\[\\{.*}]", Matcher.quoteReplacement(twice)));
    assertFault("tokenizer.json", "'foo' is, once normalised, empty or equal to another");
  }

  @Test
  void refusesDepthAndSizeMadeToHurt() throws IOException {
    write("tokenizer.json", "[".repeat(100_000));
    assertFault("tokenizer.json", "no valid JSON");
    write("tokenizer.json", "");
    assertFault("tokenizer.json", "expected a JSON object");
    try (var file = new RandomAccessFile(folder.resolve("tokenizer.json").toFile(), "rw")) {
      file.setLength(1L << 32);
    }
    assertFault("tokenizer.json", "expected at most");
  }
}
