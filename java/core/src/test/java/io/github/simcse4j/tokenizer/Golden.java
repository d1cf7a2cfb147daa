package io.github.simcse4j.tokenizer;

import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;

/** Texts with the ids that the Hugging Face library gives them: {@code golden.json}. */
final class Golden {

  /** A tokenizer's settings, most ids per text, and the ids of every text. */
  record Case(String name, String tokenizerJson, int maxLength, List<?> ids) {}

  private final JsonObject root;

  Golden() {
    try {
      root = JsonObject.read(Path.of(Golden.class.getResource("golden.json").toURI()));
    } catch (URISyntaxException e) {
      throw new IllegalStateException(e);
    }
  }

  List<?> texts() {
    return root.list("texts");
  }

  List<?> vocabulary() {
    return root.list("vocabulary");
  }

  List<Case> cases() {
    var cases = new ArrayList<Case>();
    for (JsonObject one : root.objects("cases")) {
      cases.add(
          new Case(
              one.string("name"), tokenizerJson(one), one.count("max_length"), one.list("ids")));
    }
    return cases;
  }

  Case named(String name) {
    return cases().stream().filter(one -> one.name().equals(name)).findFirst().orElseThrow();
  }

  Tokenizer load(Path folder, String name) throws IOException {
    Files.writeString(folder.resolve("tokenizer.json"), named(name).tokenizerJson());
    return Tokenizers.load(folder);
  }

  private String tokenizerJson(JsonObject one) {
    var vocab = new StringBuilder();
    for (Object token : vocabulary()) {
      vocab.append(vocab.isEmpty() ? "" : ",").append(quote((String) token)).append(":");
      vocab.append(vocabulary().indexOf(token));
    }
    JsonObject normalizer = one.object("normalizer");
    String added =
        one.objects("added_tokens").stream().map(Golden::added).collect(Collectors.joining(","));
    return """
    {"version": "1.0", "truncation": {"max_length": 3}, "padding": {"strategy": {"Fixed": 9}},
     "added_tokens": [%s],
     "normalizer": {"type": "BertNormalizer", "clean_text": %b, "handle_chinese_chars": %b,
       "strip_accents": %s, "lowercase": %b},
     "pre_tokenizer": {"type": "BertPreTokenizer"},
     "post_processor": {"type": "TemplateProcessing",
       "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}},
         {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "[SEP]"}}],
       "special_tokens": {"[CLS]": {"ids": [2]}, "[SEP]": {"ids": [3]}}},
     "decoder": null,
     "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
       "max_input_chars_per_word": 100, "vocab": {%s}}}
    """
        .formatted(
            added,
            normalizer.bool("clean_text", true),
            normalizer.bool("handle_chinese_chars", true),
            normalizer.has("strip_accents") ? normalizer.bool("strip_accents", true) : null,
            normalizer.bool("lowercase", true),
            vocab);
  }

  private static String added(JsonObject token) {
    return """
    {"id": %d, "content": %s, "single_word": %b, "lstrip": %b, "rstrip": %b, "normalized": %b}
    """
        .formatted(
            token.count("id"),
            quote(token.string("content")),
            token.bool("single_word", false),
            token.bool("lstrip", false),
            token.bool("rstrip", false),
            token.bool("normalized", false));
  }

  private static String quote(String text) {
    return text.chars()
        .mapToObj(unit -> String.format("\\u%04x", unit))
        .collect(Collectors.joining("", "\"", "\""));
  }
}
