package io.github.simcse4j.tokenizer;

/** The special tokens' names, from {@code tokenizer_config.json} or as BERT has them. */
record TokenNames(String cls, String sep, String unk, String pad, String mask) {

  static final TokenNames BERT = new TokenNames("[CLS]", "[SEP]", "[UNK]", "[PAD]", "[MASK]");

  /** A name is a string or, in older files, an object with the field {@code content}. */
  static TokenNames read(JsonObject config) {
    return new TokenNames(
        name(config, "cls_token", BERT.cls),
        name(config, "sep_token", BERT.sep),
        name(config, "unk_token", BERT.unk),
        name(config, "pad_token", BERT.pad),
        name(config, "mask_token", BERT.mask));
  }

  private static String name(JsonObject config, String field, String fallback) {
    return config.isObject(field)
        ? config.object(field).string("content")
        : config.string(field, fallback);
  }
}
