package io.github.simcse4j.model;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import io.github.simcse4j.files.AtomicFile;
import io.github.simcse4j.files.InputException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Carries a tokenizer's files from one folder to another. */
final class TokenizerFiles {

  static final String CONFIG = "tokenizer_config.json";
  static final String VOCABULARY = "vocab.txt";
  static final String TOKENIZER = "tokenizer.json";

  /** What {@code transformers} reads of a BERT tokenizer; each may be absent. */
  static final List<String> NAMES =
      List.of(TOKENIZER, CONFIG, VOCABULARY, "special_tokens_map.json", "added_tokens.json");

  private static final byte[] NULL = "null".getBytes(StandardCharsets.UTF_8);

  private TokenizerFiles() {}

  /** Copies the files that are there; at least one that holds the vocabulary must be. */
  static void copy(Path from, Path to) throws IOException {
    if (!Files.exists(from.resolve(TOKENIZER)) && !Files.exists(from.resolve(VOCABULARY))) {
      throw InputException.in(
          from,
          "",
          "has no " + TOKENIZER + " and no " + VOCABULARY,
          "put the tokenizer's files beside the weights");
    }
    for (String name : NAMES) {
      Path file = from.resolve(name);
      if (Files.exists(file)) {
        byte[] bytes = Files.readAllBytes(file);
        AtomicFile.write(
            to.resolve(name), name.equals(TOKENIZER) ? withoutFixedLengths(file, bytes) : bytes);
      }
    }
  }

  /** Writes a WordPiece vocabulary, one entry per line in the order of the ids. */
  static void create(Path to, List<String> vocabulary, boolean lowerCase, int maxPositions)
      throws IOException {
    String lines = String.join("\n", vocabulary) + "\n";
    AtomicFile.write(to.resolve(VOCABULARY), lines.getBytes(StandardCharsets.UTF_8));
    Map<String, Object> config = new LinkedHashMap<>();
    config.put("do_lower_case", lowerCase);
    config.put("model_max_length", maxPositions);
    config.put("strip_accents", null);
    config.put("tokenize_chinese_chars", true);
    config.put("tokenizer_class", "BertTokenizer");
    AtomicFile.write(to.resolve(CONFIG), JsonObject.bytes(config));
  }

  /**
   * Sets {@code truncation} and {@code padding} to null and leaves every other byte alone: a fixed
   * padding left over from training corrupts mean pooling in programs that obey it.
   */
  static byte[] withoutFixedLengths(Path file, byte[] json) {
    Set<String> dropped = Set.of("truncation", "padding");
    var kept = new ByteArrayOutputStream(json.length);
    int copied = 0;
    try (JsonParser parser = new JsonFactory().createParser(json)) {
      if (parser.nextToken() != JsonToken.START_OBJECT) {
        throw InputException.in(file, "", "is not a JSON object", SafetensorsHeader.REMEDY);
      }
      while (parser.nextToken() == JsonToken.FIELD_NAME) {
        boolean drop = dropped.contains(parser.currentName());
        drop &= parser.nextToken() == JsonToken.START_OBJECT;
        int start = (int) parser.currentTokenLocation().getByteOffset();
        parser.skipChildren();
        if (drop) {
          kept.write(json, copied, start - copied);
          kept.writeBytes(NULL);
          copied = (int) parser.currentLocation().getByteOffset();
        }
      }
    } catch (IOException e) {
      String problem = "is not readable JSON (" + SafetensorsHeader.firstLine(e) + ")";
      throw InputException.in(file, "", problem, SafetensorsHeader.REMEDY);
    }
    kept.write(json, copied, json.length - copied);
    return kept.toByteArray();
  }
}
