package io.github.simcse4j.tokenizer;

/**
 * Turns text into token ids: {@code [CLS] pieces... [SEP]}.
 *
 * <p>The interface says nothing about how pieces are found, so that WordPiece, byte-level BPE and
 * unigram models can stand behind it. An instance owns scratch memory and serves one thread at a
 * time; {@link #worker()} gives another thread its own.
 */
public interface Tokenizer {

  /**
   * Encodes one text without allocating.
   *
   * <p>There are never more ids than {@code to - from + 2}. The bytes are checked to the end, also
   * where the ids were cut at {@code maxLength}.
   *
   * @param utf8 holds the text
   * @param from first byte of the text
   * @param to one past the last byte of the text
   * @param out receives the ids at {@code outOffset}; has room for {@code min(maxLength, to - from
   *     + 2)}, of which what the ids do not take holds anything afterwards
   * @param maxLength most ids to write, [CLS] and [SEP] included; at least 2
   * @return how many ids were written
   * @throws MalformedTextException where the bytes are no UTF-8; {@code out} is then undefined
   * @throws IllegalArgumentException for a {@code maxLength} below 2 or for more than 2^28 bytes
   *     without a space
   */
  int encode(byte[] utf8, int from, int to, int[] out, int outOffset, int maxLength);

  /**
   * Encodes one text into a new array of at most {@code maxLength} ids, [CLS] and [SEP] included.
   *
   * @throws MalformedTextException where the text holds half of a surrogate pair
   */
  int[] encode(String text, int maxLength);

  /** Ids are 0 to this number, exclusive; added tokens are counted. */
  int vocabularySize();

  /** The token of an id, as it stands in the vocabulary. */
  String token(int id);

  /** The id put before every text. */
  int clsId();

  /** The id put after every text. */
  int sepId();

  /** The id of text that the vocabulary cannot spell. */
  int unkId();

  /** The padding id, or -1 where the vocabulary has none. */
  int padId();

  /** The id of a masked token, or -1 where the vocabulary has none. */
  int maskId();

  /** SHA-256, in hexadecimal, of the vocabulary and of every setting that changes ids. */
  String fingerprint();

  /** The same tokenizer with scratch memory of its own, for another thread. */
  Tokenizer worker();
}
