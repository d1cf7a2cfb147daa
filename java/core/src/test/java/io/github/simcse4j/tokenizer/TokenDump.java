package io.github.simcse4j.tokenizer;

import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Writes the ids of many texts, for {@code bench/tokenizer/check_exact.py} to compare.
 *
 * <p>Input and output are frames of big-endian ints: byte count and bytes of each text; id count
 * and ids of each text.
 */
final class TokenDump {

  private TokenDump() {}

  /** Arguments: model folder, input, output, most ids per text. */
  public static void main(String[] args) throws IOException {
    Tokenizer tokenizer = Tokenizers.load(Path.of(args[0]));
    int maxLength = Integer.parseInt(args[3]);
    int[] ids = new int[1 << 20];
    try (var in =
            new DataInputStream(new BufferedInputStream(Files.newInputStream(Path.of(args[1]))));
        var out =
            new DataOutputStream(
                new BufferedOutputStream(Files.newOutputStream(Path.of(args[2])), 1 << 20))) {
      for (int length = in.readInt(); length >= 0; length = in.readInt()) {
        int count = tokenizer.encode(in.readNBytes(length), 0, length, ids, 0, maxLength);
        out.writeInt(count);
        for (int i = 0; i < count; i++) {
          out.writeInt(ids[i]);
        }
      }
    }
  }
}
