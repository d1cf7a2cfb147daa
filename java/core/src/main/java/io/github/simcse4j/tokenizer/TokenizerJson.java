package io.github.simcse4j.tokenizer;

import io.github.simcse4j.files.InputException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Reads {@code tokenizer.json}; padding and truncation found there are none of our business. */
final class TokenizerJson {

  private final JsonObject root;
  private final JsonObject model;

  private TokenizerJson(JsonObject root) {
    this.root = root;
    model = root.object("model");
  }

  static WordPieceSettings read(JsonObject root, TokenNames names) {
    return new TokenizerJson(root).settings(names);
  }

  private WordPieceSettings settings(TokenNames names) {
    requireWordPiece();
    List<String> vocabulary = vocabulary();
    var checks = new VocabularyChecks(root.file(), vocabulary);
    int unk = checks.id(model.string("unk_token"), "unknown");
    NormalizerSettings normalizer = normalizer();
    requireType("pre_tokenizer", root.object("pre_tokenizer"), "BertPreTokenizer");
    List<AddedToken> added = addedTokens(checks, normalizer);
    int[] ends = ends(checks);
    return new WordPieceSettings(
        vocabulary,
        added,
        normalizer,
        model.string("continuing_subword_prefix", "##"),
        model.has("max_input_chars_per_word") ? model.count("max_input_chars_per_word") : 100,
        ends[0],
        ends[1],
        unk,
        checks.idOrAbsent(names.pad()),
        checks.idOrAbsent(names.mask()));
  }

  /** Files of old versions name no type; only WordPiece has a limit of characters per word. */
  private void requireWordPiece() {
    boolean old = !model.has("type") && model.has("max_input_chars_per_word");
    if (!old && !model.string("type").equals("WordPiece")) {
      throw InputException.in(
          root.file(),
          "field model.type",
          "the tokenizer model is "
              + TextFile.excerpt(model.string("type"))
              + ", expected WordPiece",
          "choose a model of the BERT family");
    }
  }

  private List<String> vocabulary() {
    JsonObject vocab = model.object("vocab");
    String[] tokens = new String[vocab.size()];
    for (String token : vocab.names()) {
      int id = vocab.count(token);
      if (id >= tokens.length || tokens[id] != null) {
        throw vocab.fault(
            token, "expected each id from 0 to " + (tokens.length - 1) + " exactly once");
      }
      tokens[id] = token;
    }
    return Arrays.asList(tokens);
  }

  private NormalizerSettings normalizer() {
    if (!root.has("normalizer")) {
      return NormalizerSettings.NONE;
    }
    JsonObject normalizer = root.object("normalizer");
    requireType("normalizer", normalizer, "BertNormalizer");
    boolean lowercase = normalizer.bool("lowercase", true);
    return new NormalizerSettings(
        normalizer.bool("clean_text", true),
        normalizer.bool("handle_chinese_chars", true),
        normalizer.bool("strip_accents", lowercase),
        lowercase);
  }

  private void requireType(String field, JsonObject found, String expected) {
    if (!found.string("type").equals(expected)) {
      throw InputException.in(
          root.file(),
          "field " + field + ".type",
          "found " + TextFile.excerpt(found.string("type")) + ", expected " + expected,
          "choose a model with BERT's tokenizer, or train one");
    }
  }

  private List<AddedToken> addedTokens(VocabularyChecks checks, NormalizerSettings normalizer) {
    var added = new ArrayList<AddedToken>();
    if (!root.has("added_tokens")) {
      return added;
    }
    for (JsonObject entry : root.objects("added_tokens")) {
      AddedToken token = addedToken(entry, entry.count("id"));
      if (!token.content().isEmpty()) {
        checks.add(token);
        added.add(token);
      }
    }
    checks.requireDistinct(added, normalizer);
    return added;
  }

  /** One added token, as {@code tokenizer_config.json} has them too. */
  static AddedToken addedToken(JsonObject entry, int id) {
    return new AddedToken(
        id,
        entry.string("content"),
        entry.bool("single_word", false),
        entry.bool("lstrip", false),
        entry.bool("rstrip", false),
        entry.bool("normalized", !entry.bool("special", false)));
  }

  /** The ids put before and after every text. */
  private int[] ends(VocabularyChecks checks) {
    JsonObject processor = root.object("post_processor");
    if (processor.string("type").equals("BertProcessing")) {
      return new int[] {pair(processor, "cls", checks), pair(processor, "sep", checks)};
    }
    requireType("post_processor", processor, "TemplateProcessing");
    return template(processor, checks);
  }

  private int pair(JsonObject processor, String field, VocabularyChecks checks) {
    List<?> pair = processor.list(field);
    if (pair.size() != 2 || !(pair.get(0) instanceof String token)) {
      throw processor.fault(field, "expected [token, id]");
    }
    int id = checks.id(token, field);
    if (!pair.get(1).equals(id)) {
      throw processor.fault(field, "expected the id " + id + " of the vocabulary");
    }
    return id;
  }

  private int[] template(JsonObject processor, VocabularyChecks checks) {
    List<JsonObject> single = processor.objects("single");
    boolean fits =
        single.size() == 3
            && single.get(0).has("SpecialToken")
            && single.get(1).has("Sequence")
            && single.get(2).has("SpecialToken");
    if (!fits) {
      throw processor.fault("single", "expected one special token before and one after the text");
    }
    return new int[] {
      special(processor, single.get(0), checks), special(processor, single.get(2), checks)
    };
  }

  private int special(JsonObject processor, JsonObject part, VocabularyChecks checks) {
    String name = part.object("SpecialToken").string("id");
    JsonObject special = processor.object("special_tokens").object(name);
    int id = checks.id(name, "special");
    if (!special.list("ids").equals(List.of(id))) {
      throw special.fault("ids", "expected the one id " + id + " of the vocabulary");
    }
    return id;
  }
}
