package io.github.simcse4j.tokenizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;

class Utf8Test {

  @Test
  void everyCodePointThereAndBack() {
    byte[] utf8 = new byte[4];
    for (int point = 0; point <= Character.MAX_CODE_POINT; point++) {
      if (point >= Character.MIN_SURROGATE && point <= Character.MAX_SURROGATE) {
        continue;
      }
      int end = Utf8.encode(point, utf8, 0);
      assertEquals(Utf8.length(point), end);
      assertEquals(point, Utf8.decode(utf8, 0, end));
      assertEquals(0, Utf8.startBefore(utf8, 0, end));
      if (point % 977 == 0) {
        byte[] expected = Character.toString(point).getBytes(StandardCharsets.UTF_8);
        assertArrayEquals(expected, Arrays.copyOf(utf8, end));
      }
    }
  }

  @Test
  void agreesWithTheJdkOnWhatIsValid() {
    long seed = 20251122;
    var random = new Random(seed);
    byte[] edges =
        HexBytes.of(
            "00 61 7F 80 8F 90 9F A0 BF C0 C1 C2 DF E0 E1 EC ED EE EF F0 F1 F3 F4 F5 F7 F8 FF");
    for (int i = 0; i < 30_000; i++) {
      byte[] bytes = new byte[random.nextInt(1, 12)];
      for (int j = 0; j < bytes.length; j++) {
        bytes[j] = edges[random.nextInt(edges.length)];
      }
      assertEquals(
          jdkAccepts(bytes), accepts(bytes), () -> "seed " + seed + Arrays.toString(bytes));
    }
  }

  private static boolean accepts(byte[] bytes) {
    try {
      Utf8.requireValid(bytes, 0, bytes.length);
      return true;
    } catch (MalformedTextException e) {
      return false;
    }
  }

  private static boolean jdkAccepts(byte[] bytes) {
    try {
      StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes));
      return true;
    } catch (CharacterCodingException e) {
      return false;
    }
  }
}
