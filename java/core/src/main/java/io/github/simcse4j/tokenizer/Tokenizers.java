package io.github.simcse4j.tokenizer;

import io.github.simcse4j.files.InputException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Loads the tokenizer of a Hugging Face model folder. */
public final class Tokenizers {

  private Tokenizers() {}

  /**
   * Reads {@code tokenizer.json} or, where there is none, {@code vocab.txt}; of {@code
   * tokenizer_config.json} the special tokens' names and, for {@code vocab.txt}, the settings.
   *
   * @throws InputException where a file is missing, malformed or of a kind that is not supported
   */
  public static Tokenizer load(Path modelFolder) {
    Path json = modelFolder.resolve("tokenizer.json");
    Path vocabulary = modelFolder.resolve("vocab.txt");
    Path configFile = modelFolder.resolve("tokenizer_config.json");
    JsonObject config =
        Files.exists(configFile) ? JsonObject.read(configFile) : JsonObject.empty(configFile);
    if (Files.exists(json)) {
      return new WordPieceTokenizer(
          TokenizerJson.read(JsonObject.read(json), TokenNames.read(config)));
    }
    if (!Files.exists(vocabulary)) {
      throw InputException.in(
          modelFolder,
          "",
          "expected tokenizer.json or vocab.txt",
          "name a folder that holds a BERT model with its tokenizer");
    }
    refuseLoose(modelFolder.resolve("added_tokens.json"));
    return new WordPieceTokenizer(VocabularyTxt.read(vocabulary, config));
  }

  private static void refuseLoose(Path addedTokens) {
    if (Files.exists(addedTokens)) {
      throw InputException.in(
          addedTokens,
          "",
          "added tokens beside a vocab.txt do not say how they match, expected tokenizer.json",
          JsonObject.REMEDY);
    }
  }
}
