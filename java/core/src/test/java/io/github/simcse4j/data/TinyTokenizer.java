package io.github.simcse4j.data;

import io.github.simcse4j.tokenizer.Tokenizer;
import io.github.simcse4j.tokenizer.Tokenizers;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** WordPiece with a vocabulary of letters, one token per letter; it counts the texts it encodes. */
final class TinyTokenizer implements Tokenizer {

  private final Tokenizer pieces;
  private int encoded;

  TinyTokenizer(Path scratch) {
    this(scratch, "");
  }

  /**
   * A tokenizer with more words.
   *
   * @param scratch a folder for its vocabulary
   * @param more whole words of the vocabulary, one per line
   */
  TinyTokenizer(Path scratch, String more) {
    StringBuilder vocabulary = new StringBuilder("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n");
    for (char letter = 'a'; letter <= 'z'; letter++) {
      vocabulary.append(letter).append("\n##").append(letter).append('\n');
    }
    vocabulary.append(more);
    try {
      Path folder = Files.createTempDirectory(scratch, "tokenizer");
      Files.writeString(folder.resolve("vocab.txt"), vocabulary);
      pieces = Tokenizers.load(folder);
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  int encoded() {
    return encoded;
  }

  @Override
  public int encode(byte[] utf8, int from, int to, int[] out, int outOffset, int maxLength) {
    encoded++;
    return pieces.encode(utf8, from, to, out, outOffset, maxLength);
  }

  @Override
  public int[] encode(String text, int maxLength) {
    return pieces.encode(text, maxLength);
  }

  @Override
  public int vocabularySize() {
    return pieces.vocabularySize();
  }

  @Override
  public String token(int id) {
    return pieces.token(id);
  }

  @Override
  public int clsId() {
    return pieces.clsId();
  }

  @Override
  public int sepId() {
    return pieces.sepId();
  }

  @Override
  public int unkId() {
    return pieces.unkId();
  }

  @Override
  public int padId() {
    return pieces.padId();
  }

  @Override
  public int maskId() {
    return pieces.maskId();
  }

  @Override
  public String fingerprint() {
    return pieces.fingerprint();
  }

  @Override
  public Tokenizer worker() {
    return pieces.worker();
  }
}
