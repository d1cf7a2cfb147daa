package io.github.simcse4j.random;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PhiloxTest {

  private static final String NAME = "philox4x32 10 ";

  /** The known answers that come with Random123: counter, key, expected words. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "00000000 00000000 00000000 00000000 00000000 00000000"
            + " 6627e8d5 e169c58d bc57ac4c 9b00dbd8",
        "ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff"
            + " 408f276d 41c83b0e a20bc7c6 6d5451fd",
        "243f6a88 85a308d3 13198a2e 03707344 a4093822 299f31d0"
            + " d16cfe09 94fdcceb 5001e420 24126ea1"
      })
  void knownAnswers(String line) {
    String[] words = line.trim().split("\\s+");
    assertEquals(10, words.length, line);
    int[] numbers = new int[10];
    for (int i = 0; i < numbers.length; i++) {
      numbers[i] = Integer.parseUnsignedInt(words[i], 16);
    }
    int[] out = new int[4];
    Philox.words(numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5], out);
    assertArrayEquals(new int[] {numbers[6], numbers[7], numbers[8], numbers[9]}, out, line);
  }

  @Test
  void knownAnswersOfTheFile() throws IOException {
    String shared = System.getProperty("simcse.shared");
    assumeTrue(shared != null, "-Dsimcse.shared is not set: the file of known answers is not read");
    Path file = Path.of(shared, "data", "vectors", "philox_kat_vectors.txt");
    List<String> lines =
        Files.readAllLines(file).stream().filter(line -> line.startsWith(NAME)).toList();
    assertEquals(3, lines.size(), file + " has other lines of " + NAME);
    lines.forEach(line -> knownAnswers(line.substring(NAME.length())));
  }
}
