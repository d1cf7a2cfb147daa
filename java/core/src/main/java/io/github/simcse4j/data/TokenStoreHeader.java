package io.github.simcse4j.data;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What a token store was made from and with; it stands in the metadata of its Arrow schema.
 *
 * @param columns K, sentences per group, 1 to 3
 * @param tokenizer fingerprint of the tokenizer
 * @param vocabularySize every id is below it
 * @param maxLength most tokens of a sentence, 2 to 65535
 * @param selection the columns asked for, as on the command line
 * @param sources the input files
 */
record TokenStoreHeader(
    int columns,
    String tokenizer,
    int vocabularySize,
    int maxLength,
    String selection,
    List<SourceFile> sources) {

  /** To be raised whenever the same input is to give other tokens or another layout. */
  static final String FORMAT = "1";

  /** Attention counts the positions of a sentence in 16 bits. */
  static final int LONGEST = 0xFFFF;

  private static final String PREFIX = "simcse4j.";
  private static final String FORMAT_KEY = PREFIX + "format";

  TokenStoreHeader {
    sources = List.copyOf(sources);
    require(columns >= 1 && columns <= Columns.MOST, "columns", columns);
    require(vocabularySize >= 1, "vocabulary_size", vocabularySize);
    require(maxLength >= 2 && maxLength <= LONGEST, "max_length", maxLength);
  }

  private static void require(boolean holds, String name, int value) {
    if (!holds) {
      throw new IllegalArgumentException(name + " is " + value);
    }
  }

  /** Whether the metadata of a schema is that of a token store of any format. */
  static boolean isIn(Map<String, String> metadata) {
    return metadata.containsKey(FORMAT_KEY);
  }

  Map<String, String> toMetadata() {
    Map<String, String> metadata = new LinkedHashMap<>();
    metadata.put(FORMAT_KEY, FORMAT);
    metadata.put(PREFIX + "columns", Integer.toString(columns));
    metadata.put(PREFIX + "tokenizer", tokenizer);
    metadata.put(PREFIX + "vocabulary_size", Integer.toString(vocabularySize));
    metadata.put(PREFIX + "max_length", Integer.toString(maxLength));
    metadata.put(PREFIX + "selection", selection);
    metadata.put(PREFIX + "sources", Integer.toString(sources.size()));
    for (int i = 0; i < sources.size(); i++) {
      String key = PREFIX + "source." + i + ".";
      metadata.put(key + "name", sources.get(i).name());
      metadata.put(key + "stamp", sources.get(i).stamp());
      metadata.put(key + "sha256", sources.get(i).sha256());
    }
    return metadata;
  }

  /**
   * Reads the header back.
   *
   * @throws IllegalArgumentException where an entry is missing or senseless
   */
  static TokenStoreHeader fromMetadata(Map<String, String> metadata) {
    String format = text(metadata, "format");
    if (!format.equals(FORMAT)) {
      throw new IllegalArgumentException(
          "it has format " + format + ", this program reads " + FORMAT);
    }
    int count = number(metadata, "sources");
    if (count < 0 || count > metadata.size()) {
      throw new IllegalArgumentException("sources is " + count);
    }
    List<SourceFile> sources = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      String key = "source." + i + ".";
      sources.add(
          new SourceFile(
              text(metadata, key + "name"),
              text(metadata, key + "stamp"),
              text(metadata, key + "sha256")));
    }
    return new TokenStoreHeader(
        number(metadata, "columns"),
        text(metadata, "tokenizer"),
        number(metadata, "vocabulary_size"),
        number(metadata, "max_length"),
        text(metadata, "selection"),
        sources);
  }

  private static String text(Map<String, String> metadata, String name) {
    String value = metadata.get(PREFIX + name);
    if (value == null) {
      throw new IllegalArgumentException("its metadata has no " + PREFIX + name);
    }
    return value;
  }

  private static int number(Map<String, String> metadata, String name) {
    return Integer.parseInt(text(metadata, name));
  }
}
