package io.github.simcse4j.tokenizer;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Objects;

/**
 * BERT's tokenizer, with the ids of the Hugging Face {@code tokenizers} library: added tokens are
 * cut out, the rest is normalised, split into words and spelled by {@link WordPiece}.
 */
public final class WordPieceTokenizer implements Tokenizer {

  /** Long texts are taken in parts that stay in the cache; a part ends at a space. */
  private static final int PART_BYTES = 1 << 14;

  /** What all workers share. */
  private record Shared(
      WordPieceSettings settings,
      List<String> tokens,
      String fingerprint,
      WordPiece model,
      AddedTokenMatcher rawTokens,
      AddedTokenMatcher normalizedTokens,
      CharTable normalizeAndSplit,
      CharTable normalize,
      CharTable split) {}

  private final Shared shared;
  private final AddedTokenMatcher.Scan rawScan;
  private final AddedTokenMatcher.Scan normalizedScan;
  private final TextBuffer words = new TextBuffer();
  private final WordCache cache = new WordCache();
  private final TextBuffer normalized = new TextBuffer();

  WordPieceTokenizer(WordPieceSettings settings) {
    this(share(settings, UnicodeTables.read()));
  }

  private WordPieceTokenizer(Shared shared) {
    this.shared = shared;
    rawScan = shared.rawTokens.new Scan();
    normalizedScan = shared.normalizedTokens.new Scan();
  }

  private static Shared share(WordPieceSettings settings, UnicodeTables tables) {
    var tokens = new ArrayList<String>(settings.vocabulary());
    for (AddedToken token : settings.addedTokens()) {
      if (token.id() == tokens.size()) {
        tokens.add(token.content());
      }
    }
    CharTable both = CharTable.normalizingAndSplitting(tables, settings.normalizer());
    CharTable normalize = both;
    CharTable split = both;
    // Text is normalised without being split only where added tokens are looked for in between.
    if (settings.addedTokens().stream().anyMatch(AddedToken::normalized)) {
      normalize = CharTable.normalizing(tables, settings.normalizer());
      split = CharTable.splitting(tables);
    }
    var model =
        new WordPiece(
            settings.vocabulary(),
            settings.unkId(),
            settings.continuingPrefix(),
            settings.maxCharsPerWord());
    return new Shared(
        settings,
        tokens,
        fingerprint(settings, tables),
        model,
        rawMatcher(settings, tables),
        normalizedMatcher(settings, tables, normalize),
        both,
        normalize,
        split);
  }

  private static AddedTokenMatcher rawMatcher(WordPieceSettings settings, UnicodeTables tables) {
    List<AddedToken> raw =
        settings.addedTokens().stream().filter(token -> !token.normalized()).toList();
    List<byte[]> patterns =
        raw.stream().map(token -> token.content().getBytes(StandardCharsets.UTF_8)).toList();
    return new AddedTokenMatcher(raw, patterns, tables);
  }

  private static AddedTokenMatcher normalizedMatcher(
      WordPieceSettings settings, UnicodeTables tables, CharTable normalize) {
    List<AddedToken> normalized =
        settings.addedTokens().stream().filter(AddedToken::normalized).toList();
    List<byte[]> patterns =
        normalized.stream().map(token -> normalize(normalize, token.content())).toList();
    return new AddedTokenMatcher(normalized, patterns, tables);
  }

  /** The normalised form of a short text. */
  static byte[] normalize(CharTable table, String text) {
    byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
    var buffer = new TextBuffer();
    buffer.fill(table, utf8, 0, utf8.length);
    return Arrays.copyOf(buffer.bytes(), buffer.length());
  }

  @Override
  public int encode(byte[] utf8, int from, int to, int[] out, int outOffset, int maxLength) {
    Objects.checkFromToIndex(from, to, utf8.length);
    int room = (int) Math.min(maxLength, to - from + 2L);
    Objects.checkFromIndexSize(outOffset, room, out.length);
    if (maxLength < 2) {
      throw new IllegalArgumentException(
          "maxLength is " + maxLength + "; [CLS] and [SEP] alone take 2");
    }
    int limit = outOffset + room - 1;
    out[outOffset] = shared.settings.clsId();
    int n = outOffset + 1;
    int at = from;
    rawScan.reset(utf8, from, to);
    while (n < limit && at < to) {
      boolean found = rawScan.next();
      n = encodeText(utf8, at, found ? rawScan.start() : to, out, n, limit);
      if (found && n < limit) {
        out[n++] = rawScan.id();
      }
      at = found ? rawScan.stop() : to;
    }
    Utf8.requireValid(utf8, at, to);
    out[n++] = shared.settings.sepId();
    return n - outOffset;
  }

