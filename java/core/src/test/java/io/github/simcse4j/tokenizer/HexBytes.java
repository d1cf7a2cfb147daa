package io.github.simcse4j.tokenizer;

import java.util.HexFormat;

/** Bytes written as hexadecimal pairs with spaces between. */
final class HexBytes {

  private HexBytes() {}

  static byte[] of(String hex) {
    return HexFormat.ofDelimiter(" ").parseHex(hex);
  }
}
