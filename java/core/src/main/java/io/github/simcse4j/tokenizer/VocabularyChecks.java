package io.github.simcse4j.tokenizer;

import io.github.simcse4j.files.InputException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;

/** The tokens of one file with their ids, and the faults that can be found in them. */
final class VocabularyChecks {

  private final Path file;
  private final Map<String, Integer> ids = new HashMap<>();
  private final int modelSize;

  /** Takes the model's tokens; the index is the id. */
  VocabularyChecks(Path file, List<String> vocabulary) {
    this.file = file;
    modelSize = vocabulary.size();
    long bytes = 0;
    for (int id = 0; id < modelSize; id++) {
      String token = vocabulary.get(id);
      requireUnicode(token);
      bytes += token.getBytes(StandardCharsets.UTF_8).length;
      Integer earlier = ids.put(token, id);
      if (earlier != null) {
        throw fault(
            "the token "
                + TextFile.excerpt(token)
                + " is there twice, with the ids "
                + earlier
                + " and "
                + id
                + ", expected each token once");
      }
    }
    if (bytes > PieceTrie.MAX_KEY_BYTES) {
      throw fault(
          "the tokens have " + bytes + " bytes, expected at most " + PieceTrie.MAX_KEY_BYTES);
    }
  }

  /** The id of a token, or -1. */
  int idOrAbsent(String token) {
    return ids.getOrDefault(token, -1);
  }

  /** The id of a token that must be there. */
  int id(String token, String role) {
    Integer id = ids.get(token);
    if (id == null) {
      throw fault(
          "the vocabulary of "
              + modelSize
              + " tokens lacks "
              + TextFile.excerpt(token)
              + ", expected it as the "
              + role
              + " token");
    }
    return id;
  }

  /** Adds a token that is cut out of the text: it has its id in the model or the next free one. */
  void add(AddedToken token) {
    requireUnicode(token.content());
    String shown = TextFile.excerpt(token.content());
    int expected = ids.getOrDefault(token.content(), ids.size());
    if (token.id() != expected) {
      throw fault(
          "the added token " + shown + " has the id " + token.id() + ", expected " + expected);
    }
    ids.put(token.content(), expected);
  }

  /** Checks that normalised added tokens can be told apart. */
  void requireDistinct(List<AddedToken> tokens, NormalizerSettings settings) {
    var seen = new HashSet<String>();
    if (tokens.stream().anyMatch(token -> !token.normalized() && !seen.add(token.content()))) {
      throw fault("an added token is listed twice, expected each once");
    }
    if (tokens.stream().noneMatch(AddedToken::normalized)) {
      return;
    }
    CharTable table = CharTable.normalizing(UnicodeTables.read(), settings);
    var patterns = new HashSet<String>();
    for (AddedToken token : tokens) {
      if (!token.normalized()) {
        continue;
      }
      byte[] pattern = WordPieceTokenizer.normalize(table, token.content());
      if (pattern.length == 0 || !patterns.add(new String(pattern, StandardCharsets.UTF_8))) {
        throw fault(
            "the added token "
                + TextFile.excerpt(token.content())
                + " is, once normalised, empty or equal to another, expected a form of its own");
      }
    }
  }

  private void requireUnicode(String token) {
    if (Utf8.loneSurrogate(token) >= 0) {
      throw fault(
          "the token "
              + TextFile.excerpt(token)
              + " holds half of a surrogate pair, expected text");
    }
  }

  private InputException fault(String problem) {
    return InputException.in(
        file, "", problem, "use the files that came with the model or save the tokenizer again");
  }
}