  /** Encodes text that holds no added token as it stands; it is read to the end in any case. */
  private int encodeText(byte[] utf8, int from, int to, int[] out, int start, int limit) {
    if (!shared.normalizedTokens.isEmpty()) {
      return encodeNormalized(utf8, from, to, out, start, limit);
    }
    int n = start;
    int at = from;
    while (at < to && n < limit) {
      int end = partEnd(utf8, at, to);
      words.fill(shared.normalizeAndSplit, utf8, at, end);
      n = shared.model.encode(words, cache, out, n, limit);
      at = end;
    }
    Utf8.requireValid(utf8, at, to);
    return n;
  }

  private static int partEnd(byte[] utf8, int from, int to) {
    if (to - from <= PART_BYTES) {
      return to;
    }
    int end = from + PART_BYTES;
    while (end < to && utf8[end] != ' ') {
      end++;
    }
    return end;
  }

  private int encodeNormalized(byte[] utf8, int from, int to, int[] out, int start, int limit) {
    normalized.fill(shared.normalize, utf8, from, to);
    byte[] text = normalized.bytes();
    int length = normalized.length();
    int n = start;
    int at = 0;
    normalizedScan.reset(text, 0, length);
    while (n < limit && at < length) {
      boolean found = normalizedScan.next();
      words.fill(shared.split, text, at, found ? normalizedScan.start() : length);
      n = shared.model.encode(words, cache, out, n, limit);
      if (found && n < limit) {
        out[n++] = normalizedScan.id();
      }
      at = found ? normalizedScan.stop() : length;
    }
    return n;
  }

  @Override
  public int[] encode(String text, int maxLength) {
    int lone = Utf8.loneSurrogate(text);
    if (lone >= 0) {
      throw new MalformedTextException(lone, "half a surrogate pair");
    }
    byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
    int[] ids = new int[Math.clamp(utf8.length + 2L, 0, Math.max(maxLength, 0))];
    return Arrays.copyOf(ids, encode(utf8, 0, utf8.length, ids, 0, maxLength));
  }

  @Override
  public int vocabularySize() {
    return shared.tokens.size();
  }

  @Override
  public String token(int id) {
    return shared.tokens.get(id);
  }

  @Override
  public int clsId() {
    return shared.settings.clsId();
  }

  @Override
  public int sepId() {
    return shared.settings.sepId();
  }

  @Override
  public int unkId() {
    return shared.settings.unkId();
  }

  @Override
  public int padId() {
    return shared.settings.padId();
  }

  @Override
  public int maskId() {
    return shared.settings.maskId();
  }

  @Override
  public String fingerprint() {
    return shared.fingerprint;
  }

  @Override
  public WordPieceTokenizer worker() {
    return new WordPieceTokenizer(shared);
  }

  private static String fingerprint(WordPieceSettings settings, UnicodeTables tables) {
    try {
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      add(digest, "WordPiece");
      add(digest, tables.checksum());
      add(digest, settings.vocabulary().size());
      settings.vocabulary().forEach(token -> add(digest, token));
      for (AddedToken token : settings.addedTokens()) {
        add(digest, token.toString());
      }
      add(digest, settings.normalizer().toString());
      add(digest, settings.continuingPrefix());
      add(digest, settings.maxCharsPerWord());
      add(digest, settings.clsId());
      add(digest, settings.sepId());
      add(digest, settings.unkId());
      return HexFormat.of().formatHex(digest.digest());
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java platform has SHA-256", e);
    }
  }

  private static void add(MessageDigest digest, String text) {
    byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
    add(digest, utf8.length);
    digest.update(utf8);
  }

  private static void add(MessageDigest digest, int number) {
    digest.update(ByteBuffer.allocate(Integer.BYTES).putInt(number).array());
  }
}
