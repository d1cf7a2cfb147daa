package io.github.simcse4j.tokenizer;

import io.github.simcse4j.files.InputException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;

/**
 * Reads {@code vocab.txt}, one token a line, with the settings of {@code tokenizer_config.json}.
 */
final class VocabularyTxt {

  private static final int MAX_CHARS_PER_WORD = 100;

  private VocabularyTxt() {}

  /** Takes the vocabulary's file and the settings, which may be {@link JsonObject#empty}. */
  static WordPieceSettings read(Path file, JsonObject config) {
    List<String> vocabulary = lines(file);
    var checks = new VocabularyChecks(file, vocabulary);
    TokenNames names = TokenNames.read(config);
    int unk = checks.id(names.unk(), "unknown");
    int cls = checks.id(names.cls(), "first");
    int sep = checks.id(names.sep(), "last");
    boolean lowercase = config.bool("do_lower_case", true);
    var normalizer =
        new NormalizerSettings(
            true,
            config.bool("tokenize_chinese_chars", true),
            config.bool("strip_accents", lowercase),
            lowercase);
    List<AddedToken> added = addedTokens(checks, config, names);
    checks.requireDistinct(added, normalizer);
    return new WordPieceSettings(
        vocabulary,
        added,
        normalizer,
        "##",
        MAX_CHARS_PER_WORD,
        cls,
        sep,
        unk,
        checks.idOrAbsent(names.pad()),
        checks.idOrAbsent(names.mask()));
  }

  private static List<String> lines(Path file) {
    String text = new String(TextFile.read(file), StandardCharsets.UTF_8);
    if (text.startsWith("\uFEFF")) {
      text = text.substring(1);
    }
    var lines = new ArrayList<String>();
    CodePointSet whitespace = UnicodeTables.read().whitespace();
    int from = 0;
    while (from < text.length()) {
      int newline = text.indexOf('\n', from);
      int end = newline < 0 ? text.length() : newline;
      int last = end;
      while (last > from && whitespace.contains(text.charAt(last - 1))) {
        last--;
      }
      // Vocabularies hold whitespace characters as tokens; no word matches them, but they differ.
      lines.add(text.substring(from, last == from ? end : last));
      from = end + 1;
    }
    requireDistinctLines(file, lines);
    return lines;
  }

  private static void requireDistinctLines(Path file, List<String> lines) {
    var seen = new LinkedHashSet<String>();
    for (int i = 0; i < lines.size(); i++) {
      if (!seen.add(lines.get(i))) {
        throw InputException.in(
            file,
            "line " + (i + 1),
            "the token "
                + TextFile.excerpt(lines.get(i))
                + " is there a second time, first in line "
                + (lines.indexOf(lines.get(i)) + 1)
                + ", expected each token once",
            "use the vocab.txt that came with the model");
      }
    }
  }

  private static List<AddedToken> addedTokens(
      VocabularyChecks checks, JsonObject config, TokenNames names) {
    var added = new ArrayList<AddedToken>();
    var contents = new LinkedHashSet<String>();
    if (config.has("added_tokens_decoder")) {
      JsonObject decoder = config.object("added_tokens_decoder");
      for (String id : decoder.names()) {
        AddedToken token = TokenizerJson.addedToken(decoder.object(id), number(decoder, id));
        checks.add(token);
        added.add(token);
        contents.add(token.content());
      }
    }
    for (String name : List.of(names.unk(), names.sep(), names.pad(), names.cls(), names.mask())) {
      if (checks.idOrAbsent(name) >= 0 && contents.add(name)) {
        added.add(new AddedToken(checks.idOrAbsent(name), name, false, false, false, false));
      }
    }
    return added;
  }

  private static int number(JsonObject decoder, String id) {
    if (!id.matches("[0-9]{1,9}")) {
      throw decoder.fault(id, "expected ids as names");
    }
    return Integer.parseInt(id);
  }
}
